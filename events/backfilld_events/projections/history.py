"""Questions about many jobs, and about what one of them did when. Reads only."""

import sqlite3
from collections.abc import Collection, Iterator

import msgspec

from .. import codec
from ..catalog.job import BatchHandedOff, DidsGiven
from ..folds.job import Job
from ..ids import Did, Nsid, pack_one, unpack_keys
from ..log import read
from ..row import COLUMNS, Row, from_columns
from .classes import Class
from .numbers import KEY_BYTES

OF_MAX = 100

_DECODER = msgspec.msgpack.Decoder(Job)
_MOVES = ", ".join(str(int(kind)) for kind in (Class.HANDED_OFF, Class.ARRIVING, Class.PARKED))


def page(db: sqlite3.Connection, before: int | None, limit: int) -> list[tuple[Job, int]]:
    """(job, its records so far), newest first, of jobs whose number is below `before`."""
    rows = db.execute(
        "SELECT state, records FROM job WHERE number < ? ORDER BY number DESC LIMIT ?",
        (1 << 62 if before is None else before, limit),
    )
    return [(_DECODER.decode(state), records) for state, records in rows]


def moving(db: sqlite3.Connection, limit: int) -> list[tuple[Job, int]]:
    """(job, its records so far) of jobs that something may still happen to: begun and not ended,
    oldest first, then ended ones whose repositories Tap has still to bring, newest first."""
    unended = db.execute("SELECT state, records FROM job WHERE ended = 0 ORDER BY number")
    begun: list[tuple[Job, int]] = []
    for state, records in unended:
        job = _DECODER.decode(state)
        if job.begun and len(begun) < limit:
            begun.append((job, records))
    ended = db.execute(
        "SELECT state, records FROM job WHERE ended = 1 AND number IN"
        f" (SELECT job FROM tally WHERE class IN ({_MOVES}) AND n > 0)"
        " ORDER BY number DESC LIMIT ?",
        (limit - len(begun),),
    )
    return begun + [(_DECODER.decode(state), records) for state, records in ended]


def listed(db: sqlite3.Connection, collections: Collection[Nsid] | None, limit: int) -> list[Job]:
    """The newest jobs that listed exactly these collections (None: any) and handed over all they
    found, without an error; no looks, which count only what was new."""
    found: list[Job] = []
    for (state,) in db.execute("SELECT state FROM job WHERE ended = 1 ORDER BY number DESC"):
        job = _DECODER.decode(state)
        whole = job.outcome == "completed" and not job.given and not job.look
        if whole and (collections is None or set(job.collections) == set(collections)):
            found.append(job)
            if len(found) == limit:
                break
    return found


def of(db: sqlite3.Connection, collection: str, limit: int = OF_MAX) -> Iterator[Job]:
    """The newest jobs that asked for this collection, alone or among others."""
    rows = db.execute(
        "SELECT state FROM target JOIN job ON job.number = target.job WHERE collection = ?"
        " ORDER BY target.job DESC LIMIT ?",
        (collection, limit),
    ).fetchall()
    for (state,) in rows:
        yield _DECODER.decode(state)


def at(db: sqlite3.Connection, number: int) -> Job:
    """The job with this number."""
    (state,) = db.execute("SELECT state FROM job WHERE number = ?", (number,)).fetchone()
    return _DECODER.decode(state)


def batch_of(db: sqlite3.Connection, job_id: str, ordinal: int) -> Row | None:
    """The event with which the job handed over that ordinal; None: it has not. Batches are in
    order, so it is looked for by halves."""
    stream = f"job/{job_id}"
    (high,) = db.execute(
        "SELECT coalesce(max(version), 0) FROM event WHERE stream = ?", (stream,)
    ).fetchone()
    low = 1
    while low <= high:
        middle = (low + high) // 2
        columns = db.execute(
            f"SELECT {COLUMNS} FROM event WHERE stream = ? AND version >= ? AND version <= ?"
            " AND type = 'job.batch-handed-off' ORDER BY version LIMIT 1",
            (stream, middle, high),
        ).fetchone()
        row = None if columns is None else from_columns(columns)
        batch = None if row is None else row.event
        if row is None or not isinstance(batch, BatchHandedOff) or ordinal < batch.first:
            high = middle - 1
        elif ordinal >= batch.upto:
            low = row.version + 1
        else:
            return row
    return None


def batches(db: sqlite3.Connection, job_id: str, limit: int) -> list[tuple[float, int]]:
    """(unix seconds, how many) of the last batches that the job handed to Tap, oldest first."""
    rows = db.execute(
        "SELECT recorded_at, type, schema, payload FROM event WHERE stream = ?"
        " AND type = 'job.batch-handed-off' ORDER BY version DESC LIMIT ?",
        (f"job/{job_id}", limit),
    )
    found: list[tuple[float, int]] = []
    for at, name, schema, payload in rows:
        event = codec.decode(name, schema, payload)
        if isinstance(event, BatchHandedOff):
            found.append((at / 1e6, event.upto - event.first))
    return found[::-1]


def was_given(db: sqlite3.Connection, job: Job, did: Did) -> bool:
    """Whether the job was asked for this account: alone, or in a list."""
    if not job.given or job.asked_did is not None:
        return job.asked_did == did
    rows = read.rows(db, job.position, stream=f"job/{job.id}", type_name="job.dids-given")
    key = pack_one(did)
    raw = key if len(key) == KEY_BYTES else did.encode()
    for event in (row.event for row in rows):
        # most lists do not have it, and that is seen at once
        if isinstance(event, DidsGiven) and raw in event.dids and key in unpack_keys(event.dids):
            return True
    return False
