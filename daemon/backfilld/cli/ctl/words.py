"""A job in few words, the same in every verb."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from ...control.shapes import JobShape
from . import text

Target = Literal["completed", "synced"]

HEAD = ("JOB", "WHAT", "STATE", "HANDED OFF", "SYNC", "SINCE")
COLOURS = {"completed": "green", "running": "cyan", "pending": "cyan"}  # any other: yellow or red


class Lane(Struct, frozen=True):
    """One of the numbers of a job. `whole` is None while the total is not known."""

    name: str
    done: int
    whole: int | None
    note: str = ""


def reached(job: JobShape, until: Target) -> bool:
    """Whether the job is over, as far as somebody waits for it."""
    if job.completed_at is None:
        return False
    synced = job.sync.state in ("synced", "synced_with_failures")
    return until == "completed" or synced or job.state == "failed"


def short(job_id: str) -> str:
    """The beginning of an id, enough to name the job."""
    return job_id[:8]


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
    """When it came into its state: the end, the wait, or the start."""
    if job.completed_at is not None:
        return job.completed_at
    return job.since if job.state == "stalled" else job.started_at


def row(job: JobShape) -> tuple[str, ...]:
    """The job's line in a table, under HEAD."""
    return (
        short(job.id), what(job), job.state, _handed_off(job), _sync(job), text.age(since(job)),
    )  # fmt: skip


def table(jobs: Sequence[JobShape]) -> str:
    """Jobs, a line each."""
    return text.table(HEAD, [row(job) for job in jobs])


def lanes(job: JobShape) -> list[Lane]:
    """The job's numbers, in the order in which a repository passes them."""
    classes, total = job.sync.classes, whole(job)
    listed = "listing ended" if job.discovery_complete else "so far; the listing goes on"
    if job.malformed:
        listed += f"; {job.malformed:,} more refused as malformed"
    parked = classes.get("parked", 0)
    kinds = [f"{kind} {classes[kind]:,}" for kind in ("failed", "gone") if classes.get(kind)]
    arrived = sum(classes.get(kind, 0) for kind in ("arriving", "synced", "empty"))
    return [
        Lane("found", job.total_repos, None, listed),
        Lane("handed off", job.processed_repos, total),
        Lane("arrived", arrived, total, text.count(job.total_records, "record", "records")),
        Lane("synced", job.sync.active, total, f"{parked:,} parked by Tap" if parked else ""),
        Lane("failed", job.sync.failed, None, " · ".join(kinds)),
    ]


def line(job: JobShape) -> str:
    """The job's numbers in one line."""
    found, *others, failed = lanes(job)
    parts = [f"{found.done:,} found" + ("" if job.discovery_complete else " so far")]
    parts += [f"{lane.done:,} {lane.name}" for lane in others]
    parts += [f"{failed.done:,} failed"] if failed.done else []
    records = text.count(job.total_records, "record", "records")
    return f"{short(job.id)} {job.state}: {', '.join(parts)}; {records}"


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
