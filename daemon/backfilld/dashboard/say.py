"""A job in a page's few words and shapes. Pure but for the local zone.

The sentences are those of the API; here is only what a table needs beside them.
"""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from ..control.shapes import JobShape
from ..control.words import counted

Tone = Literal["good", "busy", "wait", "bad", "muted"]

# a state or class is told by its word and a shape; the tone only helps
_MARKS: dict[str, tuple[str, Tone]] = {
    "pending": ("○", "busy"),
    "running": ("▸", "busy"),
    "pausing": ("…", "wait"),
    "paused": ("‖", "wait"),
    "cancelling": ("…", "wait"),
    "stalled": ("!", "wait"),
    "completed": ("✓", "good"),
    "completed_with_errors": ("≠", "wait"),
    "failed": ("✗", "bad"),
    "cancelled": ("–", "muted"),
    "waiting": ("○", "muted"),
    "syncing": ("◔", "busy"),
    "synced": ("✓", "good"),
    "synced_with_failures": ("≠", "wait"),
    "discovered": ("○", "muted"),
    "handed_off": ("▸", "busy"),
    "arriving": ("◔", "busy"),
    "empty": ("∅", "good"),
    "parked": ("‖", "wait"),
    "held": ("=", "wait"),
    "gone": ("–", "muted"),
}
STATES = (
    "pending", "running", "stalled", "pausing", "paused", "cancelling",
    "completed", "completed_with_errors", "failed", "cancelled",
)  # fmt: skip
_UNITS_S = ((86_400, "d"), (3_600, "h"), (60, "m"))


class Mark(Struct, frozen=True):
    """A word with its shape and tone."""

    word: str
    shape: str
    tone: Tone


def mark(word: str) -> Mark:
    """A state, sync word or class as a page shows it."""
    shape, tone = _MARKS.get(word, ("?", "muted"))
    return Mark(word.replace("_", " "), shape, tone)


def what(job: JobShape) -> str:
    """What the job is about."""
    accounts = job.did or (
        counted(job.total_repos, "account", "accounts") if job.scope == "accounts" else ""
    )
    if accounts:
        return f"{job.collection}, {accounts}" if job.collection else accounts
    if job.collection or not job.collections:
        return job.collection or "all record lexicons"
    more = f" and {len(job.collections) - 1} more" if len(job.collections) > 1 else ""
    return job.collections[0] + more


def whole(job: JobShape) -> int | None:
    """The finished total, or None while a listing goes on."""
    return job.total_repos if job.discovery_complete else None


def handed(job: JobShape) -> str:
    """How much is handed over, of what."""
    done, total = job.processed_repos, job.total_repos
    if not job.discovery_complete:
        return f"{done:,} of {total:,} found so far" if total else "none found yet"
    if total == 0:
        return "nothing" if job.state == "failed" else "nothing found"
    return f"all {total:,}" if done == total else f"{done:,} of {total:,}"


def synced(job: JobShape) -> str:
    """How much is here, of what."""
    total = whole(job)
    if total == 0:
        return "nothing to sync"
    here = f"{job.sync.active:,} of {total:,} here" if total else f"{job.sync.active:,} here"
    return f"{here}; {job.sync.failed:,} failed" if job.sync.failed else here


def since(job: JobShape) -> str:
    """When it came into its state: the end, the wait or the pause, else the start."""
    if job.completed_at is not None:
        return job.completed_at
    return job.since if job.state in ("stalled", "paused", "pausing") else job.started_at


def percent(part: int, total: int) -> str:
    """Rounded down, so that 100 % means all."""
    return f"{part * 100 // total} %"


def span(seconds: float) -> str:
    """A length of time in its largest unit: `42s`, `6m`, `3h`, `2d`."""
    whole_s = int(seconds)
    for unit_s, suffix in _UNITS_S:
        if whole_s >= unit_s:
            return f"{whole_s // unit_s}{suffix}"
    return f"{max(whole_s, 0)}s"


def unix(utc: str) -> float:
    """A time of the API as unix seconds."""
    return datetime.fromisoformat(utc).timestamp()


def moment(utc: str, now: float) -> str:
    """A time of the API, local with its zone, as in the sentences; today's without the date."""
    at, today = datetime.fromisoformat(utc).astimezone(), datetime.fromtimestamp(now).astimezone()
    return at.strftime("%H:%M:%S %Z" if at.date() == today.date() else "%Y-%m-%d %H:%M:%S %Z")


def clean(value: str) -> str:
    """What a stranger wrote, made safe to read: no sign that is unseen or turns the direction."""
    if value.isprintable():
        return value
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in value
    )
