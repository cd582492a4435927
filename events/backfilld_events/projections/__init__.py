"""Tables for asking, folded from the log in the append's own transaction, so never behind.

The one rule: whatever stands here can be made anew from the log alone, and is the same then, but
for the secret of the numbers, which only says where in their tables an entry stands.
"""

import os
import sqlite3
from collections.abc import Callable
from functools import partial
from importlib import resources

import msgspec

from ..catalog import Event, IndexEvent, JobEvent, LexiconEvent, SourceEvent
from ..catalog.child import ChildStarted
from ..catalog.index import (
    GhostsRemoved,
    IndexLost,
    IndexRestored,
    RecordsCommitted,
    RecordsRemoved,
    RemovalAsked,
    RowsRecounted,
)
from ..catalog.job import (
    BatchHandedOff,
    DidsGiven,
    JobCancelled,
    JobCompleted,
    JobStarted,
    PageDiscovered,
)
from ..catalog.reconcile import ReposCompared
from ..catalog.source import ReposDiffer, ReposLeaving, ReposLeft, ReposObserved, ReposReturned
from ..folds import INITIAL, State, evolve, job_after
from ..folds.child import Child
from ..folds.control import Control
from ..folds.lexicon import Lexicon
from ..folds.listed import Listed
from ..folds.notify import Notices
from ..folds.reconcile import Reconcile
from ..folds.source import Source
from ..ids import Nsid
from ..log import read
from ..log.append import head
from ..row import Row
from . import coverage, emptied, jobs, losing, news, outings, pages, restoring, targets
from .numbers import SECRET_BYTES, Mark, Numbers
from .pages import Page

Progress = Callable[[int], None]
PROGRESS_EVENTS = 500

VERSION = 8  # raise it when a table, a fold or the meaning of a column changes: all is made anew

_SELDOM = ("control", "listed", "notices", "child", "reconciles")
"""Parts of the state that can be large, and change seldom."""

_ENCODE = msgspec.msgpack.Encoder().encode


class Projections:
    """The tables, and the state that the daemon decides by. Belongs to the writer's thread.

    `state` is replaced, never changed, so that others may read it at any time. First comes
    `take_up` or `begin`; after a rollback the owner calls `reload`.
    """

    def __init__(self, db: sqlite3.Connection, progress: Progress = lambda _: None) -> None:
        """While tables are made anew, `progress` is told of positions, every few seconds."""
        self._db, self._progress, self._numbers = db, progress, Numbers(db)
        self.state = self._kept = INITIAL
        self.rebuilt = False

    def take_up(self) -> None:
        """Goes on with the tables where they stand; makes them anew if they are not today's, or
        somebody has taken some away or changed what cannot be read now."""
        try:
            taken = self.reload()
        except (msgspec.MsgspecError, LookupError):
            taken = False
        if not taken:
            self.rebuild()
            self.rebuilt = self.state.position > 0

    def reload(self, *, whole: bool = True) -> bool:
        """Reads `state` back from the tables. False: they are missing or not today's, or, if
        `whole`, do not go up to the end of the log."""
        there = {name for (name,) in self._db.execute("SELECT name FROM sqlite_schema")}
        known = there.issuperset(part.split()[2] for part in _statements())
        folded = dict(self._db.execute("SELECT name, value FROM folded")) if known else {}
        if folded.get("version") != _ENCODE(VERSION):
            return False
        position = msgspec.msgpack.decode(folded["position"], type=int)
        if whole and position != head(self._db)[0]:
            return False
        lexicons = (
            msgspec.msgpack.decode(state, type=Lexicon)
            for (state,) in self._db.execute("SELECT state FROM lexicon")
        )
        mark = msgspec.msgpack.decode(folded["numbers"], type=Mark)
        self._numbers.load(mark, partial(pages.since, self._db))
        self.state = State(
            position=position,
            jobs=jobs.unended(self._db),
            lexicons={lexicon.nsid: lexicon for lexicon in lexicons},
            source=msgspec.msgpack.decode(folded["source"], type=Source),
            control=msgspec.msgpack.decode(folded["control"], type=Control),
            listed=msgspec.msgpack.decode(folded["listed"], type=dict[Nsid, Listed]),
            notices=msgspec.msgpack.decode(folded["notices"], type=Notices),
            child=msgspec.msgpack.decode(folded["child"], type=Child),
            reconciles=msgspec.msgpack.decode(folded["reconciles"], type=dict[str, Reconcile]),
        )
        self._kept = self.state
        return True

    def rebuild(self) -> None:
        """Makes every table anew from the log, in one transaction."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self.begin(self._numbers.mark.secret or os.urandom(SECRET_BYTES))
            for row in read.rows(self._db):
                self.fold(row, row.event)
                if row.position % PROGRESS_EVENTS == 0:
                    self._progress(row.position)
            self.close_append()
        except BaseException:
            self._db.rollback()
            raise
        self._db.execute("COMMIT")

    def begin(self, secret: bytes) -> None:
        """Makes every table, empty, in the caller's transaction; `secret` is the numbers'."""
        self.state = self._kept = INITIAL
        self._numbers = Numbers(self._db, secret)
        make(self._db)
        self._keep(**{name: getattr(INITIAL, name) for name in _SELDOM})

    def fold(self, row: Row, event: Event) -> None:
        """Takes in one row, inside the transaction that appends it."""
        before, self.state = self.state, evolve(self.state, row, event)
        self._apply(before, row, event)

    def close_append(self) -> None:
        """Notes how far the tables go; the last step of every transaction that folded."""
        state, kept = self.state, self._kept
        self._keep(
            version=VERSION,
            position=state.position,
            source=state.source,
            numbers=self._numbers.mark,
        )
        for name in _SELDOM:
            if (part := getattr(state, name)) is not getattr(kept, name):
                self._keep(**{name: part})
        self._kept = state

    def _keep(self, **parts: object) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO folded (name, value) VALUES (?, ?)",
            [(name, _ENCODE(part)) for name, part in parts.items()],
        )

    def _apply(self, before: State, row: Row, event: Event) -> None:
        if isinstance(event, JobEvent):
            self._apply_job(before, row, event)
        elif isinstance(event, SourceEvent):
            self._apply_source(before, row, event)
        elif isinstance(event, IndexEvent):
            self._apply_index(row, event)
        elif isinstance(event, LexiconEvent):
            lexicon = self.state.lexicons[event.nsid]
            self._db.execute(
                "INSERT OR REPLACE INTO lexicon (nsid, state) VALUES (?, ?)",
                (lexicon.nsid, _ENCODE(lexicon)),
            )
        elif isinstance(event, ChildStarted):
            since = self.state.child.filtered
            new = [nsid for nsid in event.filters if since[nsid] == row.position]
            targets.fetched_from(self._db, new, row.position)
        elif isinstance(event, ReposCompared):
            asked = before.reconciles.get(row.stream.removeprefix("reconcile/"))
            if asked is not None:  # else somebody broke it off
                news.compared(self._db, self._numbers, event, asked, row.position, row.at)

    def _apply_index(self, row: Row, event: IndexEvent) -> None:
        db, numbers, position, at = self._db, self._numbers, row.position, row.at
        match event:
            case RecordsCommitted():
                news.committed(db, numbers, event, position, at)
            case RecordsRemoved():
                news.removed(db, numbers, event, position, at)
            case GhostsRemoved():
                news.ghosts(db, numbers, event, position, at)
            case RowsRecounted():
                news.recounted(db, numbers, event, position, at)
            case RemovalAsked():
                emptied.asked(db, event.collection, position)
            case IndexRestored(made):
                restoring.restored(db, position, made)
            case IndexLost():
                losing.lost(db, position, at, partial(self._progress, position))

    def _apply_source(self, before: State, row: Row, event: SourceEvent) -> None:
        db, numbers, position, at = self._db, self._numbers, row.position, row.at
        match event:
            case ReposObserved():
                news.observed(db, numbers, event, position, at)
            case ReposDiffer():
                news.differ(db, numbers, event, position, at)
            case ReposLeaving():
                outings.leaving(db, numbers, event, position, at)
            case ReposLeft(leaving) if (out := before.source.outings.get(leaving)) is not None:
                outings.left(db, leaving, out.why, position, at, again=out.again)
            case ReposReturned(leaving) if (out := before.source.outings.get(leaving)) is not None:
                outings.returned(db, leaving, out.why, position, at)

    def _apply_job(self, before: State, row: Row, event: JobEvent) -> None:
        job = job_after(before, row, event)
        if job is None:
            return
        db, numbers, position = self._db, self._numbers, row.position
        jobs.put(db, job)
        match event:
            case JobStarted():
                coverage.began(db, job.position, event.collections)
                jobs.note_retry(db, job)
            case PageDiscovered() | DidsGiven() if event.count:
                base = pages.following(db)
                page = Page(base, event.count, 0, job.position, 0, event.first, position)
                named = pages.keys_named(event)
                if len(named) != event.count:  # a number that somebody made up has no end
                    raise ValueError(f"it counts {event.count} DIDs, and has {len(named)}")
                found_for = (
                    (event.collection,) if isinstance(event, PageDiscovered) else job.collections
                )
                coverage.discovered(db, numbers, job, found_for, page, named, row.at)
            case BatchHandedOff():
                ordinals = (event.first, event.upto)
                coverage.handed_off(db, numbers, job.position, ordinals, position, row.at)
            case JobCompleted():
                restoring.refetched(db, job, event)
            case JobCancelled():
                coverage.left(db, numbers, job.position, job.handed_off, job.discovered)


def tables() -> list[str]:
    """The names of all tables of the projections."""
    return [part.split()[2] for part in _statements() if part.startswith("CREATE TABLE")]


def make(db: sqlite3.Connection) -> None:
    """Drops every table of the projections and makes it empty, in the caller's transaction."""
    for table in tables():
        db.execute(f"DROP TABLE IF EXISTS {table}")
    for statement in _statements():
        db.execute(statement)


def _statements() -> list[str]:
    # executescript would commit; nothing in the schema holds a semicolon or a quoted --
    script = (resources.files(__name__) / "schema.sql").read_text()
    bare = "\n".join(line.partition("--")[0] for line in script.splitlines())
    return [part.strip() for part in bare.split(";") if part.strip()]
