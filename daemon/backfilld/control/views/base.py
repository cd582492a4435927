"""What all views stand on: two read-only connections and the worker that owns them."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

import trio

from backfilld_events.log.file import open_reader
from backfilld_events.projections.finder import Finder

from ...backfill.standing import Scene
from ...worker import Worker

PIECE = 5_000


class ViewsBase:
    """The connections. The one rule: every question is one call of the worker, so that no two
    overlap on a connection, and no question waits for a writer. A question that reads much of the
    log is several calls, of at most PIECE events each, so that others have their turn between."""

    _finder: Finder | None = None

    def __init__(
        self,
        events: sqlite3.Connection,
        records: sqlite3.Connection,
        worker: Worker,
        scene: Callable[[], Scene],
    ) -> None:
        self._events, self._records, self._worker = events, records, worker
        self._scene = scene
        self._counting = (
            trio.Lock()
        )  # of counts one after the other, or others wait for a piece of each

    @classmethod
    def open(cls, events: Path, records: Path, worker: Worker, scene: Callable[[], Scene]) -> Self:
        """Opens both files read-only. Raises file.BadFile."""
        return cls(open_reader(events), open_reader(records), worker, scene)

    def close(self) -> None:
        """Closes both."""
        with closing(self._events), closing(self._records):
            pass

    def _find(self, keys: list[bytes]) -> list[int | None]:
        """The numbers of repositories (ids.pack_one); a call of the worker, as of its moment."""
        if self._finder is None:
            self._finder = Finder(self._events)
        return self._finder.find(keys)


@contextmanager
def at_one_moment(db: sqlite3.Connection) -> Iterator[None]:
    """All that is read within is of the same moment."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.execute("COMMIT")
