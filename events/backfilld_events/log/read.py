"""Reads rows of a log, forward from a position, in bounded memory."""

import sqlite3
from collections.abc import Collection, Iterator
from itertools import starmap
from typing import Any

from ..row import COLUMNS, Row, from_columns
from .seldom import CONDITION, OFTEN


def rows(
    db: sqlite3.Connection,
    after: int = 0,
    *,
    upto: int | None = None,
    stream: str | None = None,
    type_name: str | None = None,
    limit: int | None = None,
) -> Iterator[Row]:
    """Rows with `position > after`, in order, at most `limit`, of a stream and type if given.

    `stream` may end in `*` to name all that begin so.
    """
    where, values = _where(after, upto, stream, type_name)
    query = (
        f"SELECT {COLUMNS} FROM event WHERE {where} ORDER BY {_order(stream, type_name)} LIMIT ?"
    )
    # starmap: no step of Python between SQLite's row and ours
    return starmap(Row, db.execute(query, (*values, -1 if limit is None else limit)))


def columns(db: sqlite3.Connection, after: int | None, upto: int) -> Iterator[tuple[Any, ...]]:
    """Rows with `after < position <= upto` as SQLite has them, in order, for whoever trusts none.

    `after` None: from the very first, even if it has a position that no row should have.
    """
    where = "position <= ?" if after is None else "position <= ? AND position > ?"
    query = f"SELECT {COLUMNS} FROM event WHERE {where} ORDER BY position"
    return db.execute(query, (upto,) if after is None else (upto, after))


def newest(
    db: sqlite3.Connection,
    limit: int,
    *,
    after: int = 0,
    upto: int | None = None,
    stream: str | None = None,
    type_name: str | None = None,
) -> list[Row]:
    """The last `limit` rows with `after < position <= upto` that fit, oldest first."""
    where, values = _where(after, upto, stream, type_name)
    order = _order(stream, type_name)
    query = f"SELECT {COLUMNS} FROM event WHERE {where} ORDER BY {order} DESC LIMIT ?"
    return [from_columns(columns) for columns in db.execute(query, (*values, limit))][::-1]


def row(db: sqlite3.Connection, position: int) -> Row | None:
    """The row at `position`."""
    return next(rows(db, position - 1, upto=position), None)


def times(db: sqlite3.Connection, positions: Collection[int]) -> dict[int, float]:
    """When the events at these positions were recorded: unix seconds."""
    places = ",".join("?" * len(positions))
    query = f"SELECT position, recorded_at / 1e6 FROM event WHERE position IN ({places})"
    return dict(db.execute(query, tuple(positions)).fetchall())


def is_sought(stream: str | None, type_name: str | None) -> bool:
    """Whether no index leads to these rows, so that all rows in between are looked at."""
    if stream is None:
        return type_name in OFTEN
    return stream.endswith("*")


def _order(stream: str | None, type_name: str | None) -> str:
    # In one stream both are the same order. By version it is that of its index: by position SQLite
    # would sort the whole stream, payloads too, unless it goes by the index of seldom types
    is_one = stream is not None and not stream.endswith("*")
    return "version" if is_one and (type_name is None or type_name in OFTEN) else "position"


def _where(
    after: int, upto: int | None, stream: str | None, type_name: str | None
) -> tuple[str, list[object]]:
    where, values = ["position > ?"], [after]
    if type_name is not None and type_name not in OFTEN:
        where.append(CONDITION)  # so that SQLite may use the index of these
    clauses: list[tuple[str, object | None]] = [
        ("position <= ?", upto),
        ("type = ?", type_name),
    ]
    if stream is not None and stream.endswith("*"):
        clauses += [("stream >= ?", stream[:-1]), ("stream < ?", stream[:-1] + "\U0010ffff")]
    else:
        clauses.append(("stream = ?", stream))
    bound: list[object] = list(values)
    for clause, value in clauses:
        if value is not None:
            where.append(clause)
            bound.append(value)
    return " AND ".join(where), bound
