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

_INSERT = f"INSERT INTO event ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


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

    `recorded_at` is microseconds, UTC. `fold` is called with each row as soon as it stands.
    """
    last, previous = head(db)
    versions: dict[str, int] = {}
    outcomes: list[Outcome] = []
    for one in appends:
        conflict = _conflict(db, one.expected, versions)
        if conflict is not None:
            outcomes.append(conflict)
            continue
        rows: list[Row] = []
        for new in one.events:
            last += 1
            version = versions[new.stream] = _version(db, new.stream, versions) + 1
            cause = last - 1 if new.cause == PREVIOUS else new.cause
            name, schema, payload = codec.encode(new.event)
            row = Row(
                position=last,
                stream=new.stream,
                version=version,
                type=name,
                schema=schema,
                recorded_at=recorded_at,
                actor=new.actor,
                cause=cause,
                payload=payload,
                hash=chain.link(
                    previous, last, new.stream, version, name, schema, recorded_at,
                    new.actor, cause, payload,
                ),
            )  # fmt: skip
            db.execute(
                _INSERT,
                (
                    row.position, row.stream, row.version, row.type, row.schema,
                    row.recorded_at, row.actor, row.cause, row.payload, row.hash,
                ),
            )  # fmt: skip
            previous = row.hash
            fold(row, new.event)
            rows.append(row)
        outcomes.append(rows)
    return outcomes


def head(db: sqlite3.Connection) -> tuple[int, bytes]:
    """(last position, its hash); (0, GENESIS) for an empty log."""
    row = db.execute("SELECT position, hash FROM event ORDER BY position DESC LIMIT 1").fetchone()
    return row if row is not None else (0, chain.GENESIS)


def _version(db: sqlite3.Connection, stream: str, versions: Mapping[str, int]) -> int:
    if stream in versions:
        return versions[stream]
    (version,) = db.execute(
        "SELECT coalesce(max(version), 0) FROM event WHERE stream = ?", (stream,)
    ).fetchone()
    return int(version)


def _conflict(
    db: sqlite3.Connection, expected: Mapping[str, int], versions: Mapping[str, int]
) -> Conflict | None:
    for stream, version in expected.items():
        actual = _version(db, stream, versions)
        if actual != version:
            return Conflict(stream, expected=version, actual=actual)
    return None
