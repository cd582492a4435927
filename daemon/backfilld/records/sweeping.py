"""Takes ghosts out of the index: the SQL of it. Which rows are ghosts is `ghosts`' business."""

import sqlite3
from collections.abc import Collection
from typing import NamedTuple

from backfilld_events.ids import Did, Nsid, Rev

from . import bulk, counting, letters
from .counting import More
from .ghosts import Evidence, Verdict, judge


class Taken(NamedTuple):
    """The verdict, and how many rows of each collection are gone by it."""

    verdict: Verdict
    counts: list[tuple[Nsid, int]]


def sweep(
    db: sqlite3.Connection,
    did: Did,
    collections: Collection[Nsid],
    seen: Evidence,
    at: int,
) -> Taken:
    """Makes tombstones of the ghosts of a repository, in the caller's transaction. Each keeps the
    rev that it had: whatever the network says of it from the fetch on is newer, and brings it back
    should we be wrong."""
    names = _numbers(db, collections)
    repo = db.execute("SELECT id, hidden > 0 FROM repo WHERE did = ?", (did,)).fetchone()
    number, hidden = repo or (None, 0)
    found: list[tuple[int, Rev, int]] = []
    gone: list[Rev] = []
    for collection in names:
        found += db.execute(
            "SELECT id, rev, collection FROM record"
            " WHERE repo = ? AND collection = ? AND cid IS NOT NULL",
            (number, collection),
        )
        newest = "SELECT max(rev) FROM record WHERE repo = ? AND collection = ? AND cid IS NULL"
        gone += [rev for (rev,) in db.execute(newest, (number, collection)) if rev is not None]
    seen = seen._replace(
        unread=letters.are_unread(db, did, collections), gone=max(gone, default=None)
    )
    judged = judge([row[1] for row in found], seen)
    ghosts = [row for row in found if judged.upto is not None and row[1] <= judged.upto]
    for _, part in bulk.parts(db, [row[0] for row in ghosts], 1):
        db.execute(
            "UPDATE record SET cid = NULL, body = NULL, indexed_at = ?"
            f" WHERE id IN ({bulk.values('?', len(part))})",
            (at, *part),
        )
    counts = {number: sum(row[2] == number for row in ghosts) for number in names}
    counting.keep(db, {number: More(-n, -n * hidden) for number, n in counts.items()})
    return Taken(judged.verdict, [(names[number], n) for number, n in counts.items() if n])


def _numbers(db: sqlite3.Connection, collections: Collection[Nsid]) -> dict[int, Nsid]:
    names = sorted(set(collections))
    return {
        number: nsid
        for _, part in bulk.parts(db, names, 1)
        for number, nsid in db.execute(
            f"SELECT id, nsid FROM collection WHERE nsid IN ({bulk.values('?', len(part))})", part
        )
    }
