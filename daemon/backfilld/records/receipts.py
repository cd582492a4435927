"""The receipts of the index: what each transaction did, numbered without a gap."""

import sqlite3

import msgspec

from .store import Receipt

_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(Receipt).decode


def ends(db: sqlite3.Connection) -> tuple[int, int]:
    """The first and the last that are kept; zeros: none was ever written."""
    (first,) = db.execute("SELECT coalesce(min(no), 0) FROM receipt").fetchone()
    return first, last(db)


def last(db: sqlite3.Connection) -> int:
    """The last; 0: none was ever written."""
    (no,) = db.execute("SELECT coalesce(max(no), 0) FROM receipt").fetchone()
    return int(no)


def following(db: sqlite3.Connection, after: int, limit: int) -> list[Receipt]:
    """Those with a number above `after`, in order."""
    rows = db.execute(
        "SELECT content FROM receipt WHERE no > ? ORDER BY no LIMIT ?", (after, limit)
    )
    return [_DECODE(content) for (content,) in rows]


def put(db: sqlite3.Connection, receipt: Receipt) -> None:
    """Writes one."""
    db.execute("INSERT INTO receipt VALUES (?, ?)", (receipt.no, _ENCODE(receipt)))


def forget(db: sqlite3.Connection, upto: int) -> None:
    """Drops those up to this number."""
    db.execute("DELETE FROM receipt WHERE no <= ?", (upto,))
