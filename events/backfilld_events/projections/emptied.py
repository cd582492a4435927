"""Collections that somebody had removed from the index, and what that means for later jobs.

The one rule: Tap sends nothing again for a repository it has. So what was handed to it before the
removal was asked for, and has lost records by it, is not with us because an earlier job asked.
"""

import sqlite3
from collections.abc import Sequence

from ..ids import Nsid
from .repo import places


def asked(db: sqlite3.Connection, collection: Nsid, position: int) -> None:
    """Somebody wants all records of the collection removed."""
    db.execute("INSERT OR REPLACE INTO emptied VALUES (?, ?, 1)", (collection, position))


def done(db: sqlite3.Connection, collection: Nsid) -> None:
    """None of them is left."""
    db.execute("UPDATE emptied SET under_way = 0 WHERE collection = ?", (collection,))


def lost(db: sqlite3.Connection, known: Sequence[int], collection: Nsid) -> set[int]:
    """Those of `known` that lost records of the collection, or are about to, and that Tap was not
    given since."""
    row = db.execute(
        "SELECT position, under_way FROM emptied WHERE collection = ?", (collection,)
    ).fetchone()
    if row is None:
        return set()
    position, under_way = row
    rows = db.execute(
        f"SELECT id FROM repo WHERE id IN ({places(known)}) AND handed < ?"
        " AND (removed > 0 OR (? AND live > 0))",
        (*known, position, under_way),
    )
    return {number for (number,) in rows}
