"""New repositories are looked for by itself, every so often, and cheaply where that is safe."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from support.given import LIKES, NOON, POSTS, RELAY, handed_off, page, started

from backfilld.backfill.desk import Desk
from backfilld.backfill.place import collection_number
from backfilld.backfill.schedule import LOOK_S, PARTIAL_MAX, RETRY_S, Schedule, due
from backfilld.clock import virtual
from backfilld.config.keys import JobsConfig
from backfilld.config.units import Duration
from backfilld.journal import Journal
from backfilld.worker import InlineWorker
from backfilld_events.catalog import Event
from backfilld_events.catalog.job import (
    JobCancelAsked,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobPaused,
    ListedFrom,
    ListingFailed,
)
from backfilld_events.catalog.lexicon import LexiconDeleted, LexiconUploaded
from backfilld_events.eventlog import EventLog
from backfilld_events.folds import INITIAL, State, evolve
from backfilld_events.row import NewEvent, Row

WEEK = 7 * 86_400.0
# what a collectiondir answered, as it was run
PLACE = "QQAAAAIAAAGiDhmifmRpZDpwbGM6ZHd0Y2s1eXFiZWtzbTJoN3QyZWVueGh1AA"
LATER = "QQAAAAIAAAGiDhmifmRpZDpwbGM6d3d0Y2s1eXFiZWtzbTJoN3QyZWVueGh1AA"
LEXICON = LexiconUploaded(POSTS, 1, "record", True, None, b"{}")


class Story:
    """A state, made by what happens at some time."""

    def __init__(self) -> None:
        self.state, self.at = INITIAL, NOON

    def happens(self, stream: str, *events: Event) -> State:
        for event in events:
            position = self.state.position + 1
            row = Row(position, stream, 1, "", 1, round(self.at * 1e6), "x", None, b"", b"")
            self.state = evolve(self.state, row, event)
        return self.state

    def job(self, name: str, *, cursor: str = PLACE, place: ListedFrom | None = None) -> State:
        """A job of two pages, from its start to its end."""
        pages = (page(0, 2, cursor=cursor), page(2, 1, cursor=None))
        start = replace(started(POSTS), listed_from=place)
        return self.happens(f"job/{name}", start, *pages, handed_off(3), JobCompleted(3, 3, 0, []))


@pytest.fixture
def story() -> Story:
    story = Story()
    story.happens(f"lexicon/{POSTS}", LEXICON)
    return story


def test_a_look_is_due_so_long_after_the_last_job_ended_and_not_before(story: Story) -> None:
    state = story.job("a")
    assert due(state, NOON + WEEK - 1, WEEK) == []
    (look,) = due(state, NOON + WEEK, WEEK)
    assert (look.collection, look.cause, look.accounts) == (POSTS, 2, None)
    assert look.listed_from == ListedFrom(RELAY, PLACE)
    assert "since" in look.reason
    assert look.priority < 0, "who asks for something goes first"


def test_zero_is_never(story: Story) -> None:
    assert due(story.job("a"), NOON + 100 * WEEK, 0.0) == []


def test_what_was_never_listed_is_not_looked_for_again(story: Story) -> None:
    assert due(story.state, NOON + WEEK, WEEK) == []
    accounts = [started(POSTS, given=True), page(0, 1, cursor=None), handed_off(1)]
    story.happens("job/a", *accounts, JobCompleted(1, 1, 0, []))
    assert due(story.state, NOON + WEEK, WEEK) == [], "a job for named accounts listed nothing"


@pytest.mark.parametrize(
    "event",
    [
        LexiconDeleted(POSTS),
        LexiconUploaded(POSTS, 2, "record", False, None, b"{}"),
        LexiconUploaded(POSTS, 2, "query", True, None, b"{}"),
    ],
)
def test_only_record_lexicons_with_backfill_are_looked_for(story: Story, event: Event) -> None:
    story.job("a")
    state = story.happens(f"lexicon/{POSTS}", event)
    assert due(state, NOON + WEEK, WEEK) == []


def test_nothing_is_started_beside_a_job_for_the_same_collection(story: Story) -> None:
    story.job("a")
    state = story.happens("job/b", started(LIKES, POSTS))
    assert due(state, NOON + WEEK, WEEK) == []
    state = story.happens("job/b", JobPaused("a person wants it so"))
    assert due(state, NOON + WEEK, WEEK) == []


def test_every_fourth_look_is_at_all(story: Story) -> None:
    story.job("a")
    partial = []
    for n in range(12):
        story.at += WEEK
        (look,) = due(story.state, story.at, WEEK)
        partial.append(look.listed_from is not None)
        story.job(f"look{n}", place=look.listed_from)
    assert partial == ([True] * PARTIAL_MAX + [False]) * 3


def test_a_job_for_everything_counts_for_each_of_its_collections(story: Story) -> None:
    both = [started(LIKES, POSTS), page(0, 1, cursor=None, collection=LIKES)]
    story.happens("job/a", *both, page(1, 1, cursor=None), JobCompleted(2, 2, 0, []))
    (look,) = due(story.state, NOON + WEEK, WEEK)
    assert (look.collection, look.listed_from) == (POSTS, None), "one page has no place to go on"


def test_a_look_that_failed_is_tried_again_within_the_hour_and_keeps_the_place(
    story: Story,
) -> None:
    story.job("a")
    story.at += WEEK
    place = ListedFrom(RELAY, PLACE)
    gone = ListingFailed(POSTS, RELAY, "unreachable", "connection refused", 8, None)
    failure = JobFailed("listing_failed", "relay")
    state = story.happens("job/b", replace(started(POSTS), listed_from=place), gone, failure)
    assert due(state, story.at + RETRY_S - 1, WEEK) == []
    assert [look.listed_from for look in due(state, story.at + RETRY_S, WEEK)] == [place]
    assert len(due(state, story.at + 600.0, 600.0)) == 1, "or sooner, if that is configured"


def test_a_cancelled_look_waits_its_time_and_its_place_is_not_kept(story: Story) -> None:
    """It may have found repositories that it never handed over."""
    story.job("a")
    story.at += WEEK
    found = [page(0, 2, cursor=LATER), page(2, 1, cursor=None)]
    state = story.happens("job/b", started(POSTS), *found, JobCancelAsked(""), JobCancelled(3, 0))
    assert due(state, story.at + WEEK - 1, WEEK) == []
    (look,) = due(state, story.at + WEEK, WEEK)
    assert look.listed_from == ListedFrom(RELAY, PLACE)


GONE = ListingFailed(POSTS, RELAY, "unreachable", "connection refused", 8, None)
UNREACHED = JobFailed("listing_failed", "relay")


@pytest.mark.parametrize(
    "events",
    [
        [GONE, UNREACHED],
        [page(0, 2), GONE, handed_off(2), JobCompleted(2, 2, 0, [POSTS])],
    ],
    ids=["nothing", "a part"],
)
def test_a_collection_whose_first_listing_failed_is_tried_again_within_the_hour_and_whole(
    story: Story, events: list[Event]
) -> None:
    state = story.happens("job/a", started(POSTS), *events)
    assert due(state, story.at + RETRY_S - 1, WEEK) == []
    (look,) = due(state, story.at + RETRY_S, WEEK)
    assert (look.listed_from, look.cause) == (None, 2)
    story.at += RETRY_S
    again = story.happens("job/b", started(POSTS), GONE, UNREACHED)
    assert [look.listed_from for look in due(again, story.at + RETRY_S, WEEK)] == [None]


def test_a_collection_whose_first_job_was_cancelled_is_looked_for_when_its_time_comes_and_whole(
    story: Story,
) -> None:
    cut = [page(0, 2, cursor=PLACE), JobCancelAsked(""), JobCancelled(2, 0)]
    state = story.happens("job/a", started(POSTS), *cut)
    assert due(state, story.at + WEEK - 1, WEEK) == []
    assert [look.listed_from for look in due(state, story.at + WEEK, WEEK)] == [None]


def test_with_a_cursor_of_another_kind_every_look_is_at_all(story: Story) -> None:
    story.job("a", cursor="did:plc:aaaa")
    assert [look.listed_from for look in due(story.state, NOON + WEEK, WEEK)] == [None]


@pytest.mark.parametrize(
    ("cursor", "number"),
    [
        (PLACE, 2),
        ("QQAAAAIAAAGiDhmifmRpZDp3ZWI6YS50ZXN0AA==", 2),
        ("QgAAAAIAAAGiDhmifmRpZDpwbGM6ZHd0Y2s1eXFiZWtzbTJoN3QyZWVueGh1AA", None),
        ("QQAAAAIAAAGiDhmifmRpZDpwbGM6ZHd0Y2s1eXFiZWtzbTJoN3QyZWVueGh1", None),
        ("QQAAAAIAAAGiDhmifm5vdCBhIERJRAA", None),
        ("", None),
        ("4711", None),
        ("é", None),
    ],
)
def test_a_place_in_time_is_told_by_its_form(cursor: str, number: int | None) -> None:
    found = collection_number(cursor)
    assert found == (None if number is None else number.to_bytes(4, "big"))


@given(st.text() | st.text("ABCQgw-_=", max_size=80))
def test_any_cursor_at_all_has_an_answer(cursor: str) -> None:
    assert len(collection_number(cursor) or b"1234") == 4


@asynccontextmanager
async def scheduled(folder: Path, every_s: Callable[[], float]) -> AsyncIterator[Journal]:
    """A schedule at work, after a job that has ended."""
    clock = virtual(NOON)
    with closing(EventLog.open(folder / "events.db")) as log:
        journal = Journal(log, InlineWorker(), clock)
        async with trio.open_nursery() as nursery:
            await nursery.start(journal.run)
            schedule = Schedule(
                journal, Desk(journal), clock, lambda: JobsConfig(rediscover=Duration(every_s()))
            )
            nursery.start_soon(schedule.run)
            await journal.append([NewEvent(f"lexicon/{POSTS}", LEXICON, "uid:1")])
            events = [started(POSTS), page(0, 1, cursor=None), handed_off(1)]
            await journal.append(
                [NewEvent("job/a", one, "x") for one in (*events, JobCompleted(1, 1, 0, []))]
            )
            yield journal
            nursery.cancel_scope.cancel()


async def test_the_schedule_starts_what_is_due_and_says_that_it_did(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with scheduled(tmp_path, lambda: WEEK) as journal:
        await trio.sleep(WEEK - 2 * LOOK_S)
        assert not journal.state.jobs
        await trio.sleep(3 * LOOK_S)
        (job,) = journal.state.jobs.values()
        assert (job.actor, job.cause, job.asked_for) == ("schedule", 2, POSTS)
        await trio.sleep(WEEK)
        assert list(journal.state.jobs) == [job.id], "one at a time"


async def test_a_new_interval_is_in_force_within_the_minute(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    every_s = 0.0
    async with scheduled(tmp_path, lambda: every_s) as journal:
        await trio.sleep(WEEK)
        assert not journal.state.jobs
        every_s = 3600.0
        await trio.sleep(LOOK_S + 1)
        assert len(journal.state.jobs) == 1
