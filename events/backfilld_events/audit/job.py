"""The history of one job, from the rows of a log alone. Pure.

The one rule: one walk, in memory that does not grow with the log. What happens again and again, a
page, a batch, a failed try, is one line for as long as nothing else is told of in between.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from ..catalog.job import (
    AttemptFailed,
    BatchHandedOff,
    DidsGiven,
    JobStarted,
    Lane,
    PageDiscovered,
)
from ..catalog.notify import NewsRaised
from ..catalog.reconcile import ReconcileAsked
from ..row import Row, utc_text
from ..words import counted
from . import jobwords
from .show import UNREADABLE
from .told import Told, told, unreadable

_MEANWHILE: Final = frozenset({"tap.stalled", "tap.moving", "tap.connected", "tap.disconnected"})
_LATER: Final = frozenset({"notify.raised", "job.started", "reconcile.asked"})
_ENDS: Final = frozenset({"job.completed", "job.cancelled", "job.failed"})

Again = PageDiscovered | DidsGiven | BatchHandedOff | AttemptFailed


def explain(rows: Iterable[Row], job_id: str) -> Iterator[Told]:
    """What the events say of the job with exactly this id, in the order in which they, or the first
    of several, were recorded."""
    walk = _Walk(job_id)
    for row in rows:
        try:
            yield from walk.take(row)
        except UNREADABLE as error:
            yield from walk.close()
            yield unreadable(row, error)
    yield from walk.close()


class _Run(Struct):
    """Events of a lane that are alike, so far: from `position` (then at `at`, by `actor`) to
    `last`. `entries` are of the pages or batches, which have the numbers `first .. upto`."""

    like: tuple[object, ...]
    position: int
    at: float
    actor: str
    first: int
    event: Again
    last: int = 0
    events: int = 0
    upto: int = 0
    entries: int = 0
    malformed: int = 0

    def add(self, row: Row, event: Again, number: int) -> None:
        self.last, self.upto, self.event = row.position, number, event
        self.events += 1
        match event:
            case PageDiscovered():
                self.entries += event.count
                self.malformed += len(event.malformed)
            case DidsGiven():
                self.entries += event.count
            case BatchHandedOff():
                self.entries += event.upto - event.first

    def told(self) -> Told:
        return Told(
            self.position, self.last, self.events, self.at, self.actor, self._says(self.event)
        )

    def _says(self, event: Again) -> str:
        match event:
            case PageDiscovered():
                return self._pages(event)
            case DidsGiven():
                return f"{counted(self.entries, 'account', 'accounts')} named"
            case BatchHandedOff():
                first = event.upto - self.entries + 1
                batches = self._numbers("batch", "batches")
                return f"{batches}: entries {first:,}-{event.upto:,} handed to Tap: accepted"
            case AttemptFailed():
                return (
                    f"{event.lane}, {self._numbers('try', 'tries')}: {event.peer} failed "
                    f"({event.kind}): {event.message}; next try {utc_text(event.retry_at)}"
                )

    def _pages(self, event: PageDiscovered) -> str:
        many = counted(self.entries, "repository", "repositories")
        says = f"{self._numbers('page', 'pages')}: {many}"
        if not self.entries:
            says = f"{counted(self.events, 'page', 'pages')} without repositories"
        if self.malformed:
            says += f" and {counted(self.malformed, 'entry', 'entries')} that are no DIDs"
        end = "" if event.cursor is not None else "; there are no more"
        return f"{says} of {event.collection}, from {event.relay}{end}"

    def _numbers(self, one: str, many: str) -> str:
        if self.upto <= self.first:
            return f"{one} {self.upto:,}"
        return f"{many} {self.first:,}-{self.upto:,}"


class _Walk:
    """How far it came; `runs` are those that may go on, by lane."""

    def __init__(self, job_id: str) -> None:
        self._id, self._stream = job_id, f"job/{job_id}"
        self._runs: dict[Lane, _Run] = {}
        self._number: int | None = None  # by which others name the job: the position of its start
        self._under_way = False
        self._pages = self._batches = 0

    def take(self, row: Row) -> Iterator[Told]:
        """What the event says of the job. Raises UNREADABLE."""
        says = None
        if row.stream == self._stream:
            yield from self._own(row)
        elif row.type in _MEANWHILE and self._under_way:
            says = jobwords.of(row)
        elif row.type in _LATER and self._number is not None:
            says = self._later(row)
        if says is not None:
            yield from self.close()
            yield told(row, says)

    def close(self) -> Iterator[Told]:
        """Tells the runs: they end here."""
        runs = sorted(self._runs.values(), key=lambda run: run.position)
        self._runs.clear()
        return (run.told() for run in runs)

    def _own(self, row: Row) -> Iterator[Told]:
        event = row.event
        if isinstance(event, Again):
            yield from self._again(row, event)
            return
        if isinstance(event, JobStarted):
            self._number, self._under_way = row.position, True
        elif row.type in _ENDS:
            self._under_way = False
        yield from self.close()
        yield told(row, jobwords.of(row) or row.type)

    def _again(self, row: Row, event: Again) -> Iterator[Told]:
        lane: Lane = "discovery"
        match event:
            case PageDiscovered():
                first = self._pages + 1
                self._pages += bool(event.count)
                like: tuple[object, ...] = ("page", event.collection, event.relay)
                number = self._pages
            case DidsGiven():
                like, first, number = ("given",), 1, 1
            case BatchHandedOff():
                self._batches += 1
                like, first, number = ("batch", event.tap), self._batches, self._batches
                lane = "hand-off"
            case AttemptFailed():
                like = ("try", event.peer, event.kind)
                first, number, lane = event.attempt, event.attempt, event.lane
        run = self._runs.get(lane)
        if run is not None and run.like != like:
            yield from self.close()
            run = None
        if run is None:
            run = self._runs[lane] = _Run(like, row.position, row.at, row.actor, first, event)
        run.add(row, event, number)

    def _later(self, row: Row) -> str | None:
        """What an event that is about a job says, if it is this one."""
        event = row.event
        match event:
            case NewsRaised() if event.job == self._id:
                return jobwords.of(row)
            case ReconcileAsked() if event.job == self._number:
                return jobwords.of(row)
            case JobStarted() if event.retries == self._id:
                return f"what failed is tried again by job {jobwords.short(row.stream)}"
        return None
