"""A job's lanes and its coverage as bars. Pure; the numbers are those of the API."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from ..control.shapes import JobDetail
from ..control.shapes.progress import LaneShape, RateShape
from ..control.words import counted
from .say import Tone, mark

BAR = 1000  # units of the coverage bar

# from here to far away, as the bar shows them
COVERAGE = {
    "synced": "here, complete",
    "empty": "looked at: no such records",
    "arriving": "records are coming",
    "handed_off": "with Tap, nothing came yet",
    "parked": "put aside by Tap: its server limits",
    "held": "with Tap from before; not sent again",
    "discovered": "found, not handed over",
    "failed": "failed, each with a reason",
    "gone": "deleted, taken down or deactivated",
}


class Bar(Struct, frozen=True):
    """A lane. `of` is None while the total is not known: then the bar has no end. `spoken` is
    what a screen reader says of it."""

    key: str
    name: str
    done: int
    of: int | None
    share: str
    tone: Tone
    spoken: str
    notes: Sequence[str]


class Segment(Struct, frozen=True):
    """A class of coverage: its count, and where its part of the bar begins and how wide it is."""

    key: str
    n: int
    means: str
    x: float
    width: float


def bars(job: JobDetail) -> list[Bar]:
    """The job's lanes in the order in which a repository passes them."""
    lanes, rates = job.lanes, job.rates
    ours = mark(job.state).tone
    theirs = mark(job.sync.state).tone
    listed = "listing ended" if job.discovery_complete else "found so far; the listing goes on"
    refused = f"{job.malformed:,} more refused as malformed" if job.malformed else ""
    records = counted(lanes.arrival.records, "record", "records")
    aside = {key: job.sync.classes.get(key, 0) for key in ("parked", "failed", "gone")}
    apart = [f"{n:,} {key}" for key, n in aside.items() if n]
    return [
        _bar("found", "Found", lanes.discovery, ours, job,
             [listed, refused, _rate(rates.discovery)]),
        _bar("handed", "Handed off", lanes.handoff, ours, job, [_rate(rates.handoff)]),
        _bar("arrived", "Arrived", lanes.arrival, theirs, job,
             [records, _rate(rates.arrival, " records")]),
        _bar("synced", "Synced", lanes.synced, theirs, job, [*apart, _rate(rates.synced)]),
    ]  # fmt: skip


def coverage(classes: Mapping[str, int]) -> list[Segment]:
    """The classes that have repositories, as parts of one bar."""
    total, at, parts = sum(classes.values()), 0.0, []
    for key, means in COVERAGE.items():
        if n := classes.get(key, 0):
            width = BAR * n / total
            parts.append(Segment(key, n, means, round(at, 2), round(width, 2)))
            at += width
    return parts


def _bar(
    key: str, name: str, lane: LaneShape, tone: Tone, job: JobDetail, notes: Sequence[str]
) -> Bar:
    state = mark(job.state).word
    share = "" if lane.percent is None else f"{lane.percent} %"
    if lane.of:
        spoken = f"{lane.percent} percent, {lane.done:,} of {lane.of:,}, {state}"
    else:
        spoken = f"{lane.done:,} so far, {state}"
    told = [note for note in notes if note]
    return Bar(key, name, lane.done, lane.of, share, tone, spoken, told)


def _rate(rate: RateShape, unit: str = "") -> str:
    if rate.now is None:
        return ""
    usual = "" if rate.typical is None else f" (typical {_figure(rate.typical)})"
    return f"{_figure(rate.now)}{unit}/s{usual}"


def _figure(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"
