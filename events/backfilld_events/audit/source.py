"""Where an audit has its rows from: a log's file, which a daemon may be writing, or an export.

The one rule: rows come as they stand there, in pieces, so that no reading holds up the writer's
checkpoints. What they are worth is `verify`'s business.
"""

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from ..log import read
from ..log.file import BadFile, open_reader
from ..log.seldom import CONDITION, OFTEN
from ..row import COLUMNS, Row, from_columns
from .exported import BEGINS, Export
from .pace import Pace
from .typed import is_typed
from .verify import Broken

PIECE = 2_000  # rows that one statement reads; SQLite keeps old pages for as long as it runs
MAGIC = b"SQLite format 3\0"
VALUE_BYTES_MAX = 64 * 2**20  # of one column: the largest events have 8 MB

_ROW = f"SELECT {COLUMNS} FROM event WHERE position = ?"
_TABLE = "SELECT type, wr FROM pragma_table_list WHERE schema = 'main' AND name = 'event'"
_COLUMNS = "SELECT name, type, pk, hidden FROM pragma_table_xinfo('event', 'main')"


class Source(Protocol):
    """A log to be read. Methods raise BadFile; from a broken file sqlite3.DatabaseError, from what
    is not as it should be verify.Broken."""

    path: Path

    def upto(self) -> int:
        """The last position there is now; 0: none."""

    def columns(self, after: int | None, upto: int) -> Iterator[tuple[Any, ...]]:
        """Rows with `after < position <= upto` as they stand there (row.COLUMNS), in order.
        `after` None: from the very first, even if it has a position that no row should have."""

    def of_type(self, name: str) -> Iterator[Row]:
        """All rows of a type, in order, but for those that cannot be read: `columns` names them."""

    def hashes(self, positions: Collection[int]) -> dict[int, bytes]:
        """The hash at each of these positions that there is."""

    def close(self) -> None:
        """Ends it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class LogFile:
    """The rows of an events.db. `db` cannot write."""

    def __init__(self, path: Path) -> None:
        """Opens it. Raises BadFile; Broken if `event` is a table that cannot be read as a log, by
        position and in bounded time."""
        self.path, self.db = path, open_reader(path)
        self.db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX)
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        kind = self.db.execute(_TABLE).fetchone()
        if kind is None:
            raise BadFile(f"{self.path}: a SQLite file, but no log; the log is data_dir/events.db")
        columns = self.db.execute(_COLUMNS).fetchall() if kind == ("table", 0) else []
        names = {name for name, _, _, hidden in columns if not hidden}
        keys = [(name, kind.upper()) for name, kind, pk, _ in columns if pk]
        if not names.issuperset(COLUMNS.split(", ")) or keys != [("position", "INTEGER")]:
            raise Broken(1, "the table is not the log's, but another of that name")

    def upto(self) -> int:
        """See Source."""
        (upto,) = self.db.execute("SELECT coalesce(max(position), 0) FROM event").fetchone()
        return int(upto)

    def columns(self, after: int | None, upto: int) -> Iterator[tuple[Any, ...]]:
        """See Source."""
        # a chain, not `yield from`: that would close the cursor of a walk that broke off
        return chain.from_iterable(self._pieces(after, upto))

    def _pieces(self, after: int | None, upto: int) -> Iterator[Iterator[tuple[Any, ...]]]:
        # as many rows, not as many positions: a row may stand where nothing should for long
        end = "SELECT position FROM event WHERE position > ? ORDER BY position LIMIT 1 OFFSET ?"
        at, pace = after, Pace(self.db)
        while at is None or at < upto:
            pace.rest()
            found = self.db.execute(end, (0 if at is None else at, PIECE - 1)).fetchone()
            last = upto if found is None else min(found[0], upto)
            yield read.columns(self.db, at, last)
            at = last

    def of_type(self, name: str) -> Iterator[Row]:
        """See Source."""
        where = "TRUE" if name in OFTEN else CONDITION
        query = f"SELECT position FROM event WHERE type = ? AND {where} ORDER BY position"
        for (position,) in self.db.execute(query, (name,)).fetchall():
            with suppress(sqlite3.DatabaseError):
                one = self.db.execute(_ROW, (position,)).fetchone()
                if one is not None and is_typed(one):
                    yield from_columns(one)

    def hashes(self, positions: Collection[int]) -> dict[int, bytes]:
        """See Source."""
        query = "SELECT position, hash FROM event WHERE position = ?"
        found = (self.db.execute(query, (one,)).fetchone() for one in positions)
        return {row[0]: row[1] for row in found if row is not None and type(row[1]) is bytes}

    def close(self) -> None:
        """See Source."""
        self.db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self.close()


def open_source(path: Path) -> Source:
    """The log in this file, whatever its form. Raises BadFile."""
    try:
        with path.open("rb") as file:
            begins = file.read(len(MAGIC))
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror}") from error
    if begins == MAGIC or not begins:
        return LogFile(path)
    if begins.startswith(BEGINS):
        return Export(path)
    raise BadFile(f"{path}: neither a log (events.db) nor an export of one")
