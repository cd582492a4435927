"""Compares the tables that people and lanes ask with those that a replay of the log makes.

`recheck` sees to the state by which is decided; these rows say who is here, and who is missing.
The one rule: another process does it, which rests while the daemon writes, and nothing is mended
in place. What differs is made anew, from the log, by the next start, which this brings about.
"""

import math
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import structlog
import trio

from backfilld_events.words import counted

from .recheck import ProjectionsDiffer
from .verification.due import due

FIRST_S = 3600.0  # after the log has verified: a start has enough to do
SCRATCH = "replay.db"  # in data_dir; as large as the projections
_AUDIT = "from backfilld_events.cli import main; main()"


class Named(msgspec.Struct, frozen=True):
    """A row that differs."""

    sentence: str


class Compared(msgspec.Struct, frozen=True):
    """What `backfill-audit replay --json` says: rows compared by table, at `position`; how many
    `differ`, and the first of them."""

    ok: bool
    position: int
    rows: dict[str, int]
    differ: int
    differences: list[Named]


class NotCompared(Exception):
    """Nothing was found out; the message says why."""


Compare = Callable[[Path], Awaitable[Compared]]
"""Compares the projections of the log at a path. Raises NotCompared."""


async def comparing(
    path: Path,
    compare: Compare,
    every: Callable[[], float],
    distrust: Callable[[], Awaitable[None]],
    verified: trio.Event,
    *,
    soon: bool,
) -> None:
    """Compares those of the log at `path` `every` so many seconds, 0: never; with `soon` for the
    first time an hour after the log has `verified`. When they differ it calls `distrust`, so that
    the next start makes them anew, and raises ProjectionsDiffer."""
    log = structlog.get_logger("comparison")
    await verified.wait()
    began, wait = trio.current_time(), lambda: min(FIRST_S if soon else math.inf, every())
    while True:
        await due(began, wait, trio.Event())
        began, wait = trio.current_time(), every
        try:
            found = await compare(path)
        except NotCompared as error:
            log.warning("the projections could not be compared with the log", reason=str(error))
            continue
        if not found.ok:
            await distrust()
            raise ProjectionsDiffer(_sentence(found))
        rows = sum(found.rows.values())
        log.info("the projections follow from the log", position=found.position, rows=rows)


async def in_a_process(path: Path) -> Compared:
    """As `backfill-audit replay` does. Raises NotCompared."""
    scratch = _room_beside(path)
    verb = ["replay", "--json", "--scratch", str(scratch), str(path)]
    try:
        done = await trio.run_process(
            [sys.executable, "-c", _AUDIT, *verb],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    finally:
        scratch.unlink(missing_ok=True)
    try:
        found = msgspec.json.decode(done.stdout, type=Compared)
    except msgspec.MsgspecError as error:
        said = done.stderr.decode(errors="replace").strip() or f"it ended with {done.returncode}"
        raise NotCompared(said.splitlines()[-1][:300]) from error
    if not found.rows:
        raise NotCompared("it has none of this version")
    return found


def _room_beside(path: Path) -> Path:
    size = path.stat().st_size
    if shutil.disk_usage(path.parent).free < 2 * size:
        raise NotCompared(f"that takes up to {size / 1e9:.1f} GB in {path.parent}, for a while")
    scratch = path.with_name(SCRATCH)
    scratch.unlink(missing_ok=True)  # of a life that was killed
    return scratch


def _sentence(found: Compared) -> str:
    first = f", the first: {found.differences[0].sentence}" if found.differences else ""
    rows = counted(found.differ, "row of the projections is", "rows of the projections are")
    return (
        f"{rows} not what the log says at #{found.position}{first}. Something else changed them, "
        "or a version of backfilld had a fault. The next start makes them anew from the log"
    )
