"""What is asked on behalf of those who watch a job."""

from backfilld_events.catalog.index import RecordsCommitted
from backfilld_events.catalog.source import ReposObserved
from backfilld_events.ids import Did
from backfilld_events.log import read
from backfilld_events.log.append import head
from backfilld_events.projections import jobs, pages
from backfilld_events.projections.classes import Class
from backfilld_events.projections.pages import keys_named
from backfilld_events.projections.repo import batches, counters_of, places
from backfilld_events.row import Row

from ..live.frames import Glance
from .base import at_one_moment
from .jobs import JobViews

ATTEMPTS_MAX = 100  # that are told of at once: the last ones

_NAMES = frozenset(
    {
        "job.page-discovered", "job.dids-given", "job.batch-handed-off", "job.attempt-failed",
        "tap.repos-observed", "index.records-committed",
    }
)  # fmt: skip


class StreamViews(JobViews):
    """The part of the views that knows what happens to a job and its repositories."""

    async def glance(self, job_id: str) -> Glance | None:
        """The job with this whole id, as it is now."""
        return await self._worker(self._glance, job_id)

    async def attempts(self, job_id: str, after: int, upto: int) -> list[Row]:
        """The tries that failed in `after < position <= upto`, the last ones."""

        def found() -> list[Row]:
            rows = read.rows(
                self._events, after, upto=upto, stream=f"job/{job_id}",
                type_name="job.attempt-failed",
            )  # fmt: skip
            return list(rows)[-ATTEMPTS_MAX:]

        return await self._worker(found)

    async def told_of_job(
        self, job_id: str, after: int, upto: int, limit: int
    ) -> list[tuple[int, str]]:
        """(position, type) of the next events, at most `limit`; the type is "" for those that
        tell nothing of the job or its repositories."""
        return await self._worker(self._told_of_job, job_id, after, upto, limit)

    async def named(self, job: int, position: int, offset: int, count: int) -> list[Did]:
        """DIDs that the event at a position names, of the job with this number: at most `count`,
        from `offset` on."""
        return await self._worker(self._named, job, position, offset, count)

    async def settled(self, job: int, position: int) -> list[tuple[Did, int]]:
        """(DID, records) of the job's repositories whose last record came with the event at a
        position, or was known to be the last by it."""
        return await self._worker(self._settled, job, position)

    def _glance(self, job_id: str) -> Glance | None:
        with at_one_moment(self._events):
            found = [one for one in jobs.find(self._events, job_id) if one[0].id == job_id]
            if not found:
                return None
            position, _ = head(self._events)
            job, records = found[0]
            ended_at = None
            if job.ended_at is not None:
                (ended_at,) = self._events.execute(
                    "SELECT position FROM event WHERE stream = ? AND version = ?",
                    (f"job/{job.id}", job.version),
                ).fetchone()
            return Glance(position, self._job(job, records), ended_at)

    def _told_of_job(self, job_id: str, after: int, upto: int, limit: int) -> list[tuple[int, str]]:
        rows = self._events.execute(
            "SELECT position, type, stream FROM event WHERE position > ? AND position <= ?"
            " ORDER BY position LIMIT ?",
            (after, upto, limit),
        ).fetchall()
        ours = f"job/{job_id}"
        return [
            (position, kind if kind in _NAMES and stream in (ours, "tap", "index") else "")
            for position, kind, stream in rows
        ]

    def _named(self, job: int, position: int, offset: int, count: int) -> list[Did]:
        row = read.row(self._events, position)
        event = None if row is None else row.event
        first = getattr(event, "first", 0) + offset
        upto = getattr(event, "upto", getattr(event, "first", 0) + getattr(event, "count", 0))
        return (
            pages.dids(self._events, job, first, min(first + count, upto)) if first < upto else []
        )

    def _settled(self, job: int, position: int) -> list[tuple[Did, int]]:
        with at_one_moment(self._events):
            row = read.row(self._events, position)
            event = None if row is None else row.event
            if isinstance(event, ReposObserved):
                keys = [seen.repo for seen in event.observations]
            elif isinstance(event, RecordsCommitted):
                keys = keys_named(event)
            else:
                return []
            numbers = {number for number in self._find(keys) if number is not None}
            found: dict[int, int] = {}
            for some in batches(sorted(numbers)):
                found.update(
                    self._events.execute(
                        f"SELECT id, live FROM repo WHERE id IN ({places(some)}) AND since = ?"
                        " AND class IN (?, ?)",
                        (*some, position, int(Class.SYNCED), int(Class.EMPTY)),
                    )
                )
            homes = counters_of(self._events, found)
            ours = sorted(n for n in found if any(of == job for of, _ in homes[n]))
            dids = pages.named(self._events, ours)
            return [(did, found[n]) for did, n in zip(dids, ours, strict=True)]
