"""How fast, and how long: a range or a reason, never a guess."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfilld.control.jobs import progress
from backfilld.control.jobs.progress import EVERY_S, GAP_S, SPAN_S, Range, Sample, Samples

NUMBERS = st.integers(0, 10**9)
MINUTES = st.lists(st.floats(0, 1e6), max_size=15)


def sample(at: float, done: int, *, going: bool = True) -> Sample:
    return Sample(at, found=done, handed_off=done, records=done * 10, settled=done, going=going)


def series(*samples: Sample) -> Samples:
    kept: Samples = ()
    for one in samples:
        kept = progress.add(kept, one)
    return kept


def steady(seconds: int, per_s: int, since: float = 100.0) -> Samples:
    return series(*(sample(since + at, at * per_s) for at in range(0, seconds + 1, int(EVERY_S))))


def handed_off(samples: Samples, *, only_going: bool = False) -> progress.Rates:
    return progress.rates(samples, lambda one: one.handed_off, only_going=only_going)


# --- rates ---------------------------------------------------------------------------------------


def test_a_steady_job_has_its_rate_now_and_in_every_whole_minute() -> None:
    known = handed_off(steady(200, per_s=7))
    assert known.now == pytest.approx(7)
    assert list(known.minutes) == pytest.approx([7, 7, 7])
    assert known.typical == pytest.approx(7)


def test_now_is_the_last_minute_and_typical_the_last_fifteen() -> None:
    fast = steady(600, per_s=10)
    slow = [sample(fast[-1].at + at, fast[-1].handed_off + at) for at in range(5, 61, 5)]
    known = handed_off(series(*fast, *slow))
    assert known.now == pytest.approx(1)
    assert known.typical == pytest.approx(10)


def test_a_job_that_was_seen_once_has_no_rate() -> None:
    assert handed_off(()) == progress.Rates(None, [])
    assert handed_off(series(sample(1, 5))).now is None


def test_minutes_in_which_the_job_was_paused_do_not_count_for_its_own_lanes() -> None:
    busy = steady(180, per_s=4)
    end = busy[-1]
    paused = [sample(end.at + at, end.handed_off, going=False) for at in range(5, 181, 5)]
    known = series(*busy, *paused)
    assert handed_off(known, only_going=True).typical == pytest.approx(4)
    assert handed_off(known).typical == pytest.approx(2), "what Tap brings goes on all the time"


def test_time_in_which_nobody_looked_makes_no_rate() -> None:
    """The machine slept, or the process was stopped."""
    known = series(*steady(300, per_s=5), sample(100_000.0, 1500))
    assert known == (sample(100_000.0, 1500),)


def test_no_more_is_remembered_than_fifteen_minutes() -> None:
    known = steady(7200, per_s=1)
    assert len(known) <= progress.SAMPLES_MAX
    assert known[-1].at - known[0].at <= SPAN_S + EVERY_S
    assert len(handed_off(known).minutes) == 15


@given(st.lists(st.tuples(st.floats(0.1, 2 * GAP_S), NUMBERS, st.booleans()), max_size=60))
def test_no_rate_is_ever_negative_and_memory_is_bounded(
    steps: list[tuple[float, int, bool]],
) -> None:
    """Whatever the counts do: a repository that was here may be asked for again."""
    at, known = 0.0, ()
    for step, done, going in steps:
        at += step
        known = progress.add(known, sample(at, done, going=going))
    assert len(known) <= progress.SAMPLES_MAX
    rates = handed_off(known)
    assert all(rate >= 0 for rate in [*rates.minutes, rates.now or 0.0])


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=100))
def test_what_the_minutes_say_adds_up_to_what_was_done(grown: list[int]) -> None:
    done, samples = 0, list[Sample]()
    for at, more in enumerate(grown):
        done += more
        samples.append(sample(at * EVERY_S, done))
    known = handed_off(series(*samples))
    whole = sum(known.minutes) * 60
    assert whole <= done - grown[0] + 1e-6


# --- how long ------------------------------------------------------------------------------------


def test_the_range_is_what_is_left_at_the_fast_and_the_slow_quarter() -> None:
    known = progress.eta([8, 8, 10, 12, 12], left=4800, done=5000, watched_s=300)
    assert known == Range(360, 600), "400 s at 12 and 600 s at 8, to whole minutes outwards"
    assert progress.text(360, 600) == "6-10 min"


@pytest.mark.parametrize(
    ("minutes", "left", "done", "watched_s", "reason"),
    [
        ([5.0, 5.0], 100, 900, 119.0, "too_early"),
        ([5.0], 100, 900, 300.0, "too_early"),
        ([5.0, 5.0], 9_900, 100, 300.0, "too_early"),
        ([0.0, 0.0, 0.0], 100, 900, 300.0, "no_progress"),
        ([1.0, 1.0, 9.0, 9.0], 100, 900, 300.0, "too_uneven"),
        ([5.0, 5.0], 0, 900, 300.0, "nothing_left"),
    ],
    ids=["before two minutes", "one minute", "before 2 %", "nothing moved", "uneven", "done"],
)
def test_no_range_is_given_without_ground_and_the_reason_is_told(
    minutes: list[float], left: int, done: int, watched_s: float, reason: str
) -> None:
    known = progress.eta(minutes, left=left, done=done, watched_s=watched_s)
    assert known.withheld == reason
    assert known.high_s is None


def test_of_an_uneven_job_the_least_is_told() -> None:
    known = progress.eta([1.0, 1.0, 10.0, 10.0], left=12_000, done=5000, watched_s=300)
    assert known == Range(low_s=1200, withheld="too_uneven")


@given(MINUTES, NUMBERS, NUMBERS, st.floats(0, 1e5))
def test_a_range_runs_upwards_and_is_given_exactly_when_it_may_be(
    minutes: list[float], left: int, done: int, watched_s: float
) -> None:
    known = progress.eta(minutes, left=left, done=done, watched_s=watched_s)
    if known.withheld is None:
        assert known.low_s is not None
        assert known.high_s is not None
        assert 0 <= known.low_s <= known.high_s
        assert left > 0
        assert watched_s >= 120
        assert len(minutes) >= 2
        assert done >= 0.02 * (done + left)
        assert progress.text(known.low_s, known.high_s)
    else:
        assert known.high_s is None
        assert (known.low_s is None) or known.withheld == "too_uneven"


@given(st.lists(st.floats(0.5, 1.0), min_size=2, max_size=15), st.integers(1, 10**8), NUMBERS)
def test_more_left_never_takes_less_long(minutes: list[float], left: int, more: int) -> None:
    few = progress.spread(minutes, left)
    many = progress.spread(minutes, left + more)
    assert few.low_s is not None
    assert many.low_s is not None
    assert few.high_s is not None
    assert many.high_s is not None
    assert few.low_s <= many.low_s
    assert few.high_s <= many.high_s


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (25, 35, "25-35 s"),
        (2400, 3600, "40 min to 1 h"),
        (2400, 3300, "40-55 min"),
        (3000, 4800, "50 min to 1 h 20 min"),
        (0, 10, "less than 10 s"),
        (7200, 7200, "about 2 h"),
        (183_600, 183_600, "about 2 d 3 h"),
    ],
)
def test_a_range_is_said_in_at_most_two_units(low: int, high: int, said: str) -> None:
    assert progress.text(low, high) == said
