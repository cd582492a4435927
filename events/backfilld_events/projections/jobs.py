"""Jobs as rows: the fold's state of each, and what is counted for it."""

import sqlite3
from collections.abc import Iterable, Mapping

import msgspec

from ..folds.job import Job

_ENCODE = msgspec.msgpack.Encoder().encode
_DECODER = msgspec.msgpack.Decoder(Job)


def put(db: sqlite3.Connection, job: Job) -> None:
    """Writes the job's state."""
    db.execute(
        "INSERT INTO job (number, id, ended, state) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (number) DO UPDATE SET ended = excluded.ended, state = excluded.state",
        (job.position, job.id, job.ended_at is not None, _ENCODE(job)),
    )


def note_retry(db: sqlite3.Connection, job: Job) -> None:
    """The job begins; if it is for what failed in another, that is to be known there."""
    if job.retries is not None:
        db.execute("INSERT INTO retried VALUES (?, ?)", (job.retries, job.id))


def retried_by(db: sqlite3.Connection, job_id: str) -> list[str]:
    """The jobs for what failed in this one, oldest first."""
    rows = db.execute(
        "SELECT later FROM retried JOIN job ON job.id = later WHERE retried.job = ?"
        " ORDER BY number",
        (job_id,),
    )
    return [later for (later,) in rows]


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


def targets(db: sqlite3.Connection, numbers: Iterable[int]) -> dict[int, set[str]]:
    """number -> the collections that the job asks for."""
    return {
        number: {
            nsid for (nsid,) in db.execute("SELECT collection FROM target WHERE job = ?", (number,))
        }
        for number in numbers
    }


def count_records(db: sqlite3.Connection, more: Mapping[int, int]) -> None:
    """number -> how many more records of its collections came for a job."""
    db.executemany(
        "UPDATE job SET records = records + ? WHERE number = ?",
        [(n, number) for number, n in more.items()],
    )
