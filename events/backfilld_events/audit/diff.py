"""Holds two logs against each other, row by row: where they part, in what, and what comes after.

The one rule: neither is believed more than the other, nor verified. A chain made anew after an edit
has other hashes all the way, so rows are compared without them: the edited event is named alone.
"""

import sqlite3
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from ..codec import UNFIT
from ..row import COLUMNS, Row, from_columns
from . import show
from .source import Source
from .typed import is_typed
from .verify import Broken, unreadable

POSITIONS_MAX = 10  # of later events with another content, that are named

NAMES = COLUMNS.split(", ")
_HASH = NAMES.index("hash")

_Columns = tuple[Any, ...]


class Field(Struct, frozen=True):
    """What one log has (`one`) and the other (`other`); None: nothing. `name` is that of a column,
    or of a place in the payload, such as `dids[3]`."""

    name: str
    one: Any
    other: Any


class Parted(Struct, frozen=True):
    """The first position where they differ; a side that is None has no event there. `payload` has
    the fields that differ as show.payload has them; none, though the column differs: the same is
    said with other bytes."""

    position: int
    one: Row | None
    other: Row | None
    columns: list[Field] = []
    payload: list[Field] = []


class Compared(Struct, frozen=True):
    """What came of it. They are the same up to where they part, or to where one ends.

    `later` counts the events after that which differ in more than the hash, up to where one ends,
    `positions` are the first of them; `rehashed` counts those that differ in the hash alone. The
    log that goes on has `more` events, from `more_from` on; it is the other one if `more_in_other`.
    """

    same: int
    parted: Parted | None
    later: int
    positions: list[int]
    rehashed: int
    more: int
    more_from: int
    more_in_other: bool

    @property
    def is_same(self) -> bool:
        """Whether they have the same rows."""
        return self.parted is None and not self.more


def diff(one: Source, other: Source) -> Compared:
    """Compares them, each up to where it stands now. Raises what sources raise."""
    ends = one.upto(), other.upto()
    both = min(ends)
    same = later = rehashed = more = more_from = 0
    parted: Parted | None = None
    positions: list[int] = []
    for position, ours, theirs in _pairs(_rows(one, ends[0]), _rows(other, ends[1])):
        if position > both:
            more, more_from = more + 1, more_from or position
        elif parted is None:
            if ours == theirs:
                same += 1
            else:
                parted = _parted(position, ours, theirs)
        elif ours is None or theirs is None or ours[:_HASH] != theirs[:_HASH]:
            later += 1
            if len(positions) < POSITIONS_MAX:
                positions.append(position)
        else:
            rehashed += ours != theirs
    return Compared(same, parted, later, positions, rehashed, more, more_from, ends[1] > ends[0])


def _rows(source: Source, upto: int) -> Iterator[_Columns]:
    position = 0
    try:
        try:
            for row in source.columns(None, upto):
                position = row[0]
                yield row
        except sqlite3.DatabaseError as error:
            unreadable(position + 1, error)
    except Broken as broken:
        raise Broken(broken.position, f"{source.path}: {broken.what}") from broken


def _pairs(
    ours: Iterator[_Columns], theirs: Iterator[_Columns]
) -> Iterator[tuple[int, _Columns | None, _Columns | None]]:
    """The rows of both by position; None: that one has none there."""
    one, other = next(ours, None), next(theirs, None)
    while one is not None or other is not None:
        position = min(row[0] for row in (one, other) if row is not None)
        here = one if one is not None and one[0] == position else None
        there = other if other is not None and other[0] == position else None
        yield position, here, there
        if here is not None:
            one = next(ours, None)
        if there is not None:
            other = next(theirs, None)


def _parted(position: int, ours: _Columns | None, theirs: _Columns | None) -> Parted:
    one = None if ours is None else from_columns(ours)
    other = None if theirs is None else from_columns(theirs)
    if ours is None or theirs is None or one is None or other is None:
        return Parted(position, one, other)
    columns = [
        Field(name, was, now)
        for name, was, now in zip(NAMES, ours, theirs, strict=True)
        if was != now
    ]
    return Parted(position, one, other, columns, list(_fields("", _payload(one), _payload(other))))


def _payload(row: Row) -> Any:
    """What the payload says; if it cannot be read as its type has it, what msgpack makes of it."""
    if not is_typed(astuple(row)):
        return row.payload
    try:
        return show.payload(row)
    except show.UNREADABLE:
        pass
    try:
        return msgspec.to_builtins(msgspec.msgpack.decode(row.payload), str_keys=True)
    except (*UNFIT, ValueError, TypeError):
        return row.payload.hex()


def _fields(name: str, one: Any, other: Any) -> Iterator[Field]:
    """Where two values differ, as deep as both are of the same kind."""
    if one == other and type(one) is type(other):
        return
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            below = f"{name}.{key}" if name else str(key)
            yield from _fields(below, one.get(key), other.get(key))
    elif isinstance(one, list) and isinstance(other, list):
        for at, (ours, theirs) in enumerate(zip_longest(one, other)):
            yield from _fields(f"{name}[{at}]", ours, theirs)
    else:
        yield Field(name, one, other)
