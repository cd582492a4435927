"""One SQLite file as it is at a moment, copied while somebody writes it.

The one rule: from that moment to the last copied page one read transaction is held. Without it
SQLite begins a copy anew whenever it finds, between two steps, that another connection has written
(sqlite.org/backup.html), and under a busy writer it would never end. The price: while it is held
the writer's -wal file only grows.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from backfilld_events.log.file import BadFile, open_reader

MODE = 0o640
STEP_PAGES = 256  # 4 MiB: between two steps somebody can break it off

Progress = Callable[[int, int], None]
"""(bytes copied, bytes of all)"""


class Snapshot:
    """The file at `path` as it was when this was made. `size`: bytes that its copy will have."""

    def __init__(self, path: Path) -> None:
        """Opens it, and never writes it. Raises BadFile."""
        self.path, self._db = path, open_reader(path)
        try:
            self._db.execute("BEGIN")
            self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # from here on
            (self._page_size,) = self._db.execute("PRAGMA page_size").fetchone()
            (pages,) = self._db.execute("PRAGMA page_count").fetchone()
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise BadFile(f"{path}: {error}") from error
        self.size = pages * self._page_size

    def copy(self, target: Path, progress: Progress = lambda *_: None) -> None:
        """Copies it to a new file, durably. Raises OSError and sqlite3.DatabaseError."""
        handle = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE)
        try:
            os.fchmod(handle, MODE)  # our umask may be narrower: whoever keeps copies reads it

            def step(_: int, remaining: int, total: int) -> None:
                progress((total - remaining) * self._page_size, total * self._page_size)

            with closing(sqlite3.connect(target, isolation_level=None)) as copy:
                copy.execute("PRAGMA synchronous=OFF")  # it is synced below, once
                copy.execute("PRAGMA journal_mode=OFF")
                self._db.backup(copy, pages=STEP_PAGES, progress=step)
            _alone(target)
            os.fsync(handle)
        finally:
            os.close(handle)

    def close(self) -> None:
        """Lets go of the moment."""
        self._db.close()


def mark(path: Path, made: float) -> None:
    """Has the copy of an index say, durably, that it is one, `made` then (unix seconds), for
    whoever puts it in place. Raises sqlite3.DatabaseError."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        if db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'copied'").fetchone():
            db.execute(
                "INSERT INTO copied SELECT ? WHERE NOT EXISTS (SELECT 1 FROM copied)", (made,)
            )


def _alone(path: Path) -> None:
    """Has the file need no other beside it: it may be kept where nobody can write. As the original
    it would be opened with a -wal and a -shm."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous=OFF")
        (mode,) = db.execute("PRAGMA journal_mode=DELETE").fetchone()
    if mode != "delete":
        raise sqlite3.OperationalError(f"{path} stays in journal mode {mode}")
