"""Tables for asking, folded from the log in the append's own transaction, so never behind.

The one rule: whatever stands here can be made anew from the log alone, and is the same then.
"""

import sqlite3
from collections.abc import Callable
from importlib import resources

import msgspec

from ..catalog import Event
from ..catalog.index import RecordsCommitted
from ..catalog.job import BatchHandedOff, DidsGiven, JobEvent, JobStarted, PageDiscovered
from ..catalog.lexicon import LexiconEvent
from ..catalog.source import ReposObserved
from ..folds import INITIAL, State, evolve, job_after
from ..folds.lexicon import Lexicon
from ..folds.source import Source
from ..ids import unpack_keys
from ..log import read
from ..log.append import head
from ..row import Row
from . import coverage, jobs

Progress = Callable[[int], None]
PROGRESS_EVENTS = 500

VERSION = 2  # raise it when a table, a fold or the meaning of a column changes: all is made anew

_ENCODE = msgspec.msgpack.Encoder().encode


class Projections:
    """The tables, and the state that the daemon decides by. Belongs to the writer's thread.

    `state` is replaced, never changed, so that others may read it at any time. After a rollback
    the owner calls `reload`.
    """

    def __init__(self, db: sqlite3.Connection, progress: Progress = lambda _: None) -> None:
        """Takes up the tables where they stand; makes them anew if they are not today's, and
        then tells `progress` of every PROGRESS_EVENTS-th position."""
        self._db, self._progress = db, progress
        self.state = INITIAL
        self.rebuilt = False
        if not self.reload():
            self.rebuild()
            self.rebuilt = self.state.position > 0

    def reload(self) -> bool:
        """Reads `state` back from the tables. False: they are missing or not today's."""
        known = self._db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'folded'").fetchone()
        folded = dict(self._db.execute("SELECT name, value FROM folded")) if known else {}
        position, _ = head(self._db)
        if folded.get("version") != _ENCODE(VERSION):
            return False
        if folded["position"] != _ENCODE(position):
            return False
        lexicons = (
            msgspec.msgpack.decode(state, type=Lexicon)
            for (state,) in self._db.execute("SELECT state FROM lexicon")
        )
        self.state = State(
            position=position,
            jobs=jobs.unended(self._db),
            lexicons={lexicon.nsid: lexicon for lexicon in lexicons},
            source=msgspec.msgpack.decode(folded["source"], type=Source),
        )
        return True

    def rebuild(self) -> None:
        """Makes every table anew from the log, in one transaction."""
        self.state = INITIAL
        self._db.execute("BEGIN IMMEDIATE")
        try:
            make(self._db)
            for row in read.rows(self._db):
                self.fold(row, row.event)
                if row.position % PROGRESS_EVENTS == 0:
                    self._progress(row.position)
            self.close_append()
        except BaseException:
            self._db.rollback()
            raise
        self._db.execute("COMMIT")

    def fold(self, row: Row, event: Event) -> None:
        """Takes in one row, inside the transaction that appends it."""
        before, self.state = self.state, evolve(self.state, row, event)
        _apply(self._db, before, row, event)

    def close_append(self) -> None:
        """Notes how far the tables go; the last step of every transaction that folded."""
        self._db.executemany(
            "INSERT OR REPLACE INTO folded (name, value) VALUES (?, ?)",
            [
                ("version", _ENCODE(VERSION)),
                ("position", _ENCODE(self.state.position)),
                ("source", _ENCODE(self.state.source)),
            ],
        )


def make(db: sqlite3.Connection) -> None:
    """Drops every table of the projections and makes it empty, in the caller's transaction."""
    script = (resources.files(__name__) / "schema.sql").read_text()
    statements = [part for part in _split(script) if part]
    for table in [part.split()[2] for part in statements if part.startswith("CREATE TABLE")]:
        db.execute(f"DROP TABLE IF EXISTS {table}")
    for statement in statements:
        db.execute(statement)


def _split(script: str) -> list[str]:
    # executescript would commit; nothing in the schema holds a semicolon or a quoted --
    bare = "\n".join(line.partition("--")[0] for line in script.splitlines())
    return [part.strip() for part in bare.split(";")]


def _apply(db: sqlite3.Connection, before: State, row: Row, event: Event) -> None:
    if isinstance(event, JobEvent):
        _apply_job(db, before, row, event)
    elif isinstance(event, LexiconEvent):
        lexicon = evolve(before, row, event).lexicons[event.nsid]
        db.execute(
            "INSERT OR REPLACE INTO lexicon (nsid, state) VALUES (?, ?)",
            (lexicon.nsid, _ENCODE(lexicon)),
        )
    elif isinstance(event, ReposObserved):
        coverage.observed(db, event, row.position)
    elif isinstance(event, RecordsCommitted):
        _apply_committed(db, row, event)


def _apply_job(db: sqlite3.Connection, before: State, row: Row, event: JobEvent) -> None:
    job = job_after(before, row, event)
    if job is None:
        return
    jobs.put(db, job)
    match event:
        case JobStarted():
            coverage.began(db, job.position, event.collections)
        case PageDiscovered() | DidsGiven():
            jobs.put_page(db, job, event, row.position)
            found_for = (
                (event.collection,) if isinstance(event, PageDiscovered) else job.collections
            )
            keys = unpack_keys(event.dids)
            coverage.discovered(db, job.position, keys, row.position, found_for)
        case BatchHandedOff():
            keys = jobs.keys(db, job, event.first, event.upto)
            coverage.handed_off(db, keys, row.position)


def _apply_committed(db: sqlite3.Connection, row: Row, event: RecordsCommitted) -> None:
    coverage.committed(db, event, row.position)
    for tally in event.tallies:
        collection = event.collections[tally.collection]
        if came := tally.inserted + tally.updated:
            jobs.count_records(db, tally.repo, collection, came)
        db.execute(
            "INSERT INTO delivered VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " inserted = inserted + excluded.inserted, updated = updated + excluded.updated,"
            " deleted = deleted + excluded.deleted, unchanged = unchanged + excluded.unchanged,"
            " stale = stale + excluded.stale, dead = dead + excluded.dead,"
            " ignored = ignored + excluded.ignored",
            (
                collection, tally.inserted, tally.updated, tally.deleted, tally.unchanged,
                tally.stale, tally.dead, tally.ignored,
            ),
        )  # fmt: skip
