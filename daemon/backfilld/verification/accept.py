"""Goes on with a log that does not verify, because a person says so.

The one rule: nothing is repaired. The log says who went on with it, why, and exactly which row was
found at each break; with any other row there it is broken again. What no version could ever read,
or what a checkpoint says otherwise, cannot be accepted.
"""

import sqlite3
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from backfilld_events import chain
from backfilld_events.audit import guards
from backfilld_events.audit.against import against
from backfilld_events.audit.checkpoint import Checkpoint
from backfilld_events.audit.source import LogFile
from backfilld_events.audit.verify import Broken, Walk
from backfilld_events.catalog.service import BreakAccepted
from backfilld_events.eventlog import EventLog
from backfilld_events.log import read
from backfilld_events.log.append import Append
from backfilld_events.log.file import open_writer
from backfilld_events.row import COLUMNS, NewEvent, from_columns

from .known import Problem
from .rounds import Rewritten, Round, accepted_in, opened, remembered
from .start import PORTION, Progress

BREAKS_MAX = 1_000
_RESTORE = "restore events.db from a backup"


class Break(NamedTuple):
    """A row that does not follow from the one before; `hash` is what chain.link gives for it."""

    position: int
    hash: bytes
    what: str


class Found(NamedTuple):
    """What is wrong and could be accepted: `breaks` in order; `guards`, in words, which are made as
    they were. `unguarded` says of these in the log that they were: at the row with which it ends,
    for all before it could be changed; None: they are as they should be, or it is empty."""

    breaks: list[Break]
    guards: list[str]
    unguarded: Break | None = None

    @property
    def told(self) -> list[Break]:
        """All that the log will tell of."""
        return self.breaks if self.unguarded is None else [*self.breaks, self.unguarded]


class Unacceptable(Exception):
    """This log cannot be gone on with; `hint` says what to do instead."""

    def __init__(self, what: str, hint: str = _RESTORE) -> None:
        super().__init__(what)
        self.hint = hint


def look(
    path: Path,
    kept: list[Checkpoint],
    progress: Progress = lambda _: None,
    marked: Problem | None = None,
) -> Found:
    """All that is wrong with the log at `path`. `kept` are the checkpoints of checkpoint_file,
    `marked` is what was found before. Raises Unacceptable."""
    try:
        with opened(path) as source:
            breaks = _breaks(source, progress)
            wrong = guards.missing(source.db)
            if any(one.startswith("table ") for one in wrong):
                raise Unacceptable(f"the log's table is not what it was: {', '.join(wrong)}")
            _hold_against(source, kept)
            try:
                remembered(source, marked)
            except Rewritten as rewritten:
                breaks = _with_end(source, breaks, rewritten)
            what = f"events in it can be changed: {', '.join(wrong)}"
            unguarded = _end(source, what) if wrong else None
    except Broken as broken:
        raise Unacceptable(str(broken)) from broken
    except sqlite3.DatabaseError as error:
        raise Unacceptable(f"{path} cannot be read: {error}") from error
    return Found(breaks, wrong, unguarded)


def accept(
    path: Path,
    found: Found,
    reason: str,
    actor: str,
    now: float,
    progress: Progress = lambda _: None,
) -> list[int]:
    """Goes on with the log at `path`, on which nobody else works. The positions of the events that
    say so. Raises Unacceptable: then the log is as it was, but for its guards."""
    said = [
        NewEvent("service", BreakAccepted(one.position, one.hash, one.what, reason), actor)
        for one in found.told
    ]
    with closing(open_writer(path, "backfilld_events.log")) as db:
        try:
            # as the next start would: what was folded from it before does not follow from it now
            log = EventLog(db, progress, anew=True)
        except Exception as error:  # whatever folds make of what is missing
            hint = f"{_RESTORE}, or begin with an empty data_dir and run the jobs again"
            raise Unacceptable(f"no state follows from it: {error!r}", hint) from error
        _mend(db)
        outcomes = log.append([Append(said)], round(now * 1e6))
    return [row.position for rows in outcomes if isinstance(rows, list) for row in rows]


def _breaks(source: LogFile, progress: Progress) -> list[Break]:
    """Raises Broken for one that cannot be passed, Unacceptable, sqlite3.Error."""
    known, found = dict(accepted_in(source)), list[Break]()
    upto, walk = source.upto(), Walk(0, chain.GENESIS, unseen=0, known=known)
    before = -1
    unseen: int | None = 0
    while before < walk.position < upto:
        before, last = walk.position, dict(walk.last)
        try:
            walk.over(islice(read.columns(source.db, before or None, upto), PORTION))
            unseen = None if walk.passed else unseen
            progress(walk.position)
        except Broken as broken:
            found.append(_to_pass(source, broken, known))
            # as it was before this portion: else a stream's first row would be no break any more
            walk, before = Walk(before, walk.hash, unseen=unseen, known=known), -1
            walk.last.update(last)
    # and what a verification says, from end to end
    while True:
        one = Round(source, known=known)
        try:
            while one.portion(PORTION):
                progress(one.position)
        except Broken as broken:
            found.append(_to_pass(source, broken, known))
        else:
            return sorted(found)


def _to_pass(source: LogFile, broken: Broken, known: dict[int, bytes]) -> Break:
    """The row at which the walk broke off, now among those `known`. Raises `broken` when that does
    not help, Unacceptable."""
    query = "SELECT {} FROM event WHERE position {} ? ORDER BY position {} LIMIT 1"
    columns = source.db.execute(query.format(COLUMNS, ">=", "ASC"), (broken.position,)).fetchone()
    if columns is None:
        raise broken
    if len(known) >= BREAKS_MAX:
        raise Unacceptable(f"it has more than {BREAKS_MAX:,} breaks: it is another log by now")
    row = from_columns(columns)
    before = source.db.execute(query.format("hash", "<", "DESC"), (row.position,)).fetchone()
    link = row.linked(chain.GENESIS if before is None else before[0])
    if known.get(row.position) == link:
        raise broken
    known[row.position] = link
    return Break(row.position, link, broken.what)


def _with_end(source: LogFile, breaks: list[Break], rewritten: Rewritten) -> list[Break]:
    """What is not what we wrote is accepted as it ends now. Raises `rewritten` if nothing is left,
    sqlite3.Error."""
    end = _end(source, rewritten.what)
    if end is None:
        raise rewritten
    return [*(one for one in breaks if one.position != end.position), end]


def _end(source: LogFile, what: str) -> Break | None:
    """What is accepted as `what` where no row is wrong: that with which the log ends; None: it is
    empty. Raises sqlite3.Error."""
    query = f"SELECT {COLUMNS} FROM event ORDER BY position DESC LIMIT 2"
    last = [from_columns(columns) for columns in source.db.execute(query)]
    if not last:
        return None
    link = last[0].linked(last[1].hash if last[1:] else chain.GENESIS)
    return Break(last[0].position, link, what)


def _hold_against(source: LogFile, kept: list[Checkpoint]) -> None:
    try:
        against(source, kept)
    except Broken as broken:
        raise Unacceptable(
            str(broken),
            "restore a backup of events.db that is as new as that. To go on with this log "
            "instead, keep the file log.checkpoint_file as evidence, move it away, and run this "
            "again",
        ) from broken


def _mend(db: sqlite3.Connection) -> None:
    """Makes triggers and indexes of the log's table as the migrations make them."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    wanted, found = guards.made(version), guards.schema(db)
    db.execute("BEGIN IMMEDIATE")
    for name, statement in found.items():
        if wanted.get(name) != statement:
            kind, _, called = name.partition(" ")
            quoted = called.replace('"', '""')
            db.execute(f'DROP {kind} "{quoted}"')
    for name, made in wanted.items():
        if made is not None and found.get(name) != made:
            db.execute(made)
    db.execute("COMMIT")
