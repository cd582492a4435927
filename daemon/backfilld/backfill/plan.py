"""What a job does next: a pure function per lane, of the job's state and the time.

Discovery pages the relay and may run ahead of the hand-off by a bounded number of DIDs; the
hand-off sends full batches in order. Each lane has its own back-off. A step is data; carrying it
out is `steps`.
"""

from msgspec import Struct

from backfilld_events.folds.job import Job
from backfilld_events.ids import Nsid

STALE_CURSOR_S = 600.0  # after so long without a page the directory may have been rebuilt


class Limits(Struct, frozen=True):
    """The configured numbers that planning and deciding need. Times are seconds, sizes DIDs."""

    relays: tuple[str, ...]
    page_size: int = 1000
    attempts_max: int = 8
    relay_backoff_s_max: float = 120.0
    batch_size: int = 1000
    read_ahead: int = 50_000
    tap_backoff_s_max: float = 60.0


class FetchPage(Struct, frozen=True):
    """Ask `relay` for the page of `collection` after `cursor`. `resumed`: an empty last page
    is not believed, since the cursor may be older than the relay's database."""

    collection: Nsid
    relay: str
    cursor: str | None
    size: int
    resumed: bool


class HandOff(Struct, frozen=True):
    """Hand the DIDs with the ordinals `first .. upto` to Tap."""

    first: int
    upto: int


class WaitUntil(Struct, frozen=True):
    """Nothing to do before `moment` (unix seconds), unless the job's state changes."""

    moment: float


class Finish(Struct, frozen=True):
    """Nothing is left: the job ends."""


Step = FetchPage | HandOff | WaitUntil | Finish


def discover(job: Job, now: float, limits: Limits) -> Step | None:
    """The discovery lane's next step; None: nothing until the job's next event."""
    collection = job.collection
    if collection is None or job.ended_at is not None:
        return None
    if job.discovery is not None and job.discovery.retry_at > now:
        return WaitUntil(job.discovery.retry_at)
    if job.discovered - job.handed_off >= limits.read_ahead:
        return None
    listing = job.listing
    if listing.relay not in limits.relays:  # a cursor belongs to one relay; begin at the first
        return FetchPage(collection, limits.relays[0], None, limits.page_size, resumed=False)
    waited = now - listing.last_page_at > STALE_CURSOR_S
    return FetchPage(
        collection,
        listing.relay,
        listing.cursor,
        limits.page_size,
        resumed=listing.cursor is not None and (listing.doubted or waited),
    )


def hand_off(job: Job, now: float, limits: Limits) -> Step | None:
    """The hand-off lane's next step; None: nothing until the job's next event."""
    if job.ended_at is not None:
        return None
    waiting = job.discovered - job.handed_off
    if not waiting:
        return Finish() if job.listed else None
    if job.hand_off is not None and job.hand_off.retry_at > now:
        return WaitUntil(job.hand_off.retry_at)
    if waiting >= limits.batch_size or job.listed:
        return HandOff(job.handed_off, job.handed_off + min(waiting, limits.batch_size))
    return None
