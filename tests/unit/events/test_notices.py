"""What people are to be told is folded from the log, and nothing is kept that nobody wants."""

from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from support.given import LIKES, POSTS, TAP, handed_off, page, started

from backfilld_events.catalog import Event
from backfilld_events.catalog.index import RecordsCommitted
from backfilld_events.catalog.job import JobCancelAsked, JobCancelled, JobCompleted, JobFailed
from backfilld_events.catalog.notify import (
    NewsDelivered,
    NewsGivenUp,
    NewsRaised,
    SampleSent,
    TargetAdded,
    TargetRemoved,
)
from backfilld_events.catalog.source import TapDisconnected
from backfilld_events.eventlog import EventLog
from backfilld_events.folds import INITIAL, State, evolve
from backfilld_events.folds.notify import UNSYNCED_MAX, Notices
from backfilld_events.log.append import Append
from backfilld_events.row import NewEvent, Row

DONE = [page(0, 3, cursor=None), handed_off(3), JobCompleted(3, 3, 0, [])]


def happens(state: State, stream: str, *events: Event) -> State:
    for event in events:
        row = Row(state.position + 1, stream, 1, "", 1, 5_000_000, "x", None, b"", b"")
        state = evolve(state, row, event)
    return state


def added(*kinds: str, name: str = "t", unsynced: tuple[str, ...] = (), dead: int = 0) -> Event:
    return TargetAdded(name, "/bin/page", list(kinds), list(unsynced), dead)


def raised(kind: str, job: str | None = None, count: int | None = None) -> NewsRaised:
    return NewsRaised(kind, job, [], "x", "a sentence", 7.0, count)


def told(*kinds: str, **more: object) -> State:
    return happens(INITIAL, "notify/t", added(*kinds, **more))  # type: ignore[arg-type]


def test_without_a_target_nothing_is_kept() -> None:
    state = happens(INITIAL, "job/a", started(POSTS), *DONE)
    state = happens(state, "tap", TapDisconnected(TAP, "cut", "x"))
    state = happens(state, "index", RecordsCommitted(1, 1, [], [], [], unreadable=4))
    assert state.notices == Notices()


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        (DONE, "job.completed"),
        ([*DONE[:2], JobCompleted(3, 3, 0, [POSTS])], "job.completed"),
        ([JobFailed("listing_failed", "x")], "job.failed"),
        ([page(0, 1, malformed=["x"]), JobCompleted(1, 1, 1, [])], "job.completed_with_errors"),
    ],
)
def test_the_end_of_a_job_waits_to_be_told_until_it_is(events: list[Event], kind: str) -> None:
    state = happens(told(kind), "job/a", started(POSTS), *events)
    assert state.notices.ended == ("a",)
    state = happens(state, "notify", raised(kind, "a"))
    assert state.notices.ended == ()
    assert state.notices.targets["t"].waiting == (state.position,)
    assert happens(told("job.stalled"), "job/a", started(POSTS), *events).notices.ended == ()


def test_a_cancelled_job_is_no_news() -> None:
    state = told("job.completed", "job.completed_with_errors", "job.failed", "job.synced")
    state = happens(state, "job/a", started(POSTS), JobCancelAsked(""), JobCancelled(0, 0))
    assert (state.notices.ended, state.notices.unsynced) == ((), ())


def test_a_target_gets_what_it_wants_from_its_first_day_on_until_it_has_it() -> None:
    state = happens(told("job.failed"), "notify", raised("job.failed"), raised("job.synced"))
    first = state.position - 1
    state = happens(state, "notify/u", added("job.failed", "job.synced", name="u"))
    state = happens(state, "notify", raised("job.failed"))
    second = state.position
    assert state.notices.targets["t"].waiting == (first, second)
    assert state.notices.targets["u"].waiting == (second,)
    state = happens(state, "notify/t", NewsDelivered("t", "job.failed", first, 1))
    state = happens(state, "notify/u", NewsGivenUp("u", "job.failed", second, 9, "x"))
    state = happens(state, "notify", SampleSent("t", "/bin/page", None))
    assert state.notices.targets["t"].waiting == (second,)
    assert state.notices.targets["u"].waiting == ()
    assert happens(state, "notify/x", NewsDelivered("x", "job.failed", second, 1)).notices == (
        state.notices
    ), "a target that is gone"


def test_a_job_waits_for_its_records_until_that_is_told() -> None:
    state = happens(told("job.synced", unsynced=("old",)), "job/a", started(POSTS), *DONE)
    assert state.notices.unsynced == ("old", "a")
    state = happens(state, "notify/u", added("job.synced", name="u", unsynced=("a", "b")))
    assert state.notices.unsynced == ("old", "a", "b")
    state = happens(state, "notify", raised("job.synced", "a"))
    assert state.notices.unsynced == ("old", "b")
    state = happens(state, "notify/t", TargetRemoved("t"))
    assert state.notices.unsynced == ("old", "b"), "somebody still wants it"
    assert happens(state, "notify/u", TargetRemoved("u")).notices == Notices()


def test_no_more_jobs_are_waited_for_than_the_newest() -> None:
    old = tuple(f"j{n}" for n in range(UNSYNCED_MAX + 5))
    state = happens(told("job.synced", unsynced=old), "job/a", started(POSTS), *DONE)
    assert state.notices.unsynced == (*old[6:], "a")


def test_of_dead_letters_those_are_told_that_came_since_somebody_wants_to_know() -> None:
    state = told("dead_letter", dead=7)
    assert state.notices.dead == 7
    state = happens(state, "notify/u", added("dead_letter", name="u", dead=9))
    assert state.notices.dead == 7, "two of them are still to be told to the first"
    state = happens(state, "index", RecordsCommitted(1, 1, [], [], [], unreadable=4))
    assert state.notices.unreadable == 4
    state = happens(state, "notify", raised("dead_letter", count=6))
    assert (state.notices.dead, state.notices.dead_at) == (13, 5.0)


def test_dead_letters_are_told_after_the_only_target_was_changed() -> None:
    """A target that is changed is another one: the old is removed, the new begins at the total."""
    fifty = RecordsCommitted(1, 1, [], [], [], unreadable=50)
    state = happens(told("dead_letter"), "index", fifty)
    state = happens(state, "notify", raised("dead_letter", count=50))
    total = state.notices.unreadable
    changed = [TargetRemoved("t"), added("dead_letter", name="u", dead=total)]
    state = happens(state, "notify/u", *changed)
    state = happens(state, "index", replace(fifty, first=2, last=2))
    assert state.notices.unreadable - state.notices.dead == 50


def test_what_was_told_of_as_broken_is_forgotten_when_nobody_is_told_of_its_end() -> None:
    kinds = ("job.stalled", "dependency.down")
    state = happens(told(*kinds), "notify/u", added("job.failed", name="u"))
    state = happens(state, "job/a", started(POSTS))
    channel = replace(raised("dependency.down"), state="down")
    hang = replace(raised("dependency.down"), state="workers_stuck")
    state = happens(state, "notify", raised("job.stalled", "a"), channel, hang)
    assert (set(state.notices.stalled), state.notices.down) == ({"a"}, 7.0)
    assert state.notices.stuck == {"workers_stuck": 7.0}
    state = happens(state, "notify/t", TargetRemoved("t"))
    assert (state.notices.stalled, state.notices.down, state.notices.stuck) == ({}, None, {})


def test_notices_and_listings_are_the_same_after_a_restart_and_when_made_anew(
    tmp_path: Path,
) -> None:
    path = tmp_path / "events.db"
    with closing(EventLog.open(path)) as log:
        for stream, *events in (
            ("notify/t", added("job.synced", "job.stalled", "dead_letter", "dependency.down")),
            ("job/a", started(POSTS), page(0, 2), *(page(2, 1, cursor=None), handed_off(3))),
            ("job/a", JobCompleted(3, 3, 0, [])),
            ("job/b", started(LIKES)),
            ("notify", raised("job.stalled", "b"), raised("dependency.down")),
            ("index", RecordsCommitted(1, 1, [], [], [], unreadable=4)),
        ):
            log.append([Append([NewEvent(stream, event, "x") for event in events])], 1)
        state = log.state
        assert state.notices.stalled["b"] == (0, 0, 0, 0, None)
        assert state.listed[POSTS].place is not None
    with closing(EventLog.open(path)) as log:
        assert (log.rebuilt, log.state) == (False, state)
        log.distrust()
    with closing(EventLog.open(path)) as log:
        assert (log.rebuilt, log.state) == (True, state)
