"""What a job does next: a pure function per lane, of the job's state and the time.

Discovery pages the relay and may run ahead of the hand-off by a bounded number of DIDs; the
hand-off sends full batches in order. Each lane has its own back-off. A step is data; carrying it
out is `steps`.
"""

from collections.abc import Iterable, Set
from typing import Literal, TypeGuard

from msgspec import Struct

from backfilld_events.folds.job import Job, Waiting
from backfilld_events.ids import Nsid

WAIT_S_MAX = 3700.0  # the longest any back-off can be; a wait beyond it: the clock was set back
LOOK_S = (
    1.0  # how late it is seen that Tap has room, or another filter: no event of the job says so
)
STALE_CURSOR_S = 600.0  # after so long without a page the directory may have been rebuilt


class Limits(Struct, frozen=True):
    """The configured numbers that planning and deciding need. Times are seconds, sizes DIDs.

    `room` is how many repositories more Tap may be given work with (None: any), `unsettled` how
    many it has work with, `filters` are the collections that the Tap we run fetches now (None: we
    run none)."""

    relays: tuple[str, ...]
    page_size: int = 1000
    attempts_max: int = 8
    relay_backoff_s_max: float = 120.0
    batch_size: int = 1000
    read_ahead: int = 50_000
    tap_backoff_s_max: float = 60.0
    concurrent: int = 2
    room: int | None = None
    unsettled: int = 0
    filters: frozenset[Nsid] | None = None


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


class Stop(Struct, frozen=True):
    """Nothing further is begun: somebody paused or cancelled the job, or it has ended."""


Step = FetchPage | HandOff | WaitUntil | Finish | Stop


def in_turn(
    jobs: Iterable[Job], limits: Limits, busy: Set[str] = frozenset()
) -> tuple[list[Job], list[Job]]:
    """(those that have their turn, those that wait for it, next first).

    Those that are `busy` keep their turn, though they be too many, and though somebody stopped
    them, until their last step is over; then those that have begun, then the priority counts, then
    who came first. A stalled job takes none of the `concurrent` turns: somebody else has it
    meanwhile. It goes on when its wait ends, so a few more than `concurrent` may then run at once.
    They are bounded: one begins beside stalled jobs that do not give way to its priority only while
    there are fewer than twice `concurrent` in all, or a peer that is down would use up the tries of
    every job that waits.
    """
    ready = [job for job in jobs if job.id in busy or not _stopped(job)]
    ready.sort(key=lambda job: (job.id not in busy, not job.begun, -job.priority, job.position))
    turn: list[Job] = []
    waiting: list[Job] = []
    at_work, stalls = 0, list[int]()
    for job in ready:
        firm = at_work + sum(priority >= job.priority for priority in stalls)
        room = at_work < limits.concurrent and firm < 2 * limits.concurrent
        if job.id not in busy and not room:
            waiting.append(job)
            continue
        turn.append(job)
        if stalled(job, limits) is None:
            at_work += 1
        else:
            stalls.append(job.priority)
    return turn, waiting


def stalled(job: Job, limits: Limits) -> Waiting | None:
    """The wait that ends first, when every lane with work waits. A try that is under way ends no
    wait; its success does."""
    lanes: list[Waiting | None] = []
    if may_discover(job, limits):
        lanes.append(job.discovery)
    if may_hand_off(job, limits):
        lanes.append(job.hand_off)
    waits = [lane for lane in lanes if lane is not None]
    if not waits or len(waits) < len(lanes):
        return None
    return min(waits, key=lambda wait: wait.retry_at)


def may_discover(job: Job, limits: Limits) -> bool:
    """Whether the discovery lane has work, and room for what it would find."""
    unlisted = job.collection is not None and job.ended_at is None
    return unlisted and job.discovered - job.handed_off < limits.read_ahead


def may_hand_off(job: Job, limits: Limits) -> bool:
    """Whether the hand-off lane has a batch to send, a full one or the last, and Tap has room."""
    return has_batch(job, limits) and has_room(job, limits)


def has_batch(job: Job, limits: Limits) -> bool:
    """Whether there is a full batch, or the last."""
    waiting = job.discovered - job.handed_off
    return job.ended_at is None and (waiting >= limits.batch_size or (job.listed and waiting > 0))


def has_room(job: Job, limits: Limits) -> bool:
    """Whether Tap may be given the next batch: it serves what it was given last before what it must
    try again, so that too much at once would keep that waiting for days."""
    batch = min(limits.batch_size, job.discovered - job.handed_off)
    return limits.room is None or limits.room >= batch


def in_filter(job: Job, limits: Limits) -> bool:
    """Whether Tap fetches what the job wants; one that we run is started anew for that first."""
    return limits.filters is None or limits.filters.issuperset(job.collections)


def held_up(job: Job, limits: Limits) -> Literal["room", "filter"] | None:
    """What no lane can go on without, though no peer fails: room in Tap, or another filter of the
    Tap that we run. It comes by itself."""
    if not in_filter(job, limits):
        return "filter"
    if may_discover(job, limits) or not has_batch(job, limits) or has_room(job, limits):
        return None
    return "room"


def discover(job: Job, now: float, limits: Limits) -> Step | None:
    """The discovery lane's next step; None: nothing until the job's next event."""
    if _stopped(job):
        return Stop()
    collection = job.collection
    if collection is None or not may_discover(job, limits):
        return None
    if not in_filter(job, limits):
        return WaitUntil(now + LOOK_S)
    if _waits(job.discovery, now):
        return WaitUntil(job.discovery.retry_at)
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
    if _stopped(job):
        return Stop()
    if job.listed and job.discovered == job.handed_off:
        return Finish()
    if not has_batch(job, limits):
        return None
    if not has_room(job, limits) or not in_filter(job, limits):
        return WaitUntil(now + LOOK_S)
    if _waits(job.hand_off, now):
        return WaitUntil(job.hand_off.retry_at)
    return HandOff(job.handed_off, min(job.handed_off + limits.batch_size, job.discovered))


def _stopped(job: Job) -> bool:
    return job.paused is not None or job.cancel is not None or job.ended_at is not None


def _waits(waiting: Waiting | None, now: float) -> TypeGuard[Waiting]:
    return waiting is not None and now < waiting.retry_at <= now + WAIT_S_MAX
