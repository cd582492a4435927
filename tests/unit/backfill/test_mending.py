"""What is fetched anew, and how many of one host at once: decisions without Tap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.given import did

from backfilld.backfill import mending
from backfilld.backfill.mending import Pace, may_leave, released
from backfilld_events.catalog.source import Observation
from backfilld_events.ids import pack_one
from backfilld_events.projections.asked import Asked
from backfilld_events.projections.classes import Ask, Need


def says(state: str, error: str = "") -> Observation:
    return Observation(pack_one(did(1)), state, error, None, 0)


@pytest.mark.parametrize("need", mending.ORDER)
def test_nothing_leaves_while_it_is_fetched_or_about_to_be(need: Need) -> None:
    assert not may_leave(need, says("resyncing"))
    assert not may_leave(need, says("pending"))


def test_what_is_not_as_it_was_any_more_stays() -> None:
    assert may_leave(Need.FORGOTTEN, says("unknown"))
    assert not may_leave(Need.FORGOTTEN, says("active"))
    assert may_leave(Need.PARKED, says("desynchronized"))
    assert not may_leave(Need.PARKED, says("desynchronized", "what failed before"))
    assert not may_leave(Need.FINAL, says("active"))
    assert may_leave(Need.LACKS, says("active"))
    assert not may_leave(Need.DIFFERS, says("error", "x"))


def test_only_what_fails_for_good_stays_out() -> None:
    assert [need for need in mending.ORDER if not mending.again(need)] == [Need.FINAL]
    assert set(mending.WHY) == set(mending.ORDER)


def parked(host: str | None, count: int, first: int = 0) -> list[Asked]:
    last = ("desynchronized", "", None, 0, 1)
    return [
        Asked(n, did(n), Ask.NEVER, unsure=False, last=last, host=host)
        for n in range(first, first + count)
    ]


def test_a_host_is_given_all_it_parked_at_first() -> None:
    chosen, paces = released(parked("a", 500), {}, 1000)
    assert len(chosen) == 500
    assert paces["a"].released == 500


def test_a_host_that_parks_again_gets_as_many_as_it_served() -> None:
    chosen, paces = released(parked("a", 420), {"a": Pace(1000, 500)}, 1000)
    assert len(chosen) == 80, "it served 80 of 500"
    again, _ = released(parked("a", 340), paces, 1000)
    assert len(again) == mending.RELEASE_MIN, "it served none of those: a few, to see"


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.integers(1, 400)), max_size=6),
    st.integers(1, 1000),
)
def test_no_more_than_may_be_and_no_host_twice_what_it_is_good_for(
    hosts: list[tuple[str | None, int]], limit: int
) -> None:
    waiting: list[Asked] = []
    for host, count in hosts:
        waiting += parked(host, count, len(waiting))
    before = {"a": Pace(20, 10), "b": Pace(1000, 0)}
    chosen, after = released(waiting, before, limit)
    assert len(chosen) <= limit
    assert set(after) == {host or "" for host, _ in hosts}, "others are forgotten"
    ours = sum(one.host == "a" for one in chosen)
    assert ours <= max(mending.RELEASE_MIN, 10)
