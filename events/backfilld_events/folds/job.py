"""A job's state, folded from its events: all that decides what it does next.

O(1) in the number of DIDs: a DID is an ordinal of its job, the DIDs themselves stay in the page
events, which are the queue. Pure; times come from the log. Facts are believed, not judged.
"""

from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from ..catalog.job import (
    AttemptFailed,
    BatchHandedOff,
    DidsGiven,
    JobCancelAsked,
    JobCancelled,
    JobCompleted,
    JobEstimated,
    JobEvent,
    JobFailed,
    JobPaused,
    JobPickedUp,
    JobResumed,
    JobStarted,
    Lane,
    ListedFrom,
    ListingFailed,
    ListingRestarted,
    Mode,
    PageDiscovered,
)
from ..ids import Did, Nsid
from .listing import Listing, begins

SCHEDULE = "schedule"  # the actor of a look for new repositories

Outcome = Literal["completed", "completed_with_errors", "failed", "cancelled"]


class Stopped(Struct, frozen=True, gc=False):
    """Somebody paused or cancelled the job, at `at` (unix seconds), by the event at `position`."""

    at: float
    actor: str
    reason: str
    position: int


class Estimate(Struct, frozen=True, gc=False):
    """At `at` (unix seconds) the job was to take from `low_s` to `high_s` seconds more."""

    at: float
    low_s: int
    high_s: int


class Waiting(Struct, frozen=True, gc=False):
    """A lane waits for `peer` since `since` (unix seconds); its next try is due at `retry_at`."""

    lane: Lane
    peer: str
    kind: str
    message: str
    attempt: int
    since: float
    retry_at: float


class Job(Struct, frozen=True):
    """The whole state of a job. `version` is that of its stream."""

    id: str
    version: int
    collections: tuple[Nsid, ...]
    asked_for: Nsid | None
    asked_did: Did | None
    given: bool
    actor: str
    cause: int | None
    position: int
    started_at: float
    last_at: float
    priority: int = 0
    reason: str = ""
    digest: bytes | None = None
    listed_from: ListedFrom | None = None
    mode: Mode = "add"
    retries: str | None = None
    kinds: tuple[str, ...] = ()
    estimate: Estimate | None = None
    paused: Stopped | None = None
    cancel: Stopped | None = None
    listing_ends: dict[Nsid, ListedFrom] = {}
    listings_ended: int = 0
    listing: Listing = Listing()
    failed_listings: tuple[ListingFailed, ...] = ()
    discovered: int = 0
    handed_off: int = 0
    malformed: int = 0
    discovery: Waiting | None = None
    hand_off: Waiting | None = None
    ended_at: float | None = None
    failure: JobFailed | None = None

    @property
    def listed(self) -> bool:
        """Whether every listing has come to its end, good or bad."""
        return self.listings_ended >= len(self.collections) or self.given

    @property
    def collection(self) -> Nsid | None:
        """The collection whose listing is under way."""
        return None if self.listed else self.collections[self.listings_ended]

    @property
    def look(self) -> bool:
        """Whether it began by itself, to look for new repositories: it counts those alone, and
        hands over all it finds."""
        return self.actor == SCHEDULE

    @property
    def begun(self) -> bool:
        """Whether it has taken a first step, good or bad."""
        listed = self.listing.pages or self.listings_ended or self.failed_listings
        return bool(listed or self.handed_off or self.discovery or self.hand_off)

    @property
    def outcome(self) -> Outcome | None:
        """How the job ended; None while it has work left."""
        if self.ended_at is None:
            return None
        if self.failure is not None:
            return "failed"
        if self.cancel is not None:
            return "cancelled"
        bad = self.malformed or self.failed_listings
        return "completed_with_errors" if bad else "completed"


def start(
    job_id: str, event: JobStarted, *, actor: str, cause: int | None, position: int, at: float
) -> Job:
    """The job that `event` begins."""
    return Job(
        id=job_id,
        version=1,
        collections=tuple(event.collections),
        asked_for=event.asked_for,
        asked_did=event.asked_did,
        given=event.given,
        actor=actor,
        cause=cause,
        position=position,
        started_at=at,
        last_at=at,
        priority=event.priority,
        reason=event.reason,
        digest=event.digest,
        listed_from=event.listed_from,
        mode=event.mode,
        retries=event.retries,
        kinds=tuple(event.kinds),
        listing=begins(event.listed_from),
    )


def evolve(job: Job, event: JobEvent, at: float, actor: str = "system", position: int = 0) -> Job:
    """The job after `event`, which `actor` caused and the log recorded at `at` (unix seconds), at
    `position`."""
    change = _CHANGES.get(type(event))
    if change is not None:
        changes = change(job, event, at)
    else:  # what people do, whom the rest does not ask for
        changes = _STOPS[type(event)](Stopped(at, actor, getattr(event, "reason", ""), position))
    return replace(job, version=job.version + 1, last_at=at, **changes)


# What an event changes, as fields of Job beside `version` and `last_at`: one function an event, and
# one `replace` for all it changes.
Changes = dict[str, Any]


def _nothing(job: Job, event: JobStarted, at: float) -> Changes:
    return {}


def _given(job: Job, event: DidsGiven, at: float) -> Changes:
    return {"discovered": event.first + event.count}


def _picked_up(job: Job, event: JobPickedUp, at: float) -> Changes:
    doubted = replace(job.listing, doubted=job.listing.cursor is not None)
    return {"listing": doubted, "discovery": None, "hand_off": None}


def _page(job: Job, event: PageDiscovered, at: float) -> Changes:
    changes: Changes = {"discovered": event.first + event.count, "discovery": None}
    if event.malformed:
        changes["malformed"] = job.malformed + len(event.malformed)
    before = job.listing if job.listing.relay == event.relay else Listing()
    asked = before.cursor if event.count else before.asked
    if event.cursor is None:
        if asked is not None:
            place = ListedFrom(event.relay, asked)
            changes["listing_ends"] = {**job.listing_ends, event.collection: place}
        return {**changes, "listings_ended": job.listings_ended + 1, "listing": Listing()}
    pages = before.pages + 1
    changes["listing"] = Listing(
        relay=event.relay,
        cursor=event.cursor,
        pages=pages,
        empty_pages=0 if event.count or event.malformed else before.empty_pages + 1,
        landmark=event.cursor if pages & (pages - 1) == 0 else before.landmark,
        asked=asked,
        last_page_at=at,
    )
    return changes


def _listing_restarted(job: Job, event: ListingRestarted, at: float) -> Changes:
    return {"listing": Listing(relay=event.relay), "discovery": None}


def _listing_failed(job: Job, event: ListingFailed, at: float) -> Changes:
    if event.next_relay is not None:
        return {"listing": Listing(relay=event.next_relay), "discovery": None}
    return {
        "failed_listings": (*job.failed_listings, event),
        "listings_ended": job.listings_ended + 1,
        "listing": Listing(),
        "discovery": None,
    }


def _attempt_failed(job: Job, event: AttemptFailed, at: float) -> Changes:
    lane = "discovery" if event.lane == "discovery" else "hand_off"
    before: Waiting | None = getattr(job, lane)
    waiting = Waiting(
        lane=event.lane,
        peer=event.peer,
        kind=event.kind,
        message=event.message,
        attempt=event.attempt,
        since=at if before is None else before.since,
        retry_at=event.retry_at,
    )
    return {lane: waiting}


def _handed_off(job: Job, event: BatchHandedOff, at: float) -> Changes:
    return {"handed_off": event.upto, "hand_off": None}


def _completed(job: Job, event: JobCompleted, at: float) -> Changes:
    return {"ended_at": at, "discovery": None, "hand_off": None}


def _failed(job: Job, event: JobFailed, at: float) -> Changes:
    return {"ended_at": at, "failure": event, "discovery": None, "hand_off": None}


def _estimated(job: Job, event: JobEstimated, at: float) -> Changes:
    return {"estimate": Estimate(at, event.low_s, event.high_s)}


def _cancelled(job: Job, event: JobCancelled, at: float) -> Changes:
    return {"ended_at": at, "discovery": None, "hand_off": None}


# Tables, not `match`: a class pattern that does not fit asks msgspec's metaclass, 0.2 us each.
# A test holds them to JobEvent.
_STOPS: dict[type[JobEvent], Callable[[Stopped], Changes]] = {
    JobPaused: lambda stopped: {"paused": stopped},
    JobResumed: lambda stopped: {"paused": None},
    JobCancelAsked: lambda stopped: {"cancel": stopped, "paused": None},
}
_CHANGES: dict[type[JobEvent], Callable[[Job, Any, float], Changes]] = {
    JobStarted: _nothing,
    DidsGiven: _given,
    JobPickedUp: _picked_up,
    PageDiscovered: _page,
    ListingRestarted: _listing_restarted,
    ListingFailed: _listing_failed,
    AttemptFailed: _attempt_failed,
    BatchHandedOff: _handed_off,
    JobEstimated: _estimated,
    JobCancelled: _cancelled,
    JobCompleted: _completed,
    JobFailed: _failed,
}
