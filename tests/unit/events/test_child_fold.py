"""The Tap that we run, as the log tells it."""

from backfilld_events.catalog.child import ChildEnded, ChildEvent, ChildNotStarted, ChildStarted
from backfilld_events.folds.child import LASTING_S, Child, evolve
from backfilld_events.ids import Nsid

POSTS, LIKES = Nsid("a.b.posts"), Nsid("a.b.likes")


def after(*events: ChildEvent) -> Child:
    """The child after these events, at the positions 1, 2, …, a minute apart."""
    child = Child()
    for position, event in enumerate(events, 1):
        child = evolve(child, event, position, position * 60.0)
    return child


def started(*filters: Nsid) -> ChildStarted:
    return ChildStarted(["tap", "run"], list(filters))


def ended(ran_s: float = 1.0, why: str = "") -> ChildEnded:
    return ChildEnded(0, ran_s, why, "bind: address already in use")


def test_a_filter_is_in_force_from_the_first_start_that_had_it_on() -> None:
    child = after(started(POSTS), ended(), started(POSTS, LIKES))
    assert child.filters == (POSTS, LIKES)
    assert child.filtered == {POSTS: 1, LIKES: 3}


def test_a_filter_that_was_left_away_once_counts_anew() -> None:
    child = after(started(POSTS, LIKES), ended(), started(LIKES), ended(), started(POSTS, LIKES))
    assert child.filtered == {LIKES: 1, POSTS: 5}


def test_ends_that_nobody_asked_for_are_counted_until_a_run_lasts() -> None:
    assert after(started(POSTS), ended(), started(POSTS), ended()).failures == 2
    assert after(started(POSTS), ended(), started(POSTS)).failures == 1, "a start proves nothing"
    assert after(started(POSTS), ended(), started(POSTS), ended(LASTING_S)).failures == 0
    assert after(started(POSTS), ended(), started(POSTS), ended(why="stopped")).failures == 0


def test_it_says_whether_it_runs_since_when_and_what_it_said_last() -> None:
    child = after(started(POSTS))
    assert (child.running, child.since) == (True, 60.0)
    child = after(started(POSTS), ended())
    assert (child.running, child.since) == (False, 120.0)
    assert (child.code, child.tail) == (0, "bind: address already in use")


def test_what_is_in_the_way_of_a_start_is_known_until_there_is_one() -> None:
    assert after(ChildNotStarted("the port is taken")).obstacle == "the port is taken"
    assert after(ChildNotStarted("the port is taken"), started(POSTS)).obstacle == ""
