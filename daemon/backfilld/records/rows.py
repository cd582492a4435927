"""The table of records, many rows a statement.

The one rule: it knows SQL and no law. It finds what is held and writes what it is told;
`rules` says what is to become of it.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import NamedTuple

from backfilld_events.ids import Cid, Rev, Rkey

from . import bulk
from .rules import Held

Row = tuple[int, int, Rkey, Rev, Cid | None, bytes | None]
"""repo, collection, rkey, rev, cid, body: in the order of the statements' parameters."""


class Found(NamedTuple):
    """What is held under the key of the `place`th row asked for; None: nothing. `id` names it."""

    place: int
    id: int | None
    held: Held | None


def last_id(db: sqlite3.Connection) -> int:
    """The highest id given so far, be its row here or removed; a row inserted later has a higher
    one."""
    return max(_ids(db))


def keep_last_id(db: sqlite3.Connection) -> None:
    """To be called before rows are removed: their ids are not given again."""
    db.execute("UPDATE numbered SET id = ?", (last_id(db),))


def insert(db: sqlite3.Connection, rows: Sequence[Row], at: int) -> int:
    """Inserts those whose key is free, and says how many. Keys differ from each other."""
    here, given = _ids(db)
    # SQLite gives the number above the highest that is here
    bar = [(given, *rows[0][:2])] if given > here and rows else []
    db.executemany("INSERT INTO record VALUES (?, ?, ?, '', '', NULL, NULL, 0)", bar)
    count = 0
    for _, part in bulk.parts(db, rows, 6):
        count += db.execute(_insert(len(part)), [at, *chain.from_iterable(part)]).rowcount
    db.executemany("DELETE FROM record WHERE id = ? AND repo = ? AND collection = ?", bar)
    return count


def held(db: sqlite3.Connection, rows: Sequence[Row], upto: int) -> Iterator[Found]:
    """Those whose key was taken when `upto` was the last id."""
    for place, part in bulk.parts(db, rows, 3):
        parameters = [upto, *chain.from_iterable(row[:3] for row in part)]
        yield from _found(place, db.execute(_held(len(part)), parameters).fetchall())


def unlike(db: sqlite3.Connection, rows: Sequence[Row]) -> Iterator[Found]:
    """Those that are not held with the very rev and CID: SQLite compares, and what came again
    unchanged never becomes an object here."""
    for place, part in bulk.parts(db, rows, 5):
        parameters = list(chain.from_iterable(row[:5] for row in part))
        yield from _found(place, db.execute(_unlike(len(part)), parameters).fetchall())


def update(db: sqlite3.Connection, rows: Sequence[tuple[int, Row]], at: int) -> None:
    """Gives the rows with these ids what the new ones hold."""
    for _, part in bulk.parts(db, rows, 4):
        parameters = [at, *chain.from_iterable((id_, *row[3:]) for id_, row in part)]
        db.execute(_update(len(part)), parameters)


def _ids(db: sqlite3.Connection) -> tuple[int, int]:
    """The highest id of a row that is here, and of one that was here at the last removal."""
    query = "SELECT (SELECT coalesce(max(id), 0) FROM record), id FROM numbered"
    here, given = db.execute(query).fetchone()
    return int(here), int(given)


def _found(
    first: int, answers: Sequence[tuple[int, int | None, Rev | None, Cid | None]]
) -> Iterator[Found]:
    for place, id_, rev, cid in answers:
        yield Found(first + place, id_, None if rev is None else Held(rev, cid))


@cache
def _insert(size: int) -> str:
    return (
        "INSERT INTO record (indexed_at, repo, collection, rkey, rev, cid, body)"
        f" VALUES {bulk.values('(?1,?,?,?,?,?,?)', size)}"
        " ON CONFLICT (repo, collection, rkey) DO NOTHING"
    )


@cache
def _held(size: int) -> str:
    asked = ",".join(f"({place},?,?,?)" for place in range(size))
    # CROSS JOIN: SQLite keeps the order of the two, whatever its planner thinks of the sizes.
    # ?1 is used before it would be numbered otherwise
    return (
        "WITH upto (id) AS (VALUES (?1)),"
        f" asked (place, repo, collection, rkey) AS (VALUES {asked})"
        " SELECT asked.place, record.id, record.rev, record.cid FROM asked CROSS JOIN record"
        " ON record.repo = asked.repo AND record.collection = asked.collection"
        " AND record.rkey = asked.rkey WHERE record.id <= (SELECT id FROM upto)"
    )


@cache
def _unlike(size: int) -> str:
    asked = ",".join(f"({place},?,?,?,?,?)" for place in range(size))
    return (
        f"WITH asked (place, repo, collection, rkey, rev, cid) AS (VALUES {asked})"
        " SELECT asked.place, record.id, record.rev, record.cid FROM asked LEFT JOIN record"
        " ON record.repo = asked.repo AND record.collection = asked.collection"
        " AND record.rkey = asked.rkey"
        " WHERE record.rev IS NOT asked.rev OR record.cid IS NOT asked.cid"
    )


@cache
def _update(size: int) -> str:
    return (
        "WITH changed (at, id, rev, cid, body) AS"
        f" (VALUES {bulk.values('(?1,?,?,?,?)', size)})"
        " UPDATE record SET rev = changed.rev, cid = changed.cid, body = changed.body,"
        " indexed_at = changed.at FROM changed WHERE record.id = changed.id"
    )
