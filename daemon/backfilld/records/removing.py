"""Takes records out of the index because a person asked for it.

The one rule: it is housekeeping, no judgement. One record leaves its rev behind, as a deleted one
does, so that Tap's sending it again does not undo what was asked for; only news of it (a later
rev) brings it back. Of a whole collection nothing that a person did is left behind, so that a new
backfill of it brings all of it back.
"""

import sqlite3
from typing import NamedTuple

from backfilld_events.ids import Did, Nsid, Rkey

from . import counting, rows
from .counting import More

_OF = "collection = (SELECT id FROM collection WHERE nsid = ?)"
# word for word the conditions of the partial indexes (migrations)
_HELD = f"{_OF} AND cid IS NOT NULL"
_REMOVED = f"{_OF} AND cid IS NULL AND body IS NOT NULL"


class Portion(NamedTuple):
    """What one portion took: rows by repository; `last`: there is no more."""

    taken: list[tuple[Did, int]]
    last: bool


def one(db: sqlite3.Connection, did: Did, nsid: Nsid, rkey: Rkey, at: int) -> bool:
    """Makes a tombstone of a record, with the rev that it had. False: it is not there."""
    changed = db.execute(
        "UPDATE record SET cid = NULL, body = x'', indexed_at = ? WHERE rkey = ?"
        f" AND repo = (SELECT id FROM repo WHERE did = ?) AND {_HELD}",
        (at, rkey, did, nsid),
    ).rowcount
    if changed:
        (hidden,) = db.execute("SELECT hidden > 0 FROM repo WHERE did = ?", (did,)).fetchone()
        _count(db, nsid, 1, hidden)
    return changed > 0


def some(db: sqlite3.Connection, nsid: Nsid, upto: int, limit: int) -> Portion:
    """Deletes at most `limit` records of the collection, oldest first, none with a number above
    `upto`; after them what `one` has left. Other tombstones stay: they keep out what is gone from
    the network."""
    rows.keep_last_id(db)
    held, more = _first(db, _HELD, nsid, upto, limit)
    taken: list[tuple[Did, int]] = []
    if held:
        gone = db.execute(
            "SELECT did, count(*), hidden > 0 FROM record JOIN repo ON repo.id = record.repo"
            f" WHERE {_HELD} AND record.id <= ? GROUP BY record.repo",
            (nsid, held[-1]),
        ).fetchall()
        db.execute(f"DELETE FROM record WHERE {_HELD} AND id <= ?", (nsid, held[-1]))
        taken = [(did, count) for did, count, _ in gone]
        _count(db, nsid, len(held), sum(count for _, count, hidden in gone if hidden))
    if not more:
        left, more = _first(db, _REMOVED, nsid, upto, limit - len(held))
        if left:
            db.execute(f"DELETE FROM record WHERE {_REMOVED} AND id <= ?", (nsid, left[-1]))
    return Portion(taken, last=not more)


def _first(
    db: sqlite3.Connection, which: str, nsid: Nsid, upto: int, limit: int
) -> tuple[list[int], bool]:
    """The numbers of the first `limit` rows, and whether there are more."""
    query = f"SELECT id FROM record WHERE {which} AND id <= ? ORDER BY id LIMIT ?"
    found = [number for (number,) in db.execute(query, (nsid, upto, limit + 1))]
    return found[:limit], len(found) > limit


def _count(db: sqlite3.Connection, nsid: Nsid, fewer: int, hidden: int) -> None:
    (number,) = db.execute("SELECT id FROM collection WHERE nsid = ?", (nsid,)).fetchone()
    counting.keep(db, {number: More(-fewer, -hidden)})
