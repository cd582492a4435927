"""Statements over many rows at once.

The one rule: few calls, each with much to do. SQLite works without Python's lock, beside the event
loop, but only within a call; after each the lock must be got back, for which a busy loop may keep
us waiting 5 ms. A row a call costs twice the time even when nobody else wants the lock.

Rows go by powers of two, so that a dozen prepared statements serve groups of any size: to prepare
one costs more than to run it.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

ROWS_MAX = 1024  # of a statement; more gain nothing, and are slower to prepare


def parts(
    db: sqlite3.Connection, rows: Sequence[T], width: int
) -> Iterator[tuple[int, Sequence[T]]]:
    """`rows` in parts, each with its place: as many as one statement takes with `width`
    parameters a row, their number a power of two."""
    # an older SQLite has room for 999 parameters; one is left for what all rows share
    room = (db.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) - 1) // width
    size = 1 << (min(ROWS_MAX, room).bit_length() - 1)
    at = 0
    while at < len(rows):
        while size > len(rows) - at:
            size >>= 1
        yield at, rows[at : at + size]
        at += size


def values(row: str, size: int) -> str:
    """The list of a VALUES clause."""
    return ",".join([row] * size)
