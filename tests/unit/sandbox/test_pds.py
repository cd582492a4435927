"""A server that was told to be difficult."""

from hypothesis import given
from hypothesis import strategies as st

from backfilld.sandbox.pds import Pds


def limited(pds: Pds, times: list[float]) -> list[bool]:
    """Which of the fetches at these moments are answered 429."""
    return [pds.says_429(now) for now in times]


def test_it_says_429_to_nobody_until_it_is_told_to() -> None:
    assert limited(Pds(), [0.0] * 100) == [False] * 100


def test_every_so_manieth_fetch_is_answered_429_until_none_is() -> None:
    pds = Pds()
    pds.answers_429(every=3)
    assert limited(pds, [0.0] * 7) == [False, False, True, False, False, True, False]
    assert (pds.asked, pds.limited) == (7, 2)
    pds.answers_429(every=0)
    assert not any(limited(pds, [0.0] * 7))


@given(
    st.lists(st.floats(0, 5), max_size=60).map(sorted), st.integers(0, 5), st.sampled_from([0.5, 1])
)
def test_within_no_such_time_more_are_served_than_it_allows(
    times: list[float], fetches: int, within_s: float
) -> None:
    pds = Pds()
    pds.allows(fetches, within_s)
    served = [now for now in times if not pds.says_429(now)]
    assert pds.asked - pds.limited == len(served)
    for start in served:
        assert sum(start <= now < start + within_s for now in served) <= fetches
    for now in times:  # nor fewer: who is refused found that many served in the time before
        if now not in served:
            assert sum(now - within_s < one <= now for one in served) >= fetches
