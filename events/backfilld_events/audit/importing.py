"""Makes a log's file from an export of it.

The one rule: it is the same log, column by column, or there is no file. Rows go through the guards
of the file and are verified one by one; the projections are made anew from them.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from .. import chain
from ..eventlog import EventLog
from ..log.file import BadFile, open_writer
from ..row import COLUMNS
from .newfile import new_file
from .source import Source
from .verify import Broken, Verified, Walk, accepted

ROWS_AT_ONCE = 1_000  # a transaction

_INSERT = f"INSERT INTO event ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def import_log(source: Source, path: Path) -> Verified:
    """Makes `path`, a new file. Raises Broken and BadFile, and leaves nothing then."""
    known = accepted(source.of_type("service.break-accepted"))
    walk = Walk(0, chain.GENESIS, unseen=0, known=known)
    with new_file(path) as partial:
        with closing(open_writer(partial, "backfilld_events.log")) as db:
            db.execute("PRAGMA synchronous=OFF")  # the whole file is made durable in the end
            walk.over(_inserted(db, source.columns(None, source.upto())))
        _shown(source, partial)
    return walk.verified()


def _shown(source: Source, partial: Path) -> None:
    """Makes the projections."""
    try:
        EventLog.open(partial).close()
    except (ValueError, LookupError, sqlite3.IntegrityError) as error:
        raise BadFile(
            f"{source.path}: its events verify, but no state follows from them: {error!r}"
        ) from error


def _inserted(db: sqlite3.Connection, rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """The rows; they are inserted when more are asked for."""
    some: list[tuple[Any, ...]] = []
    for row in rows:
        yield row
        some.append(row)
        if len(some) == ROWS_AT_ONCE:
            _insert(db, some)
            some.clear()
    _insert(db, some)


def _insert(db: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    db.execute("BEGIN")
    try:
        db.executemany(_INSERT, rows)
    except sqlite3.IntegrityError as error:
        # verified, so the break in front of it was accepted
        (last,) = db.execute("SELECT coalesce(max(position), 0) FROM event").fetchone()
        what = f"a new file refuses it, though it was accepted: {error}; keep the log's own file"
        raise Broken(last + 1, what) from error
    db.execute("COMMIT")
