"""What is fetched anew, and how many of one host at once: decisions without Tap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.given import did

from backfilld.backfill import mending
from backfilld.backfill.mending import Pace, looked, may_leave, paced, releasable, tried
from backfilld.backfill.mending import given as given_back
from backfilld_events.catalog.source import Observation
from backfilld_events.ids import pack_one
from backfilld_events.projections.asked import Asked
from backfilld_events.projections.classes import Ask, Need
from backfilld_events.projections.judged import PARKED_S

NOW = 1_700_000_000.0


def says(state: str, error: str = "", retries: int = 1) -> Observation:
    return Observation(pack_one(did(1)), state, error, None, 0, retries)


@pytest.mark.parametrize("need", mending.ORDER)
def test_nothing_leaves_while_it_is_fetched_or_about_to_be(need: Need) -> None:
    assert not may_leave(need, says("resyncing"))
    assert not may_leave(need, says("pending"))


def test_what_is_not_as_it_was_any_more_stays() -> None:
    assert may_leave(Need.FORGOTTEN, says("unknown"))
    assert not may_leave(Need.FORGOTTEN, says("active"))
    assert may_leave(Need.PARKED, says("desynchronized"))
    assert not may_leave(Need.PARKED, says("desynchronized", "what failed before"))
    assert not may_leave(Need.PARKED, says("desynchronized", retries=0)), "it is fetched next"
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


def released(
    waiting: list[Asked], paces: dict[str, Pace], now: float = NOW
) -> tuple[list[Asked], dict[str, Pace]]:
    paces = paced(paces, waiting, now)
    chosen = releasable(waiting, paces, 1000, now)
    return chosen, given_back(paces, chosen, now)


def became(served: int, again: int) -> list[Observation]:
    return [says("active")] * served + [says("desynchronized")] * again


def test_a_host_is_given_all_it_parked_at_first_when_its_pause_is_over() -> None:
    chosen, paces = released(parked("a", 1), {})
    assert not chosen
    chosen, paces = released(parked("a", 500), paces, NOW + PARKED_S - 1)
    assert not chosen
    chosen, paces = released(parked("a", 500), paces, NOW + PARKED_S)
    assert len(chosen) == len(paces["a"].trial) == 500


def test_a_host_gets_no_more_until_it_is_known_what_became_of_the_last() -> None:
    _, paces = released(parked("a", 1), {"a": Pace(), "b": Pace()})
    chosen, paces = released(parked("a", 50, first=1) + parked("b", 3, first=60), paces, NOW + 1)
    assert not chosen, "b is new"
    chosen, _ = released(parked("a", 50, first=1) + parked("b", 3, first=60), paces, NOW + 12)
    assert [one.host for one in chosen] == ["b"] * 3
    pace = tried(paces["a"], became(1, 0), NOW + 2)
    assert len(released(parked("a", 50, first=1), {"a": pace}, NOW + 2)[0]) == 50


def test_a_host_that_parks_again_gets_as_many_as_it_served_after_its_pause() -> None:
    _, paces = released(parked("a", 500), {"a": Pace()})
    pace = tried(paces["a"], became(80, 420), NOW)
    assert not released(parked("a", 420), {"a": pace}, NOW + PARKED_S - 1)[0]
    chosen, paces = released(parked("a", 420), {"a": pace}, NOW + PARKED_S)
    assert len(chosen) == 80
    none = tried(paces["a"], became(0, 80), NOW)
    again, _ = released(parked("a", 420), {"a": none}, NOW + PARKED_S)
    assert len(again) == mending.RELEASE_MIN, "it served none of those: a few, to see"


def test_a_host_that_serves_nothing_is_tried_more_and_more_seldom() -> None:
    """Else one that limits us for days would have a refetch in the log every few seconds."""
    now, tries, paces = NOW, 0, {"a": Pace()}
    while now < NOW + 86_400:
        _, paces = released(parked("a", 5), paces, now)
        if paces["a"].trial:
            tries += 1
            paces["a"] = tried(paces["a"], became(0, 5), now)
        now = paces["a"].after
    assert tries < 40
    assert paces["a"].after - now <= mending.PAUSE_S_MAX
    _, paces = released(parked("a", 5), paces, now)
    served = tried(paces["a"], became(1, 4), now)
    assert served.after == now + PARKED_S, "it serves again"


def test_a_host_that_serves_what_it_was_given_gets_twice_as_many() -> None:
    pace = tried(Pace(80, tuple(parked("a", 80))), became(80, 0), NOW)
    assert len(released(parked("a", 500), {"a": pace})[0]) == 160


def test_those_on_trial_are_looked_at_later_and_later_until_tap_has_tried_the_last() -> None:
    pace: Pace | None = Pace(80, tuple(parked("a", 80)), NOW, NOW)
    now, looks = NOW + 1, 0
    while now < NOW + 3600:
        assert pace is not None
        pace = looked(pace, says("pending"), now)
        assert pace is not None
        now, looks = max(now + 1, pace.after), looks + 1
    assert 10 < looks < 60
    assert pace is not None
    assert looked(pace, None, now) is not None, "Tap does not answer"
    assert looked(pace, says("desynchronized", retries=0), now) is not None, "Tap was restarted"
    for state in ("active", "desynchronized", "error", "unknown"):
        assert looked(pace, says(state), now) is None


def test_what_was_given_back_is_news_when_tap_says_the_same_again() -> None:
    _, paces = released(parked("a", 1), {"a": Pace()})
    (one,) = paces["a"].trial
    assert one.last[0] is None


def test_hosts_with_nothing_parked_and_nothing_on_trial_are_forgotten() -> None:
    paces = {"a": Pace(5), "b": Pace(5, tuple(parked("b", 1)), NOW, NOW), "c": Pace(5)}
    assert set(paced(paces, parked("c", 1), NOW)) == {"b", "c"}


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.integers(1, 400)), max_size=6),
    st.integers(1, 1000),
)
def test_no_more_than_may_be_and_no_host_more_than_it_is_good_for(
    hosts: list[tuple[str | None, int]], limit: int
) -> None:
    waiting: list[Asked] = []
    for host, count in hosts:
        waiting += parked(host, count, len(waiting))
    paces = paced({"a": Pace(20), "b": Pace(1000, after=NOW + 1), "": Pace()}, waiting, NOW)
    chosen = releasable(waiting, paces, limit, NOW)
    assert len(chosen) <= limit
    assert sum(one.host == "a" for one in chosen) <= 20
    assert all(one.host != "b" for one in chosen), "it has its pause"
