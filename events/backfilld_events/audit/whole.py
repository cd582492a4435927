"""Verifies a log file on all cores: stretches of it at the same time, then the seams.

A row's hash needs nothing but the row and the hash before it, so a stretch may be walked from any
row on, taking that row's hash on trust; the seams then check that trust. The one rule: what the
stretches do not agree on, one walk over all decides, and its word is what is said.
"""

import os
import signal
import sqlite3
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from .. import chain
from ..log import read
from ..log.file import BadFile
from .source import LogFile, Source, open_source
from .verify import Broken, Verified, Walk, accepted, verify_columns

PARTS_MAX = 8
EVENTS_MIN = 100_000  # for a stretch; below it a process costs more than it saves


class Stretch(Struct, frozen=True):
    """Rows that follow from `before`, the hash in front of them, up to `hash` at `position`.

    `first` and `last` are the versions each of their streams begins and ends with.
    """

    before: bytes
    position: int
    hash: bytes
    first: dict[str, int]
    last: dict[str, int]


def verify_file(path: Path, events_min: int = EVENTS_MIN) -> Verified:
    """Verifies the log as it is now; a writer may go on meanwhile. Raises Broken and BadFile."""
    with open_source(path) as source:
        return verify_source(source, events_min)


def verify_source(source: Source, events_min: int = EVENTS_MIN) -> Verified:
    """The same of a log that is open. An export is walked on one core: its rows come in order."""
    upto, known = source.upto(), accepted(source.of_type("service.break-accepted"))
    parts = min(os.cpu_count() or 1, PARTS_MAX, upto // events_min)
    if parts > 1 and isinstance(source, LogFile):
        cuts = [upto * n // parts for n in range(parts + 1)]
        whole = _joined(_walked(source.path, cuts))
        if whole is not None and whole.position == upto:
            return replace(whole, passed=tuple(sorted(known)))
    return verify_columns(source.columns(None, upto), known)


def _walked(path: Path, cuts: Sequence[int]) -> list[Stretch | None]:
    """The stretches between `cuts`, each in a process, the first in this one."""
    # here: a log of some thousand events is verified before these are imported
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    # spawn, not fork: a fork inherits what SQLite knows of its locks, and they are not its own
    with ProcessPoolExecutor(
        len(cuts) - 2, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
    ) as others:
        pending = [others.submit(stretch, path, after, upto) for after, upto in pairwise(cuts[1:])]
        first = stretch(path, cuts[0], cuts[1])
        try:
            return [first, *(one.result() for one in pending)]
        except BrokenProcessPool:  # one was killed
            return [None]


def stretch(path: Path, after: int, upto: int) -> Stretch | None:
    """The rows with `after < position <= upto`; None when something is wrong with them."""
    try:
        with LogFile(path) as source:
            last = read.row(source.db, after)
            before = chain.GENESIS if last is None else last.hash
            walk = Walk(after, before, unseen=None if after else 0)
            walk.over(source.columns(after or None, upto))
    except (Broken, BadFile, sqlite3.Error, TypeError):
        return None
    return Stretch(before, walk.position, walk.hash, walk.first, walk.last)


def _joined(stretches: Sequence[Stretch | None]) -> Verified | None:
    """The whole, when each stretch goes on where the one before it ended."""
    end, versions = chain.GENESIS, dict[str, int]()
    position = 0
    for one in stretches:
        if one is None or one.before != end:
            return None
        if any(versions.get(stream, 0) + 1 != first for stream, first in one.first.items()):
            return None
        versions.update(one.last)
        end, position = one.hash, one.position
    return Verified(events=position, position=position, hash=end)
