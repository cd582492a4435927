"""What events tell of one job, in plain words. Pure.

The one rule: it knows single events; which of them make one line is `job`'s business.
"""

from collections.abc import Callable
from typing import Any, Final

from ..catalog.job import (
    JobCancelAsked,
    JobCancelled,
    JobCompleted,
    JobEstimated,
    JobFailed,
    JobPaused,
    JobPickedUp,
    JobResumed,
    JobStarted,
    ListingFailed,
    ListingRestarted,
)
from ..catalog.notify import NewsRaised
from ..catalog.reconcile import ReconcileAsked
from ..catalog.source import TapConnected, TapDisconnected, TapMoving, TapStalled
from ..row import Row
from ..words import counted

ID_CHARS = 8  # of a job's id, which are enough for people


def short(job_id: str) -> str:
    """The beginning of an id, enough to name the job."""
    return job_id.removeprefix("job/")[:ID_CHARS]


def of(row: Row) -> str | None:
    """What an event of the job, or one that happened while it was under way, says by itself; None:
    it says nothing, or something only with others of its kind."""
    says = SAYS.get(type(row.event))
    return None if says is None else says(row.event, row)


def _started(event: JobStarted, row: Row) -> str:
    what = ", ".join(event.collections) or "no collection"
    parts = [f"started by {row.actor}: {what}"]
    if event.asked_did is not None:
        parts[0] += f" of {event.asked_did} alone"
    elif event.given:
        parts[0] += " of accounts that were named"
    elif event.asked_for is None and event.collections:
        parts[0] += " (all there were)"
    parts.append(f"mode {event.mode}")
    if event.retries is not None:
        kinds = f" ({', '.join(event.kinds)})" if event.kinds else ""
        parts.append(f"to try again what failed in job {short(event.retries)}{kinds}")
    if event.listed_from is not None:
        parts.append(f"from where an earlier listing by {event.listed_from.relay} ended")
    if event.priority:
        parts.append(f"priority {event.priority}")
    if row.cause is not None:
        parts.append(f"#{row.cause} led to it")
    return "; ".join(parts) + _reason(event.reason)


def _reason(text: str) -> str:
    return f": {text!r}" if text else ""


def _listing_failed(event: ListingFailed, row: Row) -> str:
    tries = counted(event.attempts, "try", "tries")
    then = (
        f"{event.next_relay} is asked from the start" if event.next_relay else "not in the result"
    )
    return (
        f"{event.collection} could not be listed by {event.relay} after {tries} ({event.kind}): "
        f"{event.message}; {then}"
    )


def _completed(event: JobCompleted, row: Row) -> str:
    parts = [f"all {counted(event.handed_off, 'entry is', 'entries are')} handed to Tap"]
    if event.malformed:
        parts.append(f"{event.malformed:,} refused as malformed")
    parts += [f"{nsid} could not be listed: not in the result" for nsid in event.failed_listings]
    return ("completed: " if len(parts) == 1 else "completed with errors: ") + "; ".join(parts)


def _cancelled(event: JobCancelled, row: Row) -> str:
    return f"cancelled at {event.handed_off:,} of {event.discovered:,}; those stay in Tap"


def _estimated(event: JobEstimated, row: Row) -> str:
    low, high = event.low_s, counted(event.high_s, "second", "seconds")
    return f"it was estimated that all is handed over in {low:,}-{high}"


def _compared(event: ReconcileAsked, row: Row) -> str:
    return f"its repositories are compared with their servers: asked for by {row.actor}"


SAYS: Final[dict[type, Callable[[Any, Row], str]]] = {
    JobStarted: _started,
    JobPickedUp: lambda event, row: "the daemon started, and goes on with it",
    ListingRestarted: lambda event, row: (
        f"the listing of {event.collection} by {event.relay} starts again from its beginning"
    ),
    ListingFailed: _listing_failed,
    JobEstimated: _estimated,
    JobPaused: lambda event, row: f"paused by {row.actor}{_reason(event.reason)}",
    JobResumed: lambda event, row: f"resumed by {row.actor}{_reason(event.reason)}",
    JobCancelAsked: lambda event, row: f"{row.actor} ends it{_reason(event.reason)}",
    JobCancelled: _cancelled,
    JobCompleted: _completed,
    JobFailed: lambda event, row: f"failed ({event.code}): {event.why}",
    ReconcileAsked: _compared,
    NewsRaised: lambda event, row: f"told to people ({event.kind}): {event.sentence}",
    TapConnected: lambda event, row: "meanwhile: the channel to Tap opened",
    TapDisconnected: lambda event, row: (
        f"meanwhile: the channel to Tap ended ({event.kind}): {event.message}"
    ),
    TapStalled: lambda event, row: f"meanwhile: {event.message} ({event.kind})",
    TapMoving: lambda event, row: f"meanwhile: it moves again ({event.kind})",
}
