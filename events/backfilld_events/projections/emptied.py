"""Collections that somebody had removed from the index, and what that means for later jobs.

The one rule: Tap sends nothing again for a repository it has. So what was handed to it before the
removal was asked for, and has lost records by it, is not with us because an earlier job asked.
"""

import sqlite3
from collections.abc import Collection, Sequence

from ..ids import Nsid
from .repo import places


def asked(db: sqlite3.Connection, collection: Nsid, position: int) -> None:
    """Somebody wants all records of the collection removed."""
    db.execute("INSERT OR REPLACE INTO emptied VALUES (?, ?, 1)", (collection, position))


def done(db: sqlite3.Connection, collection: Nsid) -> None:
    """None of them is left."""
    db.execute("UPDATE emptied SET under_way = 0 WHERE collection = ?", (collection,))


def lost(
    db: sqlite3.Connection, job: int, known: Sequence[int], collections: Collection[Nsid]
) -> set[int]:
    """Those of `known` that lost records of these collections, or are about to, and for which no
    job between the removal and `job` has asked."""
    gone = db.execute(
        "SELECT collection, position, under_way FROM emptied"
        f" WHERE collection IN ({places([*collections])})",
        [*collections],
    ).fetchall()
    found: set[int] = set()
    for collection, position, under_way in gone:
        rows = db.execute(
            f"SELECT id FROM repo WHERE id IN ({places(known)}) AND handed < ?"
            " AND (removed > 0 OR (? AND live > 0)) AND NOT EXISTS"
            " (SELECT 1 FROM member JOIN target USING (job) WHERE member.repo = repo.id"
            " AND member.held = 0 AND member.job > ? AND member.job < ? AND collection = ?)",
            (*known, position, under_way, position, job, collection),
        )
        found.update(number for (number,) in rows)
    return found
