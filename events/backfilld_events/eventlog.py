"""The log with its projections, as one object: what the daemon and the tests write through.

The one rule: one transaction holds the events and all that is folded from them. Belongs to one
thread at a time; it does not wait, retry or notify (`backfilld.journal` does).
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from .folds import State
from .log import read
from .log.append import Append, Outcome, append, head
from .log.file import BadFile, open_reader, open_writer
from .projections import Progress, Projections, repos
from .row import Row


class Head(NamedTuple):
    """Where a log ends: the last event's position and hash; and the hash of the first, which tells
    one log from another. 0, chain.GENESIS and empty when there are no events."""

    position: int
    hash: bytes
    first: bytes


class NotShown(Exception):
    """There is nothing in the file that could be shown; the message says why."""


class EventLog:
    """An open log. `state` is the fold of every event that is durable."""

    def __init__(
        self,
        db: sqlite3.Connection,
        progress: Progress = lambda _: None,
        *,
        frozen: bool = False,
        anew: bool = False,
    ) -> None:
        """Takes over a writing connection (`log.file.open_writer`), or, if `frozen`, one that only
        reads: see `show`. `anew`: all projections are made anew. Raises NotShown."""
        self._db = db
        self._projections = Projections(db, progress)
        if frozen:
            if not self._projections.reload(whole=False):
                raise NotShown("its projections are not those of this version")
        elif anew:
            self._projections.rebuild()
        else:
            self._projections.take_up()
        self._published = self._projections.state
        self._unsettled = repos.unsettled(db)
        self._head = _head(db)

    @classmethod
    def open(
        cls, path: Path, progress: Progress = lambda _: None, *, anew: bool = False
    ) -> "EventLog":
        """Opens or makes the log at `path`; `progress` is told of positions while projections
        are made anew, which they are in any case if `anew`. Raises file.BadFile."""
        db = open_writer(path, "backfilld_events.log")
        try:
            return cls(db, progress, anew=anew)
        except sqlite3.DatabaseError as error:
            db.close()
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_CORRUPT:
                raise
            raise BadFile(f"{path}: {error}; docs/backup.md says what to do") from error

    @classmethod
    def show(cls, path: Path) -> "EventLog":
        """Opens a log that must not be written, as its projections show it, even if the log ends
        elsewhere by now. Raises file.BadFile, NotShown."""
        db = open_reader(path)
        try:
            return cls(db, frozen=True)
        except (msgspec.MsgspecError, sqlite3.DatabaseError, LookupError) as error:
            db.close()
            raise NotShown(f"its projections cannot be read: {error}") from error
        except NotShown:
            db.close()
            raise

    @property
    def state(self) -> State:
        """The state after the last durable event; any thread may ask. What is being written now
        is not in it: whoever acted on that would act on what a crash takes back."""
        return self._published

    @property
    def head(self) -> Head:
        """Where the log ends; as `state`."""
        return self._head

    @property
    def unsettled(self) -> int:
        """How many repositories are with Tap, which has still work with them; as `state`."""
        return self._unsettled

    @property
    def rebuilt(self) -> bool:
        """Whether opening had to make the projections anew from the log."""
        return self._projections.rebuilt

    def append(self, appends: Sequence[Append], recorded_at: int) -> list[Outcome]:
        """Writes all that has no conflict, with one fsync; durable when it returns.

        `recorded_at` is microseconds, UTC. An error leaves the log as it was.
        """
        self._db.execute("BEGIN IMMEDIATE")
        try:
            outcomes = append(self._db, appends, recorded_at, self._projections.fold)
            self._projections.close_append()
            unsettled = repos.unsettled(self._db)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.rollback()
            self._projections.reload()
            raise
        self._published, self._unsettled = self._projections.state, unsettled
        if written := [rows for rows in outcomes if isinstance(rows, list) and rows]:
            last = written[-1][-1]
            self._head = Head(last.position, last.hash, self._head.first or written[0][0].hash)
        return outcomes

    def last(self, stream: str) -> Row | None:
        """The last event of a stream."""
        return next(iter(read.newest(self._db, 1, stream=stream)), None)

    def freeze(self) -> None:
        """Has the connection refuse every write from now on, whoever asks for it."""
        self._db.execute("PRAGMA query_only=ON")

    def distrust(self) -> None:
        """Has the next opening make the projections anew from the log; durable when it returns."""
        self._db.execute("UPDATE folded SET value = x'' WHERE name = 'version'")

    def close(self) -> None:
        """Closes the file; SQLite checkpoints what the write-ahead log still holds."""
        self._db.close()


def _head(db: sqlite3.Connection) -> Head:
    row = db.execute("SELECT hash FROM event WHERE position = 1").fetchone()
    return Head(*head(db), b"" if row is None else row[0])
