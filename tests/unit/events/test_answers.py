"""What Tap says is believed of what it has now, and it is asked for no more than is needed."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from support.given import LIKES, POSTS, did, dids, handed_off, page, started

from backfilld_events import ids
from backfilld_events.catalog import Event
from backfilld_events.catalog.index import Account, RecordsCommitted, Tally
from backfilld_events.catalog.source import (
    Observation,
    ReposLeaving,
    ReposLeft,
    ReposObserved,
    ReposReturned,
    Why,
)
from backfilld_events.eventlog import EventLog
from backfilld_events.ids import Rev, pack_one
from backfilld_events.log.append import Append
from backfilld_events.log.file import open_writer
from backfilld_events.projections import repos
from backfilld_events.projections.classes import Ask, Class, Need
from backfilld_events.projections.judged import Repo
from backfilld_events.projections.repo import load
from backfilld_events.row import NewEvent

FIRST, LATER = Rev("3aaaaaaaaaaa2"), Rev("3baaaaaaaaaa2")
NOT_ON_PLC = "failed to resolve DID: DID not found: PLC directory 404"
DEACTIVATED = "failed to get repo: API request failed (HTTP 400): RepoDeactivated: x"


class Story:
    """A log in which Tap was given one repository."""

    def __init__(self, path: Path) -> None:
        self.db = open_writer(path, "backfilld_events.log")
        self.log = EventLog(self.db)
        self.happens("job/a", started(POSTS), page(0, 1, None), handed_off(1))

    def happens(self, stream: str, *events: Event) -> int:
        self.log.append([Append([NewEvent(stream, event, "x") for event in events])], 1_000_000)
        return self.log.state.position

    def answers(
        self,
        state: str,
        rev: Rev | None = FIRST,
        records: int = 0,
        *,
        error: str = "",
        retries: int = 0,
        drained: bool = True,
        asked: int = 0,
    ) -> Repo:
        """Tap was asked at the position `asked` (0: just now) and said so."""
        seen = Observation(pack_one(did(0)), state, error, rev, records, retries)
        at = asked or self.log.state.position
        self.happens("tap", ReposObserved("t", drained, [seen], asked=at))
        return self.repo

    def leaves(self, why: Why, *, again: bool) -> int:
        return self.happens("tap", ReposLeaving(why, again, 1, ids.pack([did(0)])))

    def comes_back(self, leaving: int) -> None:
        self.happens("tap", ReposLeft(leaving), ReposReturned(leaving, "t"))

    @property
    def repo(self) -> Repo:
        return load(self.db, [1])[1]


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    story = Story(tmp_path / "events.db")
    with closing(story.db):
        yield story


def test_an_answer_from_before_a_refetch_says_nothing_of_it(story: Story) -> None:
    """The observer asks while the mender takes out and puts back: what was empty with the old
    filter would be called so for ever."""
    story.answers("active")
    asked = story.log.state.position
    story.comes_back(story.leaves("lacks", again=True))
    assert story.answers("active", asked=asked).kind == Class.HANDED_OFF
    assert story.repo.ask
    assert story.answers("active").kind == Class.EMPTY


def test_what_we_took_out_is_not_called_forgotten_by_tap(story: Story) -> None:
    story.answers("error", None, error=NOT_ON_PLC, retries=2)
    leaving = story.leaves("final", again=False)
    story.answers("unknown", None)
    story.happens("tap", ReposLeft(leaving))
    assert (story.answers("unknown", None).kind, story.repo.tap_error) == (Class.FAILED, NOT_ON_PLC)


def test_the_rev_before_a_refetch_is_known_though_tap_was_asked_in_between(story: Story) -> None:
    story.answers("active")
    leaving = story.leaves("lacks", again=True)
    story.answers("unknown", None)
    story.comes_back(leaving)
    assert story.repo.before == FIRST


def test_no_rev_from_before_is_known_where_tap_fetches_anew_by_itself(story: Story) -> None:
    """What Tap said of it last may be days old, and rows that came since are no news of the
    fetch."""
    story.answers("active")
    assert story.answers("pending", None).before is None


def test_what_differs_is_fetched_anew_once_and_then_asked_about_seldom(story: Story) -> None:
    """Each answer that counts other records than are here would else be an event, every two
    seconds, for ever."""
    story.answers("active", records=3)
    assert story.answers("active", records=3).need == Need.DIFFERS
    story.comes_back(story.leaves("differs", again=True))
    story.answers("active", records=3)
    assert story.answers("active", records=3).differs
    assert (story.repo.need, story.repo.ask) == (Need.NONE, Ask.HELD)
    story.answers("active", LATER, 3, drained=False)
    story.answers("active", LATER, 3)
    assert story.answers("active", LATER, 3).need == Need.NONE, "an outbox in between is no news"
    assert story.answers("active", LATER, 0).differs is None


def test_what_only_tap_follows_takes_no_room_from_what_jobs_hand_over(story: Story) -> None:
    """A Tap that takes whole networks sends repositories that no job found, and nobody asks about
    them: they would stay unsettled for ever, and with enough of them nothing is handed over."""
    foreign = [Tally(pack_one(one), 0, inserted=1) for one in dids(1, 4)]
    story.happens("index", RecordsCommitted(1, 1, [POSTS], foreign, [], 0))
    assert story.log.unsettled == repos.expected(story.db) == 1
    listed = replace(page(0, 3, None, LIKES), dids=ids.pack(dids(2, 3)))
    story.happens("job/b", started(LIKES), listed, handed_off(3))
    assert repos.counts(story.db, 0) == {
        Class.DISCOVERED: 1,
        Class.HANDED_OFF: 1,
        Class.ARRIVING: 3,
    }


def test_records_of_what_failed_have_tap_asked_at_once(story: Story) -> None:
    """Its try that was awaited has come, and it is not called failed for an hour more."""
    waits = story.answers("error", None, error=NOT_ON_PLC, retries=9).due
    came = Tally(pack_one(did(0)), 0, inserted=1)
    story.happens("index", RecordsCommitted(1, 1, [POSTS], [came], [], 0))
    assert story.repo.due <= 1 + 30 < waits


def test_any_number_is_asked_about_at_once(story: Story) -> None:
    """tap.info_rate goes to 100,000, SQLite takes 32,766 in a statement."""
    assert [one.did for one in repos.to_ask(story.db, [*range(1, 40_000)])] == [did(0)]


def test_an_account_that_is_gone_is_taken_out_of_tap_when_a_job_hands_it_over_once_more(
    story: Story,
) -> None:
    """A relay lists it for ever, and Tap would try it for ever: without a pause, in the end."""
    story.answers("active")
    gone = Account(pack_one(did(0)), "deleted", "h")
    story.happens("index", RecordsCommitted(1, 1, [], [], [gone], 0))
    assert (story.repo.kind, story.repo.ask) == (Class.GONE, Ask.NEVER)
    story.happens("job/b", started(LIKES), page(0, 1, None, LIKES), handed_off(1))
    assert story.repo.ask == Ask.FAILING
    assert story.answers("error", None, error=NOT_ON_PLC, retries=1).need == Need.NONE
    assert story.answers("error", None, error=NOT_ON_PLC, retries=2).need == Need.FINAL
    story.happens("tap", ReposLeft(story.leaves("final", again=False)))
    assert (story.repo.kind, story.repo.ask) == (Class.GONE, Ask.NEVER)


def test_what_a_refetch_says_of_an_account_does_not_pass_for_its_return(story: Story) -> None:
    """With a long outbox the error is known before Tap's word of the account comes: each refetch
    would lead to the next."""
    came = Tally(pack_one(did(0)), 0, inserted=1)
    active = Account(pack_one(did(0)), "active", "h")
    story.happens("index", RecordsCommitted(1, 1, [POSTS], [came], [active], 0))
    story.answers("active", records=1)
    story.comes_back(story.leaves("lacks", again=True))
    assert story.answers("error", None, error=DEACTIVATED, retries=1).need == Need.NONE
    story.happens("index", RecordsCommitted(2, 2, [], [], [active], 0))
    assert story.repo.need == Need.DEPARTED
    away = Account(pack_one(did(0)), "deactivated", "h")
    story.happens("index", RecordsCommitted(3, 3, [], [], [away], 0))
    assert (story.repo.kind, story.repo.need) == (Class.GONE, Need.NONE)
