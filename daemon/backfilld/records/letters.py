"""Dead letters: messages that could not be used, and what became of them.

The one rule: bounded in bytes. Of one message so much is kept, and of all of them; beyond that
those that are settled lose their bytes first, the oldest before newer ones, then those that are
open. What was wrong with which record stays.
"""

import sqlite3
from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct

from backfilld_events.ids import Did, Nsid

from ..deliveries import DeadDelivery
from . import bulk
from .store import Letter, Outcome

DROPPED_AT_ONCE = 100

_READ = "('retry', 'reindex', 'gone')"


class Limits(Struct, frozen=True):
    """Bytes: kept of one message, and of all."""

    one: int
    all: int


def bury(db: sqlite3.Connection, dead: Iterable[DeadDelivery], limits: Limits, at: int) -> None:
    """Keeps them. What comes again while its letter is open is one more try of that letter."""
    for one in dead:
        raw = one.raw[: limits.one]
        again = db.execute(
            "UPDATE dead_letter SET attempts = attempts + 1, why = ?, action = ?, raw = ?,"
            " raw_bytes = ? WHERE id = (SELECT id FROM dead_letter WHERE did = ?"
            " AND collection = ? AND rkey = ? AND open ORDER BY id DESC LIMIT 1)",
            (one.why, one.action, raw, len(one.raw), one.did, one.collection, one.rkey),
        )
        if not again.rowcount:
            db.execute(
                "INSERT INTO dead_letter"
                " (at, why, did, collection, rkey, raw, raw_bytes, action)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    at, one.why, one.did, one.collection, one.rkey, raw, len(one.raw), one.action,
                ),
            )  # fmt: skip
    _keep_bounded(db, limits.all)


def settle(db: sqlite3.Connection, outcomes: Iterable[Outcome], at: int) -> None:
    """Notes what became of letters. What is settled stays so, but for another way of it."""
    for one in outcomes:
        if one.resolution is None:
            db.execute(
                "UPDATE dead_letter SET attempts = attempts + 1, why = ? WHERE id = ?",
                (one.why, one.id),
            )
        else:
            db.execute(
                "UPDATE dead_letter SET open = 0, resolved_at = ?, resolution = ? WHERE id = ?",
                (at, one.resolution, one.id),
            )


def read(db: sqlite3.Connection, ids: Sequence[int], *, with_raw: bool) -> list[Letter]:
    """Those of these that there are, in the order of their numbers."""
    raw = "raw" if with_raw else "x''"
    found: list[Letter] = []
    for _, part in bulk.parts(db, ids, 1):
        rows = db.execute(
            f"SELECT id, why, did, collection, rkey, {raw}, raw_bytes, open FROM dead_letter"
            f" WHERE id IN ({bulk.values('?', len(part))}) ORDER BY id",
            part,
        )
        for number, why, did, collection, rkey, kept, size, is_open in rows:
            found.append(Letter(number, why, did, collection, rkey, kept, size, bool(is_open)))
    return found


def open_ones(db: sqlite3.Connection, collection: Nsid | None, after: int, limit: int) -> list[int]:
    """The numbers of the next ones that are open, of all collections or of one."""
    of_one = "" if collection is None else "collection = :collection AND "
    query = (
        f"SELECT id FROM dead_letter WHERE {of_one}open = 1 AND id > :after"
        " ORDER BY id LIMIT :limit"
    )
    asked = {"collection": collection, "after": after, "limit": limit}
    return [number for (number,) in db.execute(query, asked)]


def are_unread(db: sqlite3.Connection, did: Did, collections: Collection[Nsid]) -> bool:
    """Whether something came of the repository that was never read, in these collections or in one
    that is not known."""
    found = db.execute(
        "SELECT DISTINCT collection FROM dead_letter WHERE did = ?"
        f" AND (resolution IS NULL OR resolution NOT IN {_READ})",
        (did,),
    )
    return any(nsid is None or nsid in collections for (nsid,) in found)


def _keep_bounded(db: sqlite3.Connection, bytes_max: int) -> None:
    while _bytes(db) > bytes_max:
        over = db.execute(
            "SELECT id FROM dead_letter WHERE length(raw) > 0 ORDER BY open, id LIMIT ?",
            (DROPPED_AT_ONCE,),
        ).fetchall()
        for (number,) in over:
            db.execute("UPDATE dead_letter SET raw = x'' WHERE id = ?", (number,))
            if _bytes(db) <= bytes_max:
                return


def _bytes(db: sqlite3.Connection) -> int:
    (kept,) = db.execute("SELECT coalesce(sum(bytes), 0) FROM dead_count").fetchone()
    return int(kept)
