"""What a watcher of a job is told, as server-sent events: HappyView's types, and ours. Pure.

Each is one line of JSON with `type` and `job_id`. The `id` is a position of the log: all that the
log has up to it was told, so that whoever comes back with it misses nothing. Of frames that belong
together only the last has one.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from litestar.response.sse import ServerSentEventMessage

from backfilld_events.catalog.job import AttemptFailed
from backfilld_events.row import Row, utc_text

from ..shapes import JobShape

RETRY = ServerSentEventMessage(data=None, retry=2000).encode()
KEEP_ALIVE = ServerSentEventMessage(data=None, comment="keep-alive").encode()
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
MEDIA_TYPE = "text/event-stream"

Frame = dict[str, Any]


class Glance(NamedTuple):
    """A job as it is at `position` of the log. `ended_at` is the position at which it ended."""

    position: int
    job: JobShape
    ended_at: int | None

    @property
    def is_synced(self) -> bool:
        """Whether nothing of it is to come."""
        return self.ended_at is not None and not self.job.sync.open


def written(frames: Sequence[Frame], position: int | None) -> bytes:
    """Frames as they are sent; the last one has the position."""
    last = len(frames) - 1
    return b"".join(
        ServerSentEventMessage(
            data=msgspec.json.encode(one), event="event", id=position if n == last else None
        ).encode()
        for n, one in enumerate(frames)
    )


def line(position: int, data: bytes) -> bytes:
    """An event of the log that is JSON already."""
    return ServerSentEventMessage(data=data, event="event", id=position).encode()


def snapshot(glance: Glance) -> Frame:
    """All of it, for whoever comes, or has not listened for a while."""
    job = glance.job
    failed = job.sync.failed
    return {
        **_frame("job_snapshot", job.id),
        "status": job.status,
        "stage": job.stage,
        **_counters(job),
        "error_counts": {"other": failed} if failed else {},
        "discovery_complete": job.discovery_complete,
        "state": job.state,
        "sentence": job.sentence,
        "reason": job.reason,
        "waiting_until": job.waiting_until,
        "sync": msgspec.to_builtins(job.sync),
    }


def changes(before: JobShape, after: JobShape) -> list[Frame]:
    """What has changed, but for the end. A job that rests as paused has the frame of an end, as
    HappyView sends it."""
    told: list[Frame] = []
    if after.stage != before.stage:
        stage = {"stage": after.stage, "status": after.status, "state": after.state}
        told.append({**_frame("job_stage_changed", after.id), **stage})
    if _counters(after) != _counters(before):
        told.append({**_frame("job_counters", after.id), **_counters(after)})
    if after.sync.classes != before.sync.classes:
        told.append(_coverage(after))
    if after.state == "paused" != before.state:
        told.append(completed(after))
    return told


def arrived(job: JobShape) -> list[Frame]:
    """What goes with a snapshot."""
    return [_coverage(job), *([completed(job)] if job.state == "paused" else [])]


def completed(job: JobShape) -> Frame:
    """The job has ended, or rests."""
    return {
        **_frame("job_completed", job.id),
        "status": job.status,
        "error": job.error,
        "state": job.state,
    }


def synced(job: JobShape) -> Frame:
    """Nothing of the job is to come any more."""
    return {**_frame("job_synced", job.id), "sync": msgspec.to_builtins(job.sync)}


def waiting(job_id: str, row: Row) -> Frame:
    """A try of a lane failed (a row of job.attempt-failed)."""
    event = row.event
    if not isinstance(event, AttemptFailed):
        raise TypeError(f"event {row.position} should be a try that failed")
    return {
        **_frame("job_waiting", job_id),
        "lane": event.lane,
        "peer": event.peer,
        "kind": event.kind,
        "message": event.message,
        "attempt": event.attempt,
        "since": utc_text(row.at),
        "retry_at": utc_text(event.retry_at),
    }


def discovered(job_id: str, dids: Iterable[str]) -> list[Frame]:
    """The relay listed these."""
    return [{**_frame("repo_discovered", job_id), "did": did} for did in dids]


def resolved(job_id: str, dids: Iterable[str]) -> list[Frame]:
    """Tap took these; where they live is its business, and not known here."""
    return [{**_frame("repo_resolved", job_id), "did": did, "pds_endpoint": None} for did in dids]


def fetched(job_id: str, repos: Iterable[tuple[str, int]]) -> list[Frame]:
    """All records of these (did, records) are here."""
    return [
        {**_frame("repo_fetched", job_id), "did": did, "records_fetched": records}
        for did, records in repos
    ]


def _frame(kind: str, job_id: str) -> Frame:
    return {"type": kind, "job_id": job_id}


def _counters(job: JobShape) -> Frame:
    return {
        "total_repos": job.total_repos,
        "resolved_repos": job.resolved_repos,
        "processed_repos": job.processed_repos,
        "total_records": job.total_records,
    }


def _coverage(job: JobShape) -> Frame:
    sync = job.sync
    return {
        **_frame("coverage", job.id),
        "classes": sync.classes,
        "open": sync.open,
        "sync": sync.state,
    }
