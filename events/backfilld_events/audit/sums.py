"""Adds up, per repository and collection, what the log says and what the index has.

The one rule: memory is bounded. What is added goes, in any order, into a scratch file that SQLite
makes, spills and removes; one sorting pass in the end gives the sums.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..ids import DID_CHARS_MAX, Did, pack, unpack_keys, unpack_one

AT_ONCE = 20_000  # rows that wait in memory
ROWS_MAX = 2**40  # of a repository, in one receipt: sums stay far below what SQLite adds up

_TABLES = """
CREATE TABLE said (repo BLOB, collection INTEGER, n INTEGER, at INTEGER) STRICT;
CREATE TABLE held (repo BLOB, collection INTEGER, n INTEGER) STRICT;
CREATE TABLE recount (repo BLOB PRIMARY KEY, at INTEGER) STRICT, WITHOUT ROWID;
"""
# a recount says how many there are: what came before it counts no more
_SUMS = """
SELECT repo, collection, sum(said), sum(has), max(at) FROM (
    SELECT said.repo AS repo, collection, n AS said, 0 AS has, said.at AS at
    FROM said LEFT JOIN recount ON recount.repo = said.repo
    WHERE recount.at IS NULL OR said.at >= recount.at
    UNION ALL
    SELECT repo, collection, 0, n, NULL FROM held)
GROUP BY repo, collection ORDER BY repo, collection
"""


class Sum(NamedTuple):
    """How many rows of a repository (ids.pack_one) in a collection the log `said` there are, and
    the index `has`. `at` is where the log last said so; None: never."""

    repo: bytes
    collection: str
    said: int
    has: int
    at: int | None


class Sums:
    """What was said and held so far."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-65536"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(f"{_TABLES} BEGIN;")
        self._numbers: dict[str, int] = {}
        self._waiting: list[tuple[bytes, int, int, int]] = []

    def say(self, repo: bytes, collection: str, more: int, at: int) -> None:
        """The log says at `at` that there are so many more (or fewer) rows; `repo` is as
        ids.pack_one has it. Raises ValueError for a number, or a key, that can be none."""
        if abs(more) > ROWS_MAX:
            raise ValueError(f"{more} rows of one repository")
        unpack_one(repo)
        if more:
            self._waiting.append((repo, self._number(collection), more, at))
            if len(self._waiting) >= AT_ONCE:
                self._write()

    def recount(self, repo: bytes, rows: Iterable[tuple[str, int]], at: int) -> None:
        """The log says at `at` how many rows of the repository there are, and no others."""
        self._db.execute("INSERT OR REPLACE INTO recount VALUES (?, ?)", (repo, at))
        for collection, count in rows:
            self.say(repo, collection, count, at)

    def reset(self) -> None:
        """The log says that nothing is there any more."""
        self._waiting.clear()
        for table in ("said", "recount"):
            self._db.execute(f"DELETE FROM {table}")

    def hold(self, some: Iterable[tuple[str, str, int]]) -> None:
        """The index has these: (DID, collection, rows)."""
        batch: list[tuple[str, str, int]] = []
        for one in some:
            batch.append(one)
            if len(batch) >= AT_ONCE:
                self._hold(batch)
                batch.clear()
        self._hold(batch)

    def sums(self) -> Iterator[Sum]:
        """Of each repository and collection that was named, by repository."""
        self._write()
        names = {number: nsid for nsid, number in self._numbers.items()}
        for repo, collection, said, has, at in self._db.execute(_SUMS):
            yield Sum(repo, names[collection], said, has, at)

    def close(self) -> None:
        """Ends it, and with it the scratch file."""
        self._db.close()

    def _number(self, collection: str) -> int:
        return self._numbers.setdefault(collection, len(self._numbers))

    def _write(self) -> None:
        self._db.executemany("INSERT INTO said VALUES (?, ?, ?, ?)", self._waiting)
        self._waiting.clear()

    def _hold(self, batch: list[tuple[str, str, int]]) -> None:
        # all at once takes a tenth of the time; and who edits an index may write any name
        keys = unpack_keys(pack([Did(did[:DID_CHARS_MAX]) for did, _, _ in batch]))
        rows = ((key, self._number(one[1]), one[2]) for key, one in zip(keys, batch, strict=True))
        self._db.executemany("INSERT INTO held VALUES (?, ?, ?)", rows)
