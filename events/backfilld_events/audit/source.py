"""Where an audit has its rows from: a log's file, which a daemon may be writing, or an export.

The one rule: rows come as they stand there, in pieces, so that no reading holds up the writer's
checkpoints. What they are worth is `verify`'s business.
"""

from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from ..log import read
from ..log.file import BadFile, open_reader
from ..row import Row, from_columns
from .exported import BEGINS, Export
from .pace import Pace

PIECE = 2_000  # rows that one statement reads; SQLite keeps old pages for as long as it runs
MAGIC = b"SQLite format 3\0"


class Source(Protocol):
    """A log to be read. Methods raise BadFile; from a broken file sqlite3.DatabaseError,
    from an export that is not as it should be verify.Broken."""

    path: Path

    def upto(self) -> int:
        """The last position there is now; 0: none."""

    def columns(self, after: int | None, upto: int) -> Iterator[tuple[Any, ...]]:
        """Rows with `after < position <= upto` as they stand there (row.COLUMNS), in order.
        `after` None: from the very first, even if it has a position that no row should have."""

    def of_type(self, name: str) -> Iterator[Row]:
        """All rows of a type, in order."""

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
        """Opens it. Raises BadFile."""
        self.path, self.db = path, open_reader(path)
        if not self.db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'event'").fetchone():
            self.close()
            raise BadFile(f"{path}: a SQLite file, but no log; the log is data_dir/events.db")

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
        return read.rows(self.db, type_name=name)

    def hashes(self, positions: Collection[int]) -> dict[int, bytes]:
        """See Source."""
        query = "SELECT position, hash FROM event WHERE position = ?"
        found = (self.db.execute(query, (one,)).fetchone() for one in positions)
        return dict(row for row in found if row is not None)

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


def rows(source: Source, after: int = 0) -> Iterator[Row]:
    """The rows after a position, decoded no further than their columns."""
    return map(from_columns, source.columns(after, source.upto()))
