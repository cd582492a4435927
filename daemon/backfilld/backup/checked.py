"""Is a copy whole, does the log in it verify, and does the index agree with it?

The one rule: nothing is believed of the original. All is read from the copy, by the audit's own
code.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from backfilld_events.audit import guards
from backfilld_events.audit.against import against
from backfilld_events.audit.checkpoint import Checkpoint, origin
from backfilld_events.audit.reconcile import Reconciled, reconcile
from backfilld_events.audit.source import LogFile
from backfilld_events.audit.verify import Broken
from backfilld_events.audit.whole import verify_source
from backfilld_events.eventlog import EventLog, NotShown
from backfilld_events.log.file import BadFile, open_reader
from backfilld_events.row import utc_text

FAULTS_MAX = 10  # of a file that are told
_TURNS = 1_000_000  # of SQLite's machine, some milliseconds: so often it can be interrupted


class Checked(Struct):
    """What was found: what is wrong with the log and with the index, in sentences; `notes` are no
    faults. The log ends at `position`; `checkpoint` says so, None for a log without events."""

    position: int = 0
    checkpoint: Checkpoint | None = None
    log: list[str] = []
    index: list[str] = []
    notes: list[str] = []
    reconciled: Reconciled | None = None


def check(log: Path, index: Path | None, kept: Sequence[Checkpoint], now: float) -> Checked:
    """Looks at copies; nobody else does. `kept` are checkpoints that were made of the log before.
    Raises KeyboardInterrupt."""
    found = Checked(log=[*_faults(log)])
    _check_log(found, log, kept, now)
    if index is not None:
        found.index += _faults(index)
        if not found.log and not found.index:
            _reconcile(found, log, index)
    return found


def _check_log(found: Checked, path: Path, kept: Sequence[Checkpoint], now: float) -> None:
    try:
        with LogFile(path) as source:
            found.log += [f"the log can be changed: {one}" for one in guards.missing(source.db)]
            done = verify_source(source)
            if kept:
                against(source, kept)
            first = source.hashes({1})
    except (Broken, BadFile, sqlite3.DatabaseError) as error:
        found.log.append(str(error))
        return
    found.position = done.position
    found.notes += [f"it has a break at #{at}, which was accepted" for at in done.passed]
    if first:
        at = utc_text(now)
        found.checkpoint = Checkpoint(origin(first[1]), done.position, done.hash, at)
    if (why := _not_shown(path, done.position)) is not None:
        found.notes.append(f"the next start makes all projections anew: {why}")


def _not_shown(path: Path, position: int) -> str | None:
    """Why the projections cannot be taken up; None: they can."""
    try:
        with closing(EventLog.show(path)) as log:
            ends = log.state.position
    except (NotShown, BadFile) as error:
        return str(error)
    return None if ends == position else f"they end at #{ends:,}"


def _reconcile(found: Checked, log: Path, index: Path) -> None:
    try:
        with LogFile(log) as source:
            found.reconciled = done = reconcile(source, index)
    except (Broken, BadFile, sqlite3.DatabaseError) as error:
        found.index.append(str(error))
        return
    found.index += done.wrong
    if done.differ:
        found.index.append(done.sentence)
        found.index += [one.sentence for one in done.differences[:FAULTS_MAX]]


def _faults(path: Path) -> Iterator[str]:
    """What SQLite finds wrong with the file itself."""
    try:
        with closing(open_reader(path)) as db:
            db.set_progress_handler(lambda: 0, _TURNS)  # a moment of Python, for signals
            for (said,) in db.execute(f"PRAGMA integrity_check({FAULTS_MAX})"):
                if said != "ok":
                    yield f"{path.name}: {said}"
    except (BadFile, sqlite3.DatabaseError) as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            raise KeyboardInterrupt from error
        yield f"{path.name}: {error}"
