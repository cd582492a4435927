"""Collections that jobs ask for: each has a number, under whose negative its repositories count.

The one rule: Tap fetches a repository once, with the filter that it has then. So what was handed
to it before a collection was asked for says nothing about the records of that collection.
"""

import sqlite3
from collections.abc import Sequence

from ..ids import Nsid
from . import emptied
from .classes import Class
from .repo import places

FETCHED_MIN = 10


def began(db: sqlite3.Connection, nsids: Sequence[Nsid], position: int) -> None:
    """A job asks for these collections."""
    db.executemany(
        "INSERT INTO collection (nsid, asked) VALUES (?, ?) ON CONFLICT (nsid) DO NOTHING",
        [(nsid, position) for nsid in nsids],
    )


def counters(db: sqlite3.Connection, nsids: Sequence[Nsid]) -> dict[int, Nsid]:
    """Minus the number of each collection -> its NSID; jobs have asked for them."""
    rows = db.execute(
        f"SELECT -number, nsid FROM collection WHERE nsid IN ({places(nsids)}) ORDER BY number",
        nsids,
    )
    return {number: Nsid(nsid) for number, nsid in rows}


def fetched_from(db: sqlite3.Connection, nsids: Sequence[Nsid], position: int) -> None:
    """Tap was started anew at `position`, and fetches these collections from now on."""
    db.executemany(
        "UPDATE collection SET asked = ? WHERE nsid = ?", [(position, nsid) for nsid in nsids]
    )


def fetched(db: sqlite3.Connection) -> dict[Nsid, int]:
    """How many repositories that were found for a collection Tap has fetched, by collection, where
    nothing of the collection ever came. Some may hold none of it any more; many do not."""
    rows = db.execute(
        "SELECT nsid, sum(n) FROM collection JOIN tally ON job = -number"
        " LEFT JOIN delivered ON collection = nsid"
        f" WHERE class IN ({int(Class.SYNCED)}, {int(Class.EMPTY)})"
        " AND coalesce(inserted + updated + deleted + unchanged + stale + dead, 0) = 0"
        " GROUP BY nsid"
    )
    return {Nsid(nsid): n for nsid, n in rows if n}


def silent(db: sqlite3.Connection) -> frozenset[Nsid]:
    """The collections that Tap seems to leave out: so many repositories, and not one record, are no
    chance."""
    return frozenset(nsid for nsid, n in fetched(db).items() if n >= FETCHED_MIN)


def fetched_without(db: sqlite3.Connection, known: Sequence[int], nsid: Nsid) -> set[int]:
    """Those of `known` that were handed to Tap before it fetched the collection, or that lost its
    records when somebody had them removed."""
    (asked,) = db.execute("SELECT asked FROM collection WHERE nsid = ?", (nsid,)).fetchone()
    rows = db.execute(
        "SELECT id FROM repo LEFT JOIN seen ON seen.repo = id"
        f" WHERE id IN ({places(known)}) AND handed < ?"
        " AND coalesce(tap_state, '') <> 'unknown' AND coalesce(out, 0) < 3",
        (*known, asked),
    )
    return {number for (number,) in rows} | emptied.lost(db, known, nsid)
