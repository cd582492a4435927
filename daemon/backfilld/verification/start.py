"""What a start knows of its log before it writes to it.

The one rule: nothing is written to a log that does not verify. A log that did not verify when it
was looked at last is looked at from end to end, and goes on only if it verifies now.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from importlib import resources
from pathlib import Path

import structlog

from backfilld_events.audit.checkpoint import Checkpoint
from backfilld_events.audit.source import LogFile
from backfilld_events.audit.verify import Broken
from backfilld_events.log.file import APPLICATION_ID, BadFile, open_reader

from ..config.keys import LogConfig
from . import checkpoints, mark
from .known import FILE, Kept, Problem, Verification
from .rounds import Round, opened, problem_of

TAIL_EVENTS = 10_000
PORTION = 5_000  # events: nothing else waits yet

Progress = Callable[[int], None]


class LogBroken(Exception):
    """The log does not verify, and nothing of it can be shown; the message says what to do."""


def check(
    folder: Path, settings: LogConfig, now: float, progress: Progress = lambda _: None
) -> Verification:
    """Verifies the log in `folder` as it is configured, and sets the mark, or takes it away.
    `progress` is told of positions. Raises BadFile."""
    marked, known = mark.read(folder), Verification()
    how = settings.verify_at_start if marked is None else "full"
    path, is_settled = folder / "events.db", True
    try:
        if how != "none":
            is_settled = _look(known, path, how, _kept(known, settings, how), marked, progress)
    except Broken as broken:
        since = now if marked is None else marked.since
        known.problem = problem_of(broken, since)
        put(folder, known.problem)
        return known
    except sqlite3.DatabaseError as error:
        raise BadFile(f"{path}: {error}") from error
    if known.whole:
        known.at = now
    if marked is not None and is_settled:
        structlog.get_logger("log").warning("the log verifies again", was=marked.sentence)
        _take_away(folder)
    return known


def _take_away(folder: Path) -> None:
    try:
        mark.remove(folder)
    except OSError as error:  # the next start looks at all again
        structlog.get_logger("log").warning("the mark stays", reason=str(error))


def put(folder: Path, problem: Problem) -> None:
    """Sets the mark, if the disk takes it."""
    try:
        mark.write(folder, problem)
    except OSError as error:
        structlog.get_logger("log").error("no mark could be left", reason=str(error))


def _look(
    known: Verification,
    path: Path,
    how: str,
    kept: list[Checkpoint],
    marked: Problem | None,
    progress: Progress,
) -> bool:
    """False: this says nothing of it, whoever opens it for writing does. Raises Broken, BadFile,
    sqlite3.Error."""
    is_ours, is_begun = _is_begun(path)
    if not is_begun and kept:
        raise Broken(
            FILE,
            f"there is none in {path}, and a checkpoint of {kept[-1].at} says that "
            f"#{kept[-1].position} is {kept[-1].hash.hex()}",
        )
    if not is_begun or not is_ours:
        return not is_begun
    with opened(path) as source:
        if _is_newer(source):
            return False
        tail = TAIL_EVENTS if how == "tail" else None
        one = Round(source, kept, tail=tail, marked=marked)
        while one.portion(PORTION):
            progress(one.position)
        done = one.finish()
    if one.is_whole:
        known.whole, known.hash, known.passed = done.position, done.hash, done.passed
    else:
        known.tail = one.began + 1
    return True


def _kept(known: Verification, settings: LogConfig, how: str) -> list[Checkpoint]:
    if not settings.checkpoint_file:
        return []
    bytes_max = checkpoints.LAST_BYTES if how == "tail" else checkpoints.ALL_BYTES
    try:
        return checkpoints.last(Path(settings.checkpoint_file), bytes_max)
    except OSError as error:
        fault = f"{settings.checkpoint_file} cannot be read: {error.strerror or error}"
        structlog.get_logger("log").warning("no checkpoint is looked at", reason=fault)
        known.checkpoint = Kept(fault=fault)
        return []


def _is_begun(path: Path) -> tuple[bool, bool]:
    """(whether the file is ours, whether there is anything in it): a crash may have come before the
    first table."""
    if not path.is_file() or not path.stat().st_size:
        return True, False
    with closing(open_reader(path)) as db:
        (owner,) = db.execute("PRAGMA application_id").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return owner == APPLICATION_ID, tables > 0


def _is_newer(source: LogFile) -> bool:
    """Whether it is of a version that we are too old for."""
    (version,) = source.db.execute("PRAGMA user_version").fetchone()
    folder = resources.files("backfilld_events.log") / "migrations"
    return int(version) > sum(one.name.endswith(".sql") for one in folder.iterdir())
