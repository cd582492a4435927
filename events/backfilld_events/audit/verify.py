"""Verifies that rows are a whole, unbroken log: chain, positions, versions, readable payloads.

The one rule: it shares no code with the writer but the definition of the chain. It sees rows one
by one, from a file or from anywhere else, and names the first position where something is wrong.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from msgspec import Struct
from msgspec.structs import astuple

from .. import chain
from ..catalog.service import BreakAccepted
from ..codec import Readers, Undecodable
from ..row import Row

_NONE: Mapping[int, bytes] = {}


class Broken(Exception):
    """The log does not verify. `position` is the first that is wrong."""

    def __init__(self, position: int, what: str) -> None:
        super().__init__(f"event {position}: {what}")
        self.position, self.what = position, what


class Verified(Struct, frozen=True):
    """`events` rows verified; `position` and `hash` are those of the last. `passed` are the
    positions of breaks that somebody has accepted."""

    events: int
    position: int
    hash: bytes
    passed: tuple[int, ...] = ()


Known = Mapping[int, bytes]
"""Breaks that were accepted: position -> hash, as catalog.service.BreakAccepted has them."""


def accepted(rows: Iterable[Row]) -> Known:
    """What the rows of the type `service.break-accepted` accept."""
    events = (row.event for row in rows)
    return {one.position: one.hash for one in events if isinstance(one, BreakAccepted)}


def verify(rows: Iterable[Row], known: Known = _NONE) -> Verified:
    """Walks all rows of a log in order. Raises Broken at the first that is wrong, and not known to
    be."""
    return verify_columns(map(astuple, rows), known)


def verify_columns(rows: Iterable[tuple[Any, ...]], known: Known = _NONE) -> Verified:
    """The same over rows as SQLite has them (row.COLUMNS), without a Row for each."""
    walk = Walk(0, chain.GENESIS, unseen=0, known=known)
    walk.over(rows)
    return walk.verified()


class Walk:
    """How far verifying has come: all up to `position`, whose hash is `hash`, is right.

    `unseen` is the version of a stream before its first row here; None: it is not known, since the
    walk began in the middle, and `first` keeps the version of that row for whoever knows.
    """

    def __init__(
        self, position: int, previous: bytes, *, unseen: int | None, known: Known = _NONE
    ) -> None:
        self.position, self.hash = position, previous
        self.first: dict[str, int] = {}
        self.last: dict[str, int] = {}
        self.passed: list[int] = []
        self._unseen, self._known = unseen, known

    def verified(self) -> Verified:
        """All of the log up to here, if the walk began with its first row."""
        return Verified(self.position, self.position, self.hash, tuple(self.passed))

    def over(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Goes on over `rows`. Raises Broken at the first that is wrong."""
        position, previous, last = self.position, self.hash, self.last
        readers = Readers()
        try:
            for row in rows:
                at, stream, version, name, schema, _, _, cause, payload, own = row
                link = chain.link(previous, row[:9])
                known = last.get(stream, self._unseen)
                if at != position + 1:
                    self._pass(at, link, position + 1, f"missing; the next row has position {at}")
                elif link != own:
                    self._pass(
                        at, link, at, "its hash does not follow from the row and the one before"
                    )
                elif known is None:
                    self.first[stream] = version
                elif version != known + 1:
                    what = f"{stream} goes from version {known} to {version}"
                    self._pass(at, link, at, what)
                if cause is not None and not (isinstance(cause, int) and 0 < cause < at):
                    raise Broken(at, f"its cause {cause} is not an earlier event")
                position = at
                readers.decode(name, schema, payload)
                last[stream] = version
                previous = own
        except Undecodable as error:
            raise Broken(position, str(error)) from error
        except sqlite3.DatabaseError as error:
            _unreadable(position + 1, error)
        self.position, self.hash = position, previous

    def _pass(self, at: int, link: bytes, wrong: int, what: str) -> None:
        """Goes on after a break that is known; what streams did at it is not known any more."""
        if self._known.get(at) != link:
            raise Broken(wrong, what)
        self.passed.append(at)
        self.last.clear()
        self._unseen = None


def _unreadable(position: int, error: sqlite3.DatabaseError) -> NoReturn:
    """SQLite could not give the row at `position`: is the row broken, or the reading?"""
    code = getattr(error, "sqlite_errorcode", None)  # None: sqlite3's own, a text that is no UTF-8
    if code is None or code & 0xFF == sqlite3.SQLITE_CORRUPT:
        raise Broken(position, f"it cannot be read: {error}") from error
    raise error
