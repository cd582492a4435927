"""Numbers for texts that stand in many rows: DIDs and NSIDs.

The one rule: a number is given once, in order of arrival, so that what is keyed by it grows at its
end; the texts themselves, which come in random order, are in one narrow index.
"""

import sqlite3
from collections.abc import Collection
from functools import cache

from . import bulk

INTERNED_MAX = 200_000  # texts whose numbers are remembered; bounds memory, not the index


class Interned:
    """The texts of one table, and their numbers. Belongs to its connection's owner."""

    def __init__(self, db: sqlite3.Connection, table: str, column: str) -> None:
        self._db, self._table, self._column = db, table, column
        self._numbers: dict[str, int] = {}

    def numbers(self, texts: Collection[str]) -> dict[str, int]:
        """The number of each of `texts` (and of others), new ones given. Valid in this
        transaction."""
        unknown = set(texts).difference(self._numbers)
        if unknown:
            if len(self._numbers) + len(unknown) > INTERNED_MAX:
                self._numbers.clear()
                unknown = set(texts)
            self._learn(sorted(unknown))  # neighbours in the index are asked for in turn
        return self._numbers

    def forget(self) -> None:
        """After a rollback: numbers may have been given that no longer are."""
        self._numbers.clear()

    def _learn(self, texts: list[str]) -> None:
        for _, part in bulk.parts(self._db, texts, 1):
            sql = _select(self._table, self._column, len(part))
            self._numbers.update(self._db.execute(sql, part))
        new = [text for text in texts if text not in self._numbers]
        if not new:
            return
        (last,) = self._db.execute(f"SELECT coalesce(max(id), 0) FROM {self._table}").fetchone()
        given = [(last + n, text) for n, text in enumerate(new, 1)]
        for _, some in bulk.parts(self._db, given, 2):
            sql = _insert(self._table, self._column, len(some))
            self._db.execute(sql, [value for row in some for value in row])
        self._numbers.update((text, number) for number, text in given)


@cache
def _select(table: str, column: str, size: int) -> str:
    return f"SELECT {column}, id FROM {table} WHERE {column} IN ({bulk.values('?', size)})"


@cache
def _insert(table: str, column: str, size: int) -> str:
    return f"INSERT INTO {table} (id, {column}) VALUES {bulk.values('(?,?)', size)}"
