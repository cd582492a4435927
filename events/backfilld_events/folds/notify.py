"""What people are to be told: the targets, what waits for each, and what was told already.

Nothing is kept that no target wants. So without one all of this stays empty, but for the count of
dead letters: what is told of them is a difference.
"""

from collections.abc import Mapping
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from ..catalog.notify import (
    NewsDelivered,
    NewsGivenUp,
    NewsRaised,
    NotifyEvent,
    SampleSent,
    TargetAdded,
    TargetRemoved,
)
from .job import Job

UNSYNCED_MAX = 1_000  # jobs whose records are waited for: the newest; some never come to an end

Progress = tuple[int, int, int, int, str | None]


class Target(Struct, frozen=True):
    """`waiting` has the positions of the news that it has neither taken nor refused for good."""

    to: str
    kinds: tuple[str, ...]  # no set: of that each process has another order, and bytes
    waiting: tuple[int, ...] = ()


class Notices(Struct, frozen=True):
    """`ended`: jobs whose end is still to be told; `unsynced`: jobs that have ended, and whose
    records are waited for. `stalled`: jobs whose stall was told, with how far they were; `down`:
    since when the channel is down, if that was told, and `stuck` since when what else of Tap stands
    still, by its kind. Of the dead letters `dead` were told, last at `dead_at` (unix seconds);
    `unreadable` are those of no collection. `disk_at`: when it was told last that the disk is
    nearly full."""

    targets: Mapping[str, Target] = {}
    ended: tuple[str, ...] = ()
    unsynced: tuple[str, ...] = ()
    stalled: Mapping[str, Progress] = {}
    down: float | None = None
    stuck: Mapping[str, float] = {}
    dead: int = 0
    dead_at: float = 0.0
    unreadable: int = 0
    disk_at: float = 0.0

    def wants(self, *kinds: str) -> bool:
        """Whether any target is told of any of these kinds."""
        return any(kind in target.kinds for target in self.targets.values() for kind in kinds)


def progress(job: Job) -> Progress:
    """How far the job is: when this changes, a stall is over."""
    listing = job.listing
    return job.discovered, job.handed_off, job.listings_ended, listing.pages, listing.relay


def evolve(
    notices: Notices, event: NotifyEvent, *, jobs: Mapping[str, Job], position: int, at: float
) -> Notices:
    """The notices after `event`; `jobs` are those that have not ended."""
    match event:
        case TargetAdded():
            return _added(notices, event)
        case TargetRemoved():
            return _removed(notices, event.target)
        case NewsRaised():
            return _raised(notices, event, jobs, position, at)
        case NewsDelivered() | NewsGivenUp():
            target = notices.targets.get(event.target)
            if target is None:  # it was removed while this was under way
                return notices
            waiting = tuple(one for one in target.waiting if one != event.position)
            return _with(notices, event.target, replace(target, waiting=waiting))
        case SampleSent():
            return notices
        case _:
            assert_never(event)


def ended(notices: Notices, job: Job) -> Notices:
    """The notices when a job has ended."""
    outcome = job.outcome
    if notices.wants(f"job.{outcome}"):
        notices = replace(notices, ended=(*notices.ended, job.id))
    if outcome in ("completed", "completed_with_errors") and notices.wants("job.synced"):
        notices = replace(notices, unsynced=(*notices.unsynced, job.id)[-UNSYNCED_MAX:])
    return notices


def unreadable(notices: Notices, count: int) -> Notices:
    """The notices when so many messages came that could not be read at all."""
    if not count or not notices.wants("dead_letter"):
        return notices
    return replace(notices, unreadable=notices.unreadable + count)


def _added(notices: Notices, event: TargetAdded) -> Notices:
    target = Target(event.to, tuple(event.kinds))
    after = _with(notices, event.target, target)
    if "dead_letter" in target.kinds and not notices.wants("dead_letter"):
        after = replace(after, dead=event.dead_letters)
    if "job.synced" in target.kinds:
        more = [job for job in event.unsynced if job not in notices.unsynced]
        after = replace(after, unsynced=(*notices.unsynced, *more)[-UNSYNCED_MAX:])
    return after


def _removed(notices: Notices, target: str) -> Notices:
    targets = {name: one for name, one in notices.targets.items() if name != target}
    after = replace(notices, targets=targets)
    if not targets:
        return Notices(dead=after.dead, dead_at=after.dead_at, unreadable=after.unreadable)
    if not after.wants("job.synced"):
        after = replace(after, unsynced=())
    if not after.wants("job.stalled", "job.resumed"):
        after = replace(after, stalled={})
    if not after.wants("dependency.down", "dependency.up"):
        after = replace(after, down=None, stuck={})
    return after


def _raised(
    notices: Notices, event: NewsRaised, jobs: Mapping[str, Job], position: int, at: float
) -> Notices:
    targets = {
        name: replace(target, waiting=(*target.waiting, position))
        if event.kind in target.kinds
        else target
        for name, target in notices.targets.items()
    }
    notices = replace(notices, targets=targets)
    match event.kind:
        case "job.synced":
            return replace(notices, unsynced=_without(notices.unsynced, event.job))
        case "job.stalled":
            job = jobs.get(event.job or "")
            told = {} if job is None else {job.id: progress(job)}
            return replace(notices, stalled={**notices.stalled, **told})
        case "job.resumed":
            left = {job: how for job, how in notices.stalled.items() if job != event.job}
            return replace(notices, stalled=left)
        case "dependency.down" if event.state == "down":
            return replace(notices, down=event.since)
        case "dependency.up" if event.state == "up":
            return replace(notices, down=None)
        case "dependency.down":
            return replace(notices, stuck={**notices.stuck, event.state: event.since or at})
        case "dependency.up":
            stuck = {kind: since for kind, since in notices.stuck.items() if kind != event.state}
            return replace(notices, stuck=stuck)
        case "disk.low":
            return replace(notices, disk_at=at)
        case "dead_letter":
            return replace(notices, dead=notices.dead + (event.count or 0), dead_at=at)
        case _:
            return replace(notices, ended=_without(notices.ended, event.job))


def _with(notices: Notices, name: str, target: Target) -> Notices:
    return replace(notices, targets={**notices.targets, name: target})


def _without(jobs: tuple[str, ...], job: str | None) -> tuple[str, ...]:
    return tuple(one for one in jobs if one != job)
