"""Appends events: many appends, each over one or more streams, in one transaction.

The one rule: an append is durable, whole and chained when `append` returns, or it is not there.
What the events mean is the projections' business; they are folded in the same transaction.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from .. import chain, codec
from ..catalog import Event
from ..row import COLUMNS, PREVIOUS, NewEvent, Row

_ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_COLUMNS = len(Row.__struct_fields__)

# The trigger makes SQLite keep a journal for each INSERT statement, to undo it alone should the
# trigger refuse: two copied pages. 64 rows in one statement share it, and cost half as much as 64
# statements. Powers of two make any number of rows of few statements, which sqlite3 keeps prepared.
_INSERTS = tuple(
    (rows, f"INSERT INTO event ({COLUMNS}) VALUES " + ", ".join([_ROW] * rows))
    for rows in (64, 32, 16, 8, 4, 2, 1)
)


class Append(Struct, frozen=True):
    """Events that stand in the log together or not at all.

    `expected` (stream -> version) makes it a decision: it is refused when a stream has moved on.
    A fact has no `expected` and goes in whatever came between.
    """

    events: Sequence[NewEvent]
    expected: Mapping[str, int] = {}


class Conflict(Struct, frozen=True):
    """`stream` stands at `actual`, not at `expected`; nothing of the append was written."""

    stream: str
    expected: int
    actual: int


Outcome = list[Row] | Conflict


def append(
    db: sqlite3.Connection,
    appends: Sequence[Append],
    recorded_at: int,
    fold: Callable[[Row, Event], None],
) -> list[Outcome]:
    """Writes `appends` in order inside the caller's transaction; an outcome for each.

    `recorded_at` is microseconds, UTC. `fold` is called with each row, in order, when all stand.
    """
    group = _Group(db, recorded_at)
    outcomes = [group.take(one) for one in appends]
    _insert(db, group.values)
    for one, outcome in zip(appends, outcomes, strict=True):
        if isinstance(outcome, list):
            for row, new in zip(outcome, one.events, strict=True):
                fold(row, new.event)
    return outcomes


class _Group:
    """Rows for one transaction: made and chained here, written together by `_insert`."""

    def __init__(self, db: sqlite3.Connection, recorded_at: int) -> None:
        self.values: list[object] = []  # of all rows, one after the other
        self._db, self._recorded_at = db, recorded_at
        self._last, self._previous = head(db)
        self._versions: dict[str, int] = {}

    def take(self, one: Append) -> Outcome:
        """Makes the rows of an append, or says why not."""
        for stream, expected in one.expected.items():
            if (actual := self._version(stream)) != expected:
                return Conflict(stream, expected=expected, actual=actual)
        rows = []
        position, previous = self._last, self._previous
        values, versions = self.values, self._versions
        for new in one.events:
            stream, cause = new.stream, new.cause
            if cause == PREVIOUS:
                cause = position
            position += 1
            known = versions.get(stream)
            version = versions[stream] = (self._version(stream) if known is None else known) + 1
            name, schema, payload = codec.encode(new.event)
            columns = (
                position, stream, version, name, schema,
                self._recorded_at, new.actor, cause, payload,
            )  # fmt: skip
            previous = chain.link(previous, columns)
            values += columns
            values.append(previous)
            rows.append(Row(*columns, previous))
        self._last, self._previous = position, previous
        return rows

    def _version(self, stream: str) -> int:
        """Where the stream stands, counting what this group has taken."""
        version = self._versions.get(stream)
        if version is None:
            (version,) = self._db.execute(
                "SELECT coalesce(max(version), 0) FROM event WHERE stream = ?", (stream,)
            ).fetchone()
            self._versions[stream] = version
        return version


def _insert(db: sqlite3.Connection, values: Sequence[object]) -> None:
    """Inserts rows given as all their columns in one sequence."""
    start = 0
    for rows, statement in _INSERTS:
        width = rows * _COLUMNS
        while len(values) - start >= width:
            db.execute(statement, values[start : start + width])
            start += width


def head(db: sqlite3.Connection) -> tuple[int, bytes]:
    """(last position, its hash); (0, GENESIS) for an empty log."""
    row = db.execute("SELECT position, hash FROM event ORDER BY position DESC LIMIT 1").fetchone()
    return row if row is not None else (0, chain.GENESIS)
