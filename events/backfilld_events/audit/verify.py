"""Verifies that rows are a whole, unbroken log: chain, positions, versions, readable payloads.

The one rule: it shares no code with the writer but the definition of the chain. It sees rows one
by one, from a file or from anywhere else, and names the first position where something is wrong.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NoReturn

from msgspec import Struct
from msgspec.structs import astuple

from .. import chain
from ..catalog.service import BreakAccepted
from ..codec import UNFIT, Readers, Undecodable
from ..row import Row
from .typed import is_typed, wrong

_NONE: Mapping[int, bytes] = {}
_OF_THE_ROWS = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_TOOBIG)


class Broken(Exception):
    """The log does not verify. `position` is the first that is wrong."""

    def __init__(self, position: int, what: str) -> None:
        super().__init__(f"event {position}: {what}")
        self.position, self.what = position, what


class Verified(Struct, frozen=True):
    """`events` rows verified; `position` and `hash` are those of the last. `passed` are the
    positions of breaks that somebody has accepted, those that only other proofs showed too: at a
    tail that was cut off the rows are right."""

    events: int
    position: int
    hash: bytes
    passed: tuple[int, ...] = ()


Known = Mapping[int, bytes]
"""Breaks that were accepted: position -> hash, as catalog.service.BreakAccepted has them."""


def accepted(rows: Iterable[Row]) -> Known:
    """What the rows of the type `service.break-accepted` accept; of one that cannot be read, the
    walk tells."""
    known: dict[int, bytes] = {}
    for row in rows:
        with suppress(Undecodable):
            if isinstance(event := row.event, BreakAccepted):
                known[event.position] = event.hash
    return known


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
        return Verified(self.position, self.position, self.hash, tuple(sorted(self._known)))

    def over(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Goes on over `rows`. Raises Broken at the first that is wrong."""
        position, previous, last, unseen = self.position, self.hash, self.last, self._unseen
        readers = Readers()
        try:
            for row in rows:
                at, stream, version, name, schema, when, actor, cause, payload, own = row
                link = chain.link(previous, row[:9])
                known = last.get(stream, unseen)
                if at != position + 1 or link != own or known is None or version != known + 1:
                    unseen = self._odd(row, link, position + 1, known)
                position = at
                # written out: twice as fast as is_typed
                if not (
                    type(at) is type(version) is type(schema) is type(when) is int
                    and type(stream) is type(name) is type(actor) is str
                    and type(payload) is type(own) is bytes
                    and (cause is None or type(cause) is int)
                ):
                    raise Broken(position, wrong(row))
                if cause is not None and not 0 < cause < at:
                    raise Broken(at, f"its cause {cause} is not an earlier event")
                readers[name, schema](payload)
                last[stream] = version
                previous = own
        except Undecodable as error:
            raise Broken(position, str(error)) from error
        except UNFIT as error:
            raise Broken(position, f"{name!r} schema {schema}: {error}") from error
        except sqlite3.DatabaseError as error:
            unreadable(position + 1, error)
        self.position, self.hash, self._unseen = position, previous, unseen

    def _odd(self, row: tuple[Any, ...], link: bytes, wanted: int, known: int | None) -> int | None:
        """Goes on with a row that is not what follows, if that may be: what streams had before it
        is then not known any more. The version before the first row of others."""
        at, stream, version, own = row[0], row[1], row[2], row[9]
        if at == wanted and link == own and known is None:
            self.first[stream] = version
            return None
        if self._known.get(at) != link:
            raise Broken(*_wrong(at, stream, version, wanted, known, linked=link == own))
        self.passed.append(at)
        self.last.clear()
        return None


def _wrong(
    at: int, stream: str, version: int, wanted: int, known: int | None, *, linked: bool
) -> tuple[int, str]:
    if at != wanted:
        return wanted, f"missing; the next row has position {at}"
    if not linked:
        return at, "its hash does not follow from the row and the one before"
    return at, f"{stream} goes from version {known} to {version}"


def checked(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows, each of the types that it should have; for whoever does more with them than
    comparing. Raises Broken."""
    position = 0
    try:
        for row in rows:
            if not is_typed(columns := astuple(row)):
                at = row.position if type(row.position) is int else position + 1
                raise Broken(at, wrong(columns))
            position = row.position
            yield row
    except sqlite3.DatabaseError as error:
        unreadable(position + 1, error)


def unreadable(position: int, error: sqlite3.DatabaseError) -> NoReturn:
    """SQLite could not give the row at `position` or, where rows are sought, one from there on: is
    the row broken, or the reading?"""
    if is_of_the_rows(error):
        raise Broken(position, f"it cannot be read: {error}") from error
    raise error


def is_of_the_rows(error: sqlite3.Error) -> bool:
    """Whether what stands in the file cannot be read, rather than the file."""
    code = getattr(error, "sqlite_errorcode", None)  # None: sqlite3's own, a text that is no UTF-8
    if code is None:
        return type(error) is sqlite3.OperationalError and "UTF-8" in str(error)
    return code & 0xFF in _OF_THE_ROWS
