"""Answers questions from the log's projections and from the index. Reads only.

It has its own read-only connections, so that no question waits for a writer.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from backfilld_events.audit.show import as_data
from backfilld_events.catalog.lexicon import LexiconFetched, LexiconUploaded
from backfilld_events.folds import State, replay
from backfilld_events.folds.job import Job
from backfilld_events.folds.lexicon import Lexicon
from backfilld_events.ids import Did
from backfilld_events.log import read
from backfilld_events.log.file import open_reader
from backfilld_events.projections import jobs, pages, repos
from backfilld_events.projections.classes import Class
from backfilld_events.projections.repos import Asked
from backfilld_events.row import utc_text

from ..backfill.standing import Scene
from ..worker import Worker
from .present import job_shape, lexicon_shape
from .shapes import (
    CollectionCount,
    FailureShape,
    JobDetail,
    JobShape,
    LexiconDetail,
    Records,
    RecordShape,
    Stats,
)

FAILURES_MAX = 1000


class LogPage(NamedTuple):
    """Some events as JSON lines; `last` is the position of the last, `more` that the page was
    full."""

    lines: bytes
    last: int
    rows: int
    more: bool


class Views:
    """Every answer is one read of a connection in its thread."""

    def __init__(
        self,
        events: sqlite3.Connection,
        records: sqlite3.Connection,
        worker: Worker,
        scene: Callable[[], Scene],
    ) -> None:
        self._events, self._records, self._worker = events, records, worker
        self._scene = scene

    @classmethod
    def open(
        cls, events: Path, records: Path, worker: Worker, scene: Callable[[], Scene]
    ) -> "Views":
        """Opens both files read-only. Raises file.BadFile."""
        return cls(open_reader(events), open_reader(records), worker, scene)

    def close(self) -> None:
        """Closes both."""
        with closing(self._events), closing(self._records):
            pass

    async def dids(self, job: Job, first: int, upto: int) -> list[Did]:
        """The DIDs with these ordinals of the job."""
        return await self._worker(pages.dids, self._events, job.position, first, upto)

    async def to_ask(self, after: int, limit: int, failed: bool) -> list[Asked]:
        """Repositories to ask Tap about; see repos.to_ask."""
        return await self._worker(lambda: repos.to_ask(self._events, after, limit, failed=failed))

    async def jobs(self, limit: int = -1) -> list[JobShape]:
        """All jobs, newest first."""
        return await self._worker(
            lambda: [self._job(job, records) for job, records in jobs.newest(self._events, limit)]
        )

    async def job(self, job_id: str) -> JobDetail | None:
        """The job whose id is, or uniquely begins with, `job_id`; `last` is the newest."""
        return await self._worker(self._detail, job_id)

    async def lexicon(self, lexicon: Lexicon) -> LexiconDetail:
        """A lexicon with its document."""
        document = await self._worker(self._document, lexicon)
        shape = msgspec.to_builtins(lexicon_shape(lexicon))
        return LexiconDetail(**shape, lexicon_json=document)

    async def stats(self) -> Stats:
        """Records of the index by collection."""
        rows = await self._worker(
            lambda: self._records.execute(
                "SELECT nsid, records FROM collection ORDER BY nsid"
            ).fetchall()
        )
        return Stats(sum(n for _, n in rows), [CollectionCount(nsid, n) for nsid, n in rows])

    async def dead_letters(self) -> int:
        """How many messages could not be used."""
        (n,) = await self._worker(
            lambda: self._records.execute("SELECT count(*) FROM dead_letter").fetchone()
        )
        return int(n)

    async def records(self, collection: str, limit: int, cursor: str | None) -> Records:
        """Records of a collection, newest first. A cursor of digits is HappyView's offset."""
        return await self._worker(self._page, collection, limit, cursor)

    async def log(
        self, after: int, stream: str | None, type_name: str | None, limit: int, bytes_max: int
    ) -> LogPage:
        """Events after a position, one JSON line each: at most `limit`, about `bytes_max` bytes."""

        def page() -> LogPage:
            lines, last, count = bytearray(), after, 0
            found = read.rows(self._events, after, stream=stream, type_name=type_name, limit=limit)
            for row in found:
                lines += msgspec.json.encode(as_data(row)) + b"\n"
                last, count = row.position, count + 1
                if len(lines) >= bytes_max:
                    return LogPage(bytes(lines), last, count, more=True)
            return LogPage(bytes(lines), last, count, more=False)

        return await self._worker(page)

    async def fold(self, state: State, upto: int, limit: int) -> State:
        """The state after at most `limit` more events, none after position `upto`."""

        return await self._worker(
            lambda: replay(read.rows(self._events, state.position, upto=upto, limit=limit), state)
        )

    async def tail(self, n: int, stream: str | None, type_name: str | None) -> int:
        """The position after which the last `n` events stand."""
        rows = await self._worker(
            lambda: read.newest(self._events, n, stream=stream, type_name=type_name)
        )
        return rows[0].position - 1 if rows else 0

    def _job(self, job: Job, records: int) -> JobShape:
        counts = repos.counts(self._events, job.position)
        return job_shape(job, records, counts, self._scene())

    def _detail(self, job_id: str) -> JobDetail | None:
        if job_id == "last":
            found = jobs.newest(self._events, 1)
        else:
            found = jobs.find(self._events, job_id)
        if len(found) != 1:
            return None
        job, records = found[0]
        counts = repos.counts(self._events, job.position)
        unfit = repos.failures(self._events, job.position, FAILURES_MAX)
        return JobDetail(
            **_fields(job_shape(job, records, counts, self._scene())),
            failures=[
                FailureShape(one.did, one.kind.name.lower(), one.reason, one.since) for one in unfit
            ],
            failures_total=counts.get(Class.FAILED, 0) + counts.get(Class.GONE, 0),
        )

    def _document(self, lexicon: Lexicon) -> msgspec.Raw:
        row = read.row(self._events, lexicon.position)
        event = None if row is None else row.event
        if not isinstance(event, LexiconUploaded | LexiconFetched):
            raise TypeError(f"event {lexicon.position} should hold lexicon {lexicon.nsid}")
        return msgspec.Raw(event.document)

    def _page(self, collection: str, limit: int, cursor: str | None) -> Records:
        before, offset = 1 << 62, 0
        if cursor and cursor.startswith("k") and cursor[1:].isdecimal():
            before = int(cursor[1:18])
        elif cursor and cursor.isdecimal():
            offset = int(cursor[:9])
        rows = self._records.execute(
            "SELECT record.id, did, rkey, cid, rev, indexed_at, body FROM record"
            " JOIN repo ON repo.id = record.repo WHERE cid IS NOT NULL AND record.id < ?"
            " AND collection = (SELECT id FROM collection WHERE nsid = ?)"
            " ORDER BY record.id DESC LIMIT ? OFFSET ?",
            (before, collection, limit + 1, offset),
        ).fetchall()
        page = Records(list(_records(collection, rows[:limit])))
        if len(rows) > limit:
            page.cursor = f"k{rows[limit - 1][0]}"
        return page


def _records(
    collection: str, rows: list[tuple[int, str, str, str, str, int, bytes]]
) -> Iterator[RecordShape]:
    for _, did, rkey, cid, rev, indexed_at, body in rows:
        yield RecordShape(
            uri=f"at://{did}/{collection}/{rkey}",
            did=did,
            collection=collection,
            rkey=rkey,
            cid=cid,
            rev=rev,
            indexed_at=utc_text(indexed_at / 1e6),
            record=msgspec.Raw(body),
            labels=[],
        )


def _fields(shape: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(shape, name) for name in shape.__struct_fields__}
