"""How fast a job goes and how long it will take, from samples of what it has done. Pure.

The one rule: a range is given or a reason, never a guess. Times are seconds of trio's clock, so
that neither a clock that is set nor a machine that sleeps makes a rate; a gap begins anew.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from math import ceil, floor
from statistics import median, quantiles
from typing import Literal, NamedTuple

EVERY_S = 5.0  # between two samples
MINUTE_S = 60.0
SPAN_S = 15 * MINUTE_S  # what is remembered of a job
GAP_S = 6 * EVERY_S  # nobody looked for so long: what was before says nothing about now
SAMPLES_MAX = int(SPAN_S / EVERY_S) + 2

WATCHED_S_MIN = 2 * MINUTE_S
SHARE_MIN = 0.02
RATIO_MAX = 4.0
RATE_MIN = 1 / SPAN_S  # less than one in all that is remembered is none

_STEPS = (  # up to this many seconds: rounded to so many
    (60, 5), (600, 60), (3600, 300), (86_400, 600), (float("inf"), 3600),
)  # fmt: skip
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))

Withheld = Literal["ended", "listing", "paused", "stalled", "pending", "too_early", "no_progress",
                   "too_uneven", "nothing_left"]  # fmt: skip


class Sample(NamedTuple):
    """What a job had done at a moment. `settled` repositories are here, empty, failed or gone.
    `going`: its own lanes could work."""

    at: float
    found: int
    handed_off: int
    records: int
    settled: int
    going: bool


Samples = tuple[Sample, ...]
Count = Callable[[Sample], float]


class Rates(NamedTuple):
    """A second: `now` in the last minute, `minutes` of each whole minute before, the last first."""

    now: float | None
    minutes: Sequence[float]

    @property
    def typical(self) -> float | None:
        """The median minute."""
        return median(self.minutes) if self.minutes else None


class Range(NamedTuple):
    """Seconds from now, rounded outwards; or `withheld`, with the least that is known if any."""

    low_s: int | None = None
    high_s: int | None = None
    withheld: Withheld | None = None


def add(samples: Samples, sample: Sample) -> Samples:
    """The samples with one more, without those that are too old."""
    if not samples or not 0 < sample.at - samples[-1].at <= GAP_S:
        return (sample,)
    oldest = sample.at - SPAN_S - EVERY_S
    kept = [one for one in samples[-SAMPLES_MAX + 1 :] if one.at >= oldest]
    return (*kept, sample)


def rates(samples: Samples, of: Count, *, only_going: bool = False) -> Rates:
    """How fast `of` grew. `only_going`: minutes in which the job's lanes could not work, or not all
    along, do not count."""
    if len(samples) < 2:
        return Rates(None, [])
    first, last = samples[0].at, samples[-1].at
    span = min(MINUTE_S, last - first)
    minutes: list[float] = []
    end = last
    while end - MINUTE_S >= first and len(minutes) < SPAN_S // MINUTE_S:
        start = end - MINUTE_S
        if not only_going or all(one.going for one in samples if start <= one.at <= end):
            minutes.append(_grown(samples, of, start, end) / MINUTE_S)
        end = start
    return Rates(_grown(samples, of, last - span, last) / span, minutes)


def watched(samples: Samples) -> float:
    """For how many seconds the job was watched."""
    return samples[-1].at - samples[0].at if samples else 0.0


def eta(minutes: Sequence[float], *, left: int, done: int, watched_s: float) -> Range:
    """How long `left` will take, given the rates of whole minutes and what is done."""
    if left <= 0:
        return Range(withheld="nothing_left")
    if len(minutes) < 2 or watched_s < WATCHED_S_MIN or done < SHARE_MIN * (done + left):
        return Range(withheld="too_early")
    return spread(minutes, left)


def spread(minutes: Sequence[float], left: int) -> Range:
    """`left` at the 75th and at the 25th percentile of at least two rates."""
    slow, _, fast = quantiles(minutes, n=4, method="inclusive")
    if fast < RATE_MIN:
        return Range(withheld="no_progress")
    low = _rounded(left / fast, floor)
    if slow < RATE_MIN or fast > RATIO_MAX * slow:
        return Range(low_s=low, withheld="too_uneven")
    return Range(low, _rounded(left / slow, ceil))


def text(low_s: int, high_s: int) -> str:
    """A range for people, in at most two units."""
    if low_s == 0:
        return f"less than {duration(high_s)}"
    low, high = duration(low_s), duration(high_s)
    if low == high:
        return f"about {low}"
    (number, _, unit), (_, _, other) = low.partition(" "), high.partition(" ")
    return f"{number}-{high}" if unit == other else f"{low} to {high}"


def duration(seconds: int) -> str:
    """A duration in its two largest units."""
    parts: list[str] = []
    for size, unit in _UNITS:
        if seconds >= size:
            parts.append(f"{seconds // size} {unit}")
            seconds %= size
    return " ".join(parts[:2]) or "0 s"


def _grown(samples: Samples, of: Count, start: float, end: float) -> float:
    return max(0.0, _at(samples, of, end) - _at(samples, of, start))


def _at(samples: Samples, of: Count, moment: float) -> float:
    """`of` at a moment, on the line between two samples; before the first it is as it was then."""
    after = bisect_left(samples, moment, key=lambda one: one.at)
    if after in (0, len(samples)):
        return of(samples[min(after, len(samples) - 1)])
    one, other = samples[after - 1], samples[after]
    share = (moment - one.at) / (other.at - one.at)
    return of(one) + share * (of(other) - of(one))


def _rounded(seconds: float, way: Callable[[float], int]) -> int:
    step = next(step for most, step in _STEPS if seconds < most)
    return way(seconds / step) * step
