"""The log with its projections, as one object: what the daemon and the tests write through.

The one rule: one transaction holds the events and all that is folded from them. Belongs to one
thread at a time; it does not wait, retry or notify (`backfilld.journal` does).
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from .folds import State
from .log.append import Append, Outcome, append
from .log.file import open_writer
from .projections import Progress, Projections, repos


class EventLog:
    """An open log. `state` is the fold of every event that is durable."""

    def __init__(self, db: sqlite3.Connection, progress: Progress = lambda _: None) -> None:
        """Takes over a writing connection (`log.file.open_writer`)."""
        self._db = db
        self._projections = Projections(db, progress)
        self._projections.take_up()
        self._published = self._projections.state
        self._unsettled = repos.unsettled(db)

    @classmethod
    def open(cls, path: Path, progress: Progress = lambda _: None) -> "EventLog":
        """Opens or makes the log at `path`; `progress` is told of positions while projections
        are made anew. Raises file.BadFile."""
        return cls(open_writer(path, "backfilld_events.log"), progress)

    @property
    def state(self) -> State:
        """The state after the last durable event; any thread may ask. What is being written now
        is not in it: whoever acted on that would act on what a crash takes back."""
        return self._published

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
        return outcomes

    def distrust(self) -> None:
        """Has the next opening make the projections anew from the log; durable when it returns."""
        self._db.execute("UPDATE folded SET value = x'' WHERE name = 'version'")

    def close(self) -> None:
        """Closes the file; SQLite checkpoints what the write-ahead log still holds."""
        self._db.close()
