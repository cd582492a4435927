"""Verifies that rows are a whole, unbroken log: chain, positions, versions, readable payloads.

The one rule: it shares no code with the writer but the definition of the chain. It sees rows one
by one, from a file or from anywhere else, and names the first position where something is wrong.
"""

import sqlite3
from collections.abc import Iterable
from typing import Any, NoReturn

from msgspec import Struct
from msgspec.structs import astuple

from .. import chain
from ..codec import Readers, Undecodable
from ..row import Row


class Broken(Exception):
    """The log does not verify. `position` is the first that is wrong."""

    def __init__(self, position: int, what: str) -> None:
        super().__init__(f"event {position}: {what}")
        self.position = position


class Verified(Struct, frozen=True):
    """`events` rows verified; `position` and `hash` are those of the last."""

    events: int
    position: int
    hash: bytes


def verify(rows: Iterable[Row]) -> Verified:
    """Walks all rows of a log in order. Raises Broken at the first that is wrong."""
    return verify_columns(map(astuple, rows))


def verify_columns(rows: Iterable[tuple[Any, ...]]) -> Verified:
    """The same over rows as SQLite has them (row.COLUMNS), without a Row for each."""
    walk = Walk(0, chain.GENESIS, unseen=0)
    walk.over(rows)
    return Verified(events=walk.position, position=walk.position, hash=walk.hash)


class Walk:
    """How far verifying has come: all up to `position`, whose hash is `hash`, is right.

    `unseen` is the version of a stream before its first row here; None: it is not known, since the
    walk began in the middle, and `first` keeps the version of that row for whoever knows.
    """

    def __init__(self, position: int, previous: bytes, *, unseen: int | None) -> None:
        self.position, self.hash = position, previous
        self.first: dict[str, int] = {}
        self.last: dict[str, int] = {}
        self._unseen = unseen

    def over(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Goes on over `rows`. Raises Broken at the first that is wrong."""
        position, previous, last = self.position, self.hash, self.last
        readers = Readers()
        try:
            for row in rows:
                at, stream, version, name, schema, _, _, cause, payload, own = row
                if at != position + 1:
                    raise Broken(position + 1, f"missing; the next row has position {at}")
                position = at
                if chain.link(previous, row[:9]) != own:
                    what = "its hash does not follow from the row and the one before"
                    raise Broken(position, what)
                known = last.get(stream, self._unseen)
                if known is None:
                    self.first[stream] = version
                elif version != known + 1:
                    raise Broken(position, f"{stream} goes from version {known} to {version}")
                if cause is not None and not (isinstance(cause, int) and 0 < cause < position):
                    raise Broken(position, f"its cause {cause} is not an earlier event")
                readers.decode(name, schema, payload)
                last[stream] = version
                previous = own
        except Undecodable as error:
            raise Broken(position, str(error)) from error
        except sqlite3.DatabaseError as error:
            _unreadable(position + 1, error)
        self.position, self.hash = position, previous


def _unreadable(position: int, error: sqlite3.DatabaseError) -> NoReturn:
    """SQLite could not give the row at `position`: is the row broken, or the reading?"""
    code = getattr(error, "sqlite_errorcode", None)  # None: sqlite3's own, a text that is no UTF-8
    if code is None or code & 0xFF == sqlite3.SQLITE_CORRUPT:
        raise Broken(position, f"it cannot be read: {error}") from error
    raise error
