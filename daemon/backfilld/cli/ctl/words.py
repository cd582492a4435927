"""A job in few words, the same in every verb."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from ...control.shapes import JobDetail, JobShape
from ...control.shapes.progress import EtaShape, LaneShape
from . import text

Target = Literal["completed", "synced"]

HEAD = ("JOB", "WHAT", "STATE", "HANDED OFF", "SYNC", "SINCE", "ETA")
COLOURS = {"completed": "green", "running": "cyan", "pending": "cyan"}  # any other: yellow or red
STANDS = ("stalled", "pausing", "paused")  # it does nothing until something else happens
STATES = (
    "pending", "running", "stalled", "pausing", "paused", "cancelling",
    "completed", "completed_with_errors", "failed", "cancelled",
)  # fmt: skip


class Lane(Struct, frozen=True):
    """One of the numbers of a job. `whole` and `percent` are None while the total is not known."""

    name: str
    done: int
    whole: int | None = None
    percent: int | None = None
    note: str = ""


def reached(job: JobShape, until: Target) -> bool:
    """Whether the job is over, as far as somebody waits for it."""
    if job.completed_at is None:
        return False
    synced = job.sync.state in ("synced", "synced_with_failures")
    return until == "completed" or synced or job.state in ("failed", "cancelled")


def short(job_id: str) -> str:
    """The beginning of an id, enough to name the job."""
    return job_id[:8]


def name(job: JobShape) -> str:
    """How a sentence about the job begins."""
    return f"{short(job.id)} {what(job)}"


def what(job: JobShape) -> str:
    """What the job is about."""
    accounts = job.did or (job.scope == "accounts" and text.count(
        job.total_repos, "account", "accounts"))  # fmt: skip
    if accounts:
        return f"{job.collection}, {accounts}" if job.collection else accounts
    if job.collection or not job.collections:
        return job.collection or "all lexicons"
    more = f" and {len(job.collections) - 1} more" if len(job.collections) > 1 else ""
    return job.collections[0] + more


def colour(state: str) -> str:
    """The colour of a state's word."""
    return COLOURS.get(state, "red" if state == "failed" else "yellow")


def whole(job: JobShape) -> int | None:
    """The finished total, or None while a listing goes on."""
    return job.total_repos if job.discovery_complete else None


def since(job: JobShape) -> str:
    """When it came into its state: the end, the wait, the pause, or the start."""
    if job.completed_at is not None:
        return job.completed_at
    return job.since if job.state in STANDS else job.started_at


def row(job: JobShape) -> tuple[str, ...]:
    """The job's line in a table, under HEAD. Only a detail tells how long it will take."""
    ends = eta(job.eta.completed) if isinstance(job, JobDetail) else ""
    return (
        short(job.id), what(job), job.state, _handed_off(job), _sync(job), text.age(since(job)),
        ends or "-",
    )  # fmt: skip


def table(jobs: Sequence[JobShape]) -> str:
    """Jobs, a line each; a column in which nobody has anything is left out."""
    rows = [row(job) for job in jobs]
    width = len(HEAD) if any(one[-1] != "-" for one in rows) else len(HEAD) - 1
    return text.table(HEAD[:width], [one[:width] for one in rows])


def eta(known: EtaShape) -> str:
    """How long it will take, or why that is not said; nothing when there is nothing left."""
    if known.withheld in ("ended", "nothing_left"):
        return ""
    return known.text if known.withheld else f"in {known.text}"


def lanes(job: JobDetail) -> list[Lane]:
    """The job's numbers, in the order in which a repository passes them."""
    classes, rates, ways = job.sync.classes, job.rates, job.lanes
    listed = "listing ended" if job.discovery_complete else "so far; the listing goes on"
    if job.malformed:
        listed += f"; {job.malformed:,} more refused as malformed"
    kinds = [f"{kind} {classes[kind]:,}" for kind in ("failed", "gone") if classes.get(kind)]
    records = text.count(ways.arrival.records, "record", "records")
    arriving = text.rate(rates.arrival.now, " records")
    ends, here = eta(job.eta.completed), eta(job.eta.synced)
    return [
        Lane("found", ways.discovery.done, note=listed),
        _lane("handed off", ways.handoff, _notes(text.rate(rates.handoff.now), ends)),
        _lane("arrived", ways.arrival, _notes(records, arriving)),
        _lane("synced", ways.synced, _notes(here, _parked(job))),
        Lane("failed", job.sync.failed, note=" · ".join(kinds)),
    ]


def line(job: JobDetail) -> str:
    """The job's numbers in one line."""
    found, *others, failed = lanes(job)
    parts = [f"{found.done:,} found" + ("" if job.discovery_complete else " so far")]
    parts += [f"{lane.done:,} {lane.name}" for lane in others]
    parts += [f"{failed.done:,} failed"] if failed.done else []
    records = text.count(job.total_records, "record", "records")
    return f"{short(job.id)} {job.state}: {', '.join(parts)}; {records}"


def _lane(name: str, lane: LaneShape, note: str) -> Lane:
    return Lane(name, lane.done, lane.of, lane.percent, note)


def _notes(*notes: str) -> str:
    return "  ".join(note for note in notes if note)


def _parked(job: JobDetail) -> str:
    parked = job.sync.classes.get("parked", 0)
    said = job.eta.synced.withheld is None  # then it is in the words of the range
    return f"{parked:,} parked by Tap" if parked and not said else ""


def _handed_off(job: JobShape) -> str:
    done, total = job.processed_repos, job.total_repos
    if not job.discovery_complete:
        return f"{done:,} of {total:,} so far" if total else "none found yet"
    if total == 0:
        return "nothing" if job.state == "failed" else "nothing found"
    return f"{total:,}" if done == total else f"{text.percent(done, total)} {done:,}/{total:,}"


def _sync(job: JobShape) -> str:
    total = whole(job)
    if total == 0:
        return "nothing to sync"
    match job.sync.state:
        case "syncing" if total:
            return f"syncing {text.percent(job.sync.active, total)}"
        case "syncing":
            return f"syncing, {job.sync.active:,} here"
        case "synced_with_failures":
            return f"synced, {job.sync.failed:,} failed"
    return job.sync.state
