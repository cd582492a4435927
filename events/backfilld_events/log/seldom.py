"""Finds events by type, newest first, without reading those in between.

The one rule: most of a log is of a few types, its pages and receipts; all others are in the partial
index `event_seldom`, and whoever asks for those alone never meets the rest.
"""

import heapq
import sqlite3
from collections.abc import Collection, Generator
from contextlib import closing
from operator import attrgetter
from typing import NamedTuple

OFTEN = frozenset(
    {
        "job.page-discovered",
        "job.batch-handed-off",
        "index.records-committed",
        "tap.repos-observed",
    }
)

# word for word the condition of the index (migrations/0002_seldom.sql), or SQLite does not use it
CONDITION = (
    "type NOT IN ('job.page-discovered', 'job.batch-handed-off', 'index.records-committed',"
    " 'tap.repos-observed')"
)


class Head(NamedTuple):
    """A row without its payload, which is most of it. `recorded_at` is microseconds, UTC."""

    position: int
    stream: str
    type: str
    recorded_at: int


_HEAD = "SELECT position, stream, type, recorded_at FROM event"


def newest(
    db: sqlite3.Connection, types: Collection[str] | None, before: int
) -> Generator[Head, None, None]:
    """Events below position `before`, newest first, as they are asked for: all if `types` is None;
    of those types if all of them are seldom; or else all, and the caller leaves out the others."""
    if types is None or OFTEN.intersection(types):
        with closing(
            db.execute(f"{_HEAD} WHERE position < ? ORDER BY position DESC", (before,))
        ) as found:
            yield from (Head(*row) for row in found)
        return
    parts = [_of_type(db, name, before) for name in sorted(types)]
    try:
        yield from heapq.merge(*parts, key=attrgetter("position"), reverse=True)
    finally:
        for part in parts:
            part.close()


def count(db: sqlite3.Connection, types: Collection[str]) -> int:
    """How many events there are of these types, all of them seldom."""
    total = 0
    for name in types:
        (n,) = db.execute(
            f"SELECT count(*) FROM event WHERE type = ? AND {CONDITION}", (name,)
        ).fetchone()
        total += n
    return total


def at_time(db: sqlite3.Connection, moment: int, last: int) -> int:
    """The position up to which events were recorded before `moment` (microseconds), none above
    `last`: to begin a search there. The times of a clock that was set back are in no order, so it
    is near, not exact."""
    low, high = 0, last
    while low < high:
        middle = (low + high + 1) // 2
        row = db.execute("SELECT recorded_at FROM event WHERE position = ?", (middle,)).fetchone()
        if row is not None and row[0] < moment:
            low = middle
        else:
            high = middle - 1
    return low


def _of_type(db: sqlite3.Connection, name: str, before: int) -> Generator[Head, None, None]:
    query = f"{_HEAD} WHERE type = ? AND {CONDITION} AND position < ? ORDER BY position DESC"
    with closing(db.execute(query, (name, before))) as found:
        yield from (Head(*row) for row in found)
