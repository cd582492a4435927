"""Finds the rows of a log that somebody wants to see.

The one rule: memory is bounded, and no statement outlives a piece of rows, for whoever reads may
be slow (a pager), and SQLite would keep old pages for as long. An index of the log's file is used
where one leads there; else all rows are looked at once.
"""

import heapq
import sqlite3
from collections import deque
from collections.abc import Iterator
from itertools import islice
from operator import attrgetter

from msgspec import Struct
from msgspec.structs import replace

from ..ids import Did
from ..log import read
from ..log.seldom import OFTEN
from ..row import COLUMNS, Row, from_columns
from .naming import Named
from .pace import Pace
from .source import LogFile, Source
from .verify import checked

AT_ONCE = 200  # rows that one statement finds: some have 150 KB


class Wanted(Struct, frozen=True):
    """Which rows: `after < position <= upto`, of a stream (it may end in `*`), of one of `types`,
    of an actor; recorded from `since` to `until` (microseconds, each by its own time: a clock may
    have been set back); led to by the event at `cause`; that name `did`. What is left out does not
    matter."""

    after: int = 0
    upto: int | None = None
    stream: str | None = None
    types: frozenset[str] = frozenset()
    since: int | None = None
    until: int | None = None
    actor: str | None = None
    cause: int | None = None
    did: Did | None = None

    @property
    def is_of_place(self) -> bool:
        """Whether nothing but position, stream and type matters, and no more than one type."""
        others = (self.since, self.until, self.actor, self.cause, self.did)
        return len(self.types) <= 1 and all(one is None for one in others)


def found(source: Source, wanted: Wanted, limit: int | None = None) -> Iterator[Row]:
    """The first `limit` of these rows, in order."""
    upto = source.upto() if wanted.upto is None else min(wanted.upto, source.upto())
    wanted = replace(wanted, upto=upto)
    named = None if wanted.did is None else Named(wanted.did)
    rows = (row for row in _candidates(source, wanted, upto) if _fits(row, wanted, named))
    return islice(rows, limit)


def last(source: Source, wanted: Wanted, limit: int) -> list[Row]:
    """The last `limit` of these rows, in order."""
    if isinstance(source, LogFile) and wanted.is_of_place:
        newest = read.newest(
            source.db, limit, after=wanted.after, upto=wanted.upto, stream=wanted.stream,
            type_name=next(iter(wanted.types), None),
        )  # fmt: skip
        return list(checked(newest))
    return list(deque(found(source, wanted), maxlen=limit))


def tolerant(source: Source) -> None:
    """A text of the file that is no UTF-8 is no error any more: it is shown as far as it is one."""
    if isinstance(source, LogFile):
        source.db.text_factory = lambda raw: raw.decode(errors="replace")


def _candidates(source: Source, wanted: Wanted, upto: int) -> Iterator[Row]:
    """The rows that an index leads to, or all of them."""
    if not isinstance(source, LogFile):
        return map(from_columns, source.columns(wanted.after, upto))
    if wanted.stream is not None and not wanted.stream.endswith("*"):
        return _of_stream(source.db, wanted.stream)
    names = sorted(wanted.types) if wanted.types and not wanted.types & OFTEN else [None]
    parts = [_of_type(source.db, name, wanted.after, upto) for name in names]
    return heapq.merge(*parts, key=attrgetter("position"))


def _of_stream(db: sqlite3.Connection, stream: str) -> Iterator[Row]:
    query = f"SELECT {COLUMNS} FROM event WHERE stream = ? AND version > ? ORDER BY version LIMIT ?"
    version, pace = -(1 << 63), Pace(db)
    while some := db.execute(query, (stream, version, AT_ONCE)).fetchall():
        yield from checked(map(from_columns, some))
        version = some[-1][2]
        pace.rest()


def _of_type(db: sqlite3.Connection, name: str | None, after: int, upto: int) -> Iterator[Row]:
    pace = Pace(db)
    while some := list(read.rows(db, after, upto=upto, type_name=name, limit=AT_ONCE)):
        yield from checked(some)
        after = some[-1].position
        pace.rest()


def _fits(row: Row, wanted: Wanted, named: Named | None) -> bool:
    return (
        row.position > wanted.after
        and (wanted.upto is None or row.position <= wanted.upto)
        and _is_of(row.stream, wanted.stream)
        and (not wanted.types or row.type in wanted.types)
        and (wanted.since is None or row.recorded_at >= wanted.since)
        and (wanted.until is None or row.recorded_at <= wanted.until)
        and wanted.actor in (None, row.actor)
        and wanted.cause in (None, row.cause)
        and (named is None or named.is_in(row))
    )


def _is_of(stream: str, wanted: str | None) -> bool:
    if wanted is None or stream == wanted:
        return True
    return wanted.endswith("*") and stream.startswith(wanted[:-1])
