"""Jobs as rows: the fold's state of each, and the pages its ordinals point into."""

import sqlite3
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from .. import ids
from ..catalog.job import DidsGiven, PageDiscovered
from ..folds.job import Job
from ..ids import Did
from ..log import read

T = TypeVar("T")

_ENCODE = msgspec.msgpack.Encoder().encode
_DECODER = msgspec.msgpack.Decoder(Job)


def put(db: sqlite3.Connection, job: Job) -> None:
    """Writes the job's state."""
    db.execute(
        "INSERT INTO job (number, id, ended, state) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (number) DO UPDATE SET ended = excluded.ended, state = excluded.state",
        (job.position, job.id, job.ended_at is not None, _ENCODE(job)),
    )


def unended(db: sqlite3.Connection) -> dict[str, Job]:
    """The jobs with work left, by id."""
    rows = db.execute("SELECT state FROM job WHERE ended = 0 ORDER BY number")
    return {job.id: job for job in (_DECODER.decode(state) for (state,) in rows)}


def newest(db: sqlite3.Connection, limit: int = -1) -> list[tuple[Job, int]]:
    """(job, its records so far) of all jobs, newest first."""
    rows = db.execute("SELECT state, records FROM job ORDER BY number DESC LIMIT ?", (limit,))
    return [(_DECODER.decode(state), records) for state, records in rows]


def find(db: sqlite3.Connection, prefix: str) -> list[tuple[Job, int]]:
    """Jobs whose id begins with `prefix`: one if it is unique; at most two are looked up."""
    rows = db.execute(
        "SELECT state, records FROM job WHERE id >= ? AND id < ? LIMIT 2",
        (prefix, prefix + "\U0010ffff"),
    )
    return [(_DECODER.decode(state), records) for state, records in rows]


def put_page(
    db: sqlite3.Connection, job: Job, page: PageDiscovered | DidsGiven, position: int
) -> None:
    """Remembers where the ordinals of `page` stand in the log."""
    if page.count:
        db.execute(
            "INSERT INTO page (job, first, count, position) VALUES (?, ?, ?, ?)",
            (job.position, page.first, page.count, position),
        )


def dids(db: sqlite3.Connection, job: Job, first: int, upto: int) -> list[Did]:
    """The DIDs with the ordinals `first .. upto` of the job, read from the log."""
    return _queued(db, job, first, upto, ids.unpack)


def keys(db: sqlite3.Connection, job: Job, first: int, upto: int) -> list[bytes]:
    """The same as database keys (ids.pack_one)."""
    return _queued(db, job, first, upto, ids.unpack_keys)


def _queued(
    db: sqlite3.Connection, job: Job, first: int, upto: int, unpack: Callable[[bytes], list[T]]
) -> list[T]:
    found: list[T] = []
    for start, count, position in _pages(db, job, first, upto):
        row = read.row(db, position)
        event = None if row is None else row.event
        if not isinstance(event, PageDiscovered | DidsGiven):
            raise TypeError(f"event {position} should hold ordinals {start}.. of job {job.id}")
        found += unpack(event.dids)[max(first - start, 0) : min(upto - start, count)]
    if len(found) != upto - first:
        raise ValueError(f"job {job.id} has {len(found)} DIDs in {first}..{upto}")
    return found


def _pages(
    db: sqlite3.Connection, job: Job, first: int, upto: int
) -> Iterator[tuple[int, int, int]]:
    (start,) = db.execute(
        "SELECT coalesce(max(first), 0) FROM page WHERE job = ? AND first <= ?",
        (job.position, first),
    ).fetchone()
    yield from db.execute(
        "SELECT first, count, position FROM page WHERE job = ? AND first >= ? AND first < ?",
        (job.position, start, upto),
    ).fetchall()


def count_records(db: sqlite3.Connection, repo: bytes, collection: str, n: int) -> None:
    """`n` records of `collection` came for `repo`: its jobs that asked for them count them."""
    rows = db.execute(
        "SELECT job.number, job.state FROM repo JOIN member ON member.repo = repo.id"
        " JOIN job ON job.number = member.job WHERE repo.did = ?",
        (repo,),
    ).fetchall()
    for number, state in rows:
        if collection in _DECODER.decode(state).collections:
            db.execute("UPDATE job SET records = records + ? WHERE number = ?", (n, number))
