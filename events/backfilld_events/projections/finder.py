"""DID -> number for readers, beside the writer that gives the numbers.

The one rule: it writes nothing. What the writer keeps in memory a reader reads from the pages,
once, and then only what is new.
"""

import sqlite3
from functools import partial

import msgspec

from . import pages
from .numbers import WAITING_MAX, Mark, Numbers


class Finder:
    """Belongs to its connection's owner. Up to 30 MB once it was asked; before, nothing."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._numbers: Numbers | None = None
        self._begun = self._upto = self._depth = 0

    def find(self, keys: list[bytes]) -> list[int | None]:
        """The number of each key (ids.pack_one); None: it has none. Valid in this transaction."""
        following, depth = pages.following(self._db), self._depth_now()
        numbers = self._numbers
        if (
            numbers is None
            or depth != self._depth
            or following - self._begun > 4 * WAITING_MAX  # as much as the writer's start reads
        ):
            numbers = self._numbers = self._read()
            self._begun, self._depth = following, depth
        elif following != self._upto:
            for some, base in pages.since(self._db, self._upto):
                numbers.intern(some, base)
        self._upto = following
        return numbers.find(keys)

    def _read(self) -> Numbers:
        (value,) = self._db.execute("SELECT value FROM folded WHERE name = 'numbers'").fetchone()
        numbers = Numbers(self._db)
        mark = msgspec.msgpack.decode(value, type=Mark)
        numbers.load(mark, partial(pages.since, self._db))
        return numbers

    def _depth_now(self) -> int:
        (deepest,) = self._db.execute("SELECT max(node) FROM drawer").fetchone()
        return 0 if deepest is None else int(deepest).bit_length()
