"""The same words everywhere: a job's state and sync as sentences. Pure but for the local zone."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from backfilld_events.folds.job import Job, Waiting
from backfilld_events.projections.coverage import OPEN, Class

SyncState = Literal["waiting", "syncing", "synced", "synced_with_failures"]

_STATUS = {
    "pending": "pending",
    "running": "running",
    "stalled": "running",
    "completed": "completed",
    "failed": "failed",
}


def status(job: Job) -> str:
    """HappyView's word. A listing that failed for good makes it `failed`: it never ends as a
    success."""
    if job.state == "completed_with_errors":
        return "failed" if job.failed_listings else "completed"
    return _STATUS[job.state]


def stage(job: Job) -> str:
    """HappyView's stage."""
    if job.ended_at is not None:
        return status(job)
    if job.state == "pending":
        return "pending"
    return "resolving_and_fetching" if job.listed else "discovering_repos"


def error(job: Job) -> str | None:
    """What went wrong for good, or None."""
    if job.failure is not None:
        return job.failure.why
    return sentence(job) if job.state == "completed_with_errors" else None


def sentence(job: Job) -> str:
    """The job's state in one sentence or two."""
    match job.state:
        case "pending":
            return "Waiting for its turn."
        case "running":
            return "Finding repositories and handing them to Tap."
        case "stalled":
            return stalled(job.waiting) if job.waiting is not None else ""
        case "completed":
            return f"All {job.handed_off:,} repositories are handed to Tap."
        case "completed_with_errors":
            parts = [f"Handed over {job.handed_off:,}"]
            if job.malformed:
                parts[0] += f"; {job.malformed:,} refused as malformed"
            parts += [
                f"{failed.collection} could not be listed: not in the result"
                for failed in job.failed_listings
            ]
            return ". ".join(parts) + "."
        case "failed":
            again = " ".join(["backfillctl start", *([job.asked_for] if job.asked_for else [])])
            why = job.failure.why if job.failure is not None else ""
            return f"{why.rstrip('.')}. Start again: {again}"


def stalled(waiting: Waiting) -> str:
    """Who does not answer, since when, and what happens next."""
    who = "Tap" if waiting.lane == "hand-off" else f"relay {waiting.peer}"
    if waiting.kind == "unauthorized":
        return (
            f"Needs you: {who} refuses our password. Set tap.password_file, then restart backfilld."
        )
    return (
        f"Waiting for {who} since {moment(waiting.since)}: {waiting.message}."
        f" Next try {moment(waiting.retry_at)}. Goes on by itself."
    )


def sync(job: Job, classes: Mapping[Class, int]) -> tuple[SyncState, str]:
    """Did the records arrive? The word, and the sentence."""
    total = sum(classes.values())
    open_ = sum(n for kind, n in classes.items() if kind in OPEN)
    lost = classes.get(Class.FAILED, 0) + classes.get(Class.GONE, 0)
    here = total - open_ - lost
    if job.handed_off == 0 and job.state in ("pending", "running", "stalled"):
        return "waiting", "Nothing is handed over yet."
    if job.state == "failed":
        return "waiting", "Nothing was handed over."
    if open_ or job.ended_at is None:
        failed = f"; {lost:,} failed or gone" if lost else ""
        return "syncing", f"{here:,} of {total:,} are here, or empty{failed}."
    if lost:
        return (
            "synced_with_failures",
            f"{here:,} are here, or empty; {lost:,} failed or gone, each with a reason.",
        )
    return "synced", f"All {total:,} are here, or empty."


def moment(at: float) -> str:
    """A time of day for people, with its zone."""
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S %Z")
