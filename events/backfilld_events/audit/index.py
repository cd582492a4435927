"""The index (records.db) as an audit sees it: at one moment, through its rows alone.

The one rule: it shares no code with who writes it. That may go on writing meanwhile; what is read
is of the moment at which it was opened.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from ..codec import UNFIT
from ..ids import Did
from ..log.file import BadFile, open_reader

SCHEMA_MIN = 3  # the first with all that is read here (records/migrations)


class Held(Struct, frozen=True, gc=False):
    """How many rows that are no tombstones there are of a repository in a collection. `hidden`:
    they are not shown. Where a name is missing from its table, it says so itself."""

    did: str
    collection: str
    rows: int
    hidden: bool


class Change(Struct, frozen=True, array_like=True):
    """As records.store.Counts, as far as it is about rows."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0


class Recount(Struct, frozen=True, array_like=True):
    """As records.store.Recount."""

    did: Did
    rev: str
    rows: list[tuple[str, int]]


class Receipt(Struct, frozen=True, array_like=True):
    """As records.store.Receipt, as far as it is about rows."""

    no: int
    changes: list[tuple[Did, str, Change]]
    accounts: Any
    unreadable: Any
    removal: Any = None
    ghosts: Any = None
    handled: Any = None
    recount: Recount | None = None


# no views: one may have no end
_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0"
_DECODE = msgspec.msgpack.Decoder(Receipt).decode


class Unreadable(Exception):
    """A receipt of the index is no receipt; the message names it."""


class Index:
    """The index in the file at `path`, as it is now. Methods raise sqlite3.DatabaseError from a
    broken file."""

    def __init__(self, path: Path) -> None:
        """Opens it. Raises BadFile."""
        self.path, self._db = path, open_reader(path)
        self._db.text_factory = lambda raw: raw.decode(errors="replace")
        names = {name for (name,) in self._db.execute(_TABLES)}
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if not names.issuperset({"record", "repo", "collection", "receipt"}):
            self.close()
            raise BadFile(f"{path}: a SQLite file, but no index; the index is data_dir/records.db")
        if version < SCHEMA_MIN:
            self.close()
            raise BadFile(
                f"{path}: it has schema {version}, and {SCHEMA_MIN} is needed; "
                "start the daemon once, which brings it there"
            )
        self._db.execute("BEGIN")
        self.first, self.last = self._ends()

    def _ends(self) -> tuple[int, int]:
        """The first and the last receipt that it keeps, the latter all that it ever wrote; 0: it
        has none. The first statement of the transaction: it is of this moment."""
        query = "SELECT coalesce(min(no), 0), coalesce(max(no), 0) FROM receipt"
        first, last = self._db.execute(query).fetchone()
        return first, last

    def missing(self, after: int) -> int | None:
        """The first receipt above `after`, and below the last, that is not there."""
        if self.last <= after:
            return None
        if self._db.execute("SELECT 1 FROM receipt WHERE no = ?", (after + 1,)).fetchone() is None:
            return after + 1
        (gap,) = self._db.execute(
            "SELECT min(no) + 1 FROM receipt AS one WHERE no > ? AND NOT EXISTS"
            " (SELECT 1 FROM receipt WHERE no = one.no + 1)",
            (after,),
        ).fetchone()
        return int(gap) if gap <= self.last else None

    def receipts(self, after: int) -> Iterator[Receipt]:
        """The receipts above `after`, in order. Raises Unreadable."""
        query = "SELECT no, content FROM receipt WHERE no > ? ORDER BY no"
        for no, content in self._db.execute(query, (after,)):
            try:
                yield _DECODE(content)
            except UNFIT as error:
                raise Unreadable(f"receipt {no} of the index cannot be read: {error}") from error

    def rows(self) -> Iterator[Held]:
        """What is held of each repository and collection, in the order of the index."""
        names = {number: nsid for number, nsid, _, _ in self._collections()}
        # grouped before it is joined: a look-up for each repository, not for each record
        found = self._db.execute(
            "SELECT held.repo, collection, n, did, hidden FROM (SELECT repo, collection,"
            " count(cid) AS n FROM record GROUP BY repo, collection) AS held"
            " LEFT JOIN repo ON repo.id = held.repo WHERE n > 0"
        )
        for repo, collection, count, did, hidden in found:
            yield Held(
                did if did is not None else f"(repository {repo}, which has no name)",
                names.get(collection, f"(collection {collection}, which has no name)"),
                count,
                bool(hidden),
            )

    def counters(self) -> dict[str, tuple[int, int]]:
        """The numbers that it keeps of each collection: rows, and how many are not shown."""
        return {nsid: (records, hidden) for _, nsid, records, hidden in self._collections()}

    def _collections(self) -> Iterator[tuple[int, str, int, int]]:
        return self._db.execute("SELECT id, nsid, records, hidden FROM collection")

    def close(self) -> None:
        """Ends it."""
        self._db.close()
