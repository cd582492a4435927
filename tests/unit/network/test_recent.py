"""What is kept is kept for a while, and never more than so much."""

from hypothesis import given
from hypothesis import strategies as st

from backfilld.network.recent import Recent


def test_a_value_is_there_until_its_time_is_over() -> None:
    recent: Recent[str, int] = Recent(2, 60.0)
    recent.put("a", 1, now=0.0)
    assert recent.get("a", now=59.9) == 1
    assert recent.get("a", now=60.0) is None
    assert recent.get("b", now=0.0) is None


@given(st.lists(st.integers(0, 9)))
def test_there_are_never_more_than_so_many_and_the_newest_are_among_them(keys: list[int]) -> None:
    recent: Recent[int, int] = Recent(3, 60.0)
    for at, key in enumerate(keys):
        recent.put(key, at, now=0.0)
    held = [key for key in range(10) if recent.get(key, now=1.0) is not None]
    newest = list(dict.fromkeys(reversed(keys)))[:3]
    assert sorted(newest) == held
