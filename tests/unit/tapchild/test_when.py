"""A new filter waits a little, so that one restart serves all lexicons that come together."""

from hypothesis import given
from hypothesis import strategies as st

from backfilld.tapchild.when import Gathering, Times, backoff, due, gathered
from backfilld_events.ids import Nsid

TIMES = Times()
NAMES = [Nsid(f"a.b.c{n}") for n in range(9)]


def after(*looks: tuple[float, set[Nsid]]) -> Gathering:
    """What is gathered after looks at these times, each of which saw these lacking."""
    gathering = Gathering()
    for now, lacking in looks:
        gathering = gathered(gathering, frozenset(lacking), now)
    return gathering


def at(gathering: Gathering) -> float | None:
    return due(gathering, TIMES.quiet, TIMES.quiet_max)


def test_it_waits_for_ten_quiet_seconds() -> None:
    one, two = set(NAMES[:1]), set(NAMES[:2])
    assert at(after((100, one))) == 110
    assert at(after((100, one), (105, one))) == 110, "nothing new"
    assert at(after((100, one), (105, two))) == 115


def test_it_waits_a_minute_at_most() -> None:
    looks = [(100.0 + 9 * n, set(NAMES[: n + 1])) for n in range(9)]
    assert at(after(*looks)) == 160


def test_a_filter_that_lacks_nothing_is_no_reason() -> None:
    assert at(after((100, set()))) is None
    assert at(after((100, set(NAMES[:1])), (105, set()))) is None, "it was taken back"
    assert at(after((100, set(NAMES[:1])), (105, set()), (200, set(NAMES[:1])))) == 210


@given(st.lists(st.tuples(st.floats(0, 9), st.sets(st.sampled_from(NAMES))), min_size=1))
def test_whatever_comes_it_is_due_within_the_minute_and_not_before_ten_seconds(
    steps: list[tuple[float, set[Nsid]]],
) -> None:
    now, gathering, since, changed = 0.0, Gathering(), 0.0, 0.0
    before: set[Nsid] = set()
    for step, lacking in steps:
        now += step
        gathering = gathered(gathering, frozenset(lacking), now)
        since = now if lacking and not before else since
        changed = now if lacking != before else changed
        before = lacking
    found = at(gathering)
    if not before:
        assert found is None
        return
    assert found is not None
    assert found <= changed + TIMES.quiet
    assert found <= since + TIMES.quiet_max
    assert found in (changed + TIMES.quiet, since + TIMES.quiet_max)


def test_it_is_started_again_after_a_second_and_at_most_half_a_minute() -> None:
    assert [backoff(n, TIMES) for n in range(8)] == [1, 1, 2, 4, 8, 16, 30, 30]
    assert backoff(10**9, TIMES) == 30
