"""Verifies all of the log in the background: after the start, at intervals, and when asked.

The one rule: it disturbs nobody. It reads on a connection of its own, so much a second at most, and
rests nine times as long as it worked. What it knows from before is a checkpoint too: where the log
verified last, and where it ended by what we wrote ourselves.
"""

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import structlog
import trio

from backfilld_events.audit.checkpoint import Checkpoint, origin
from backfilld_events.audit.verify import Broken, Verified
from backfilld_events.row import utc_text

from ..clock import Clock
from ..config.keys import LogConfig
from ..journal import Journal
from ..worker import Worker
from . import checkpoints
from .due import due
from .known import Verification
from .rounds import PORTION, Round, opened

RESTS = 9.0  # times as long as it worked
RETRY_S = 300.0  # after the file could not be read


class Verifier:
    """One task."""

    def __init__(
        self,
        path: Path,
        known: Verification,
        journal: Journal,
        worker: Worker,
        config: Callable[[], LogConfig],
        clock: Clock,
        sound: Callable[[Broken], Awaitable[None]],
    ) -> None:
        """`path` is the log's; `sound` is told that it does not verify."""
        self._path, self._known, self._journal = path, known, journal
        self._worker, self._config, self._clock, self._sound = worker, config, clock, sound
        self._asked = trio.Event()
        self.looked = trio.Event()  # once, or it is not to be looked at unasked
        self._log = structlog.get_logger("log")

    def ask(self) -> None:
        """Has all of it verified at once; `known.under_way` until that is done."""
        if self._known.problem is not None:
            return
        self._asked.set()
        self._known.under_way = self._known.under_way or self._pending()

    async def run(self) -> None:
        """Runs until the log does not verify, or it is cancelled."""
        every: Callable[[], float] = lambda: self._config().verify_every  # noqa: E731
        if not every():
            self.looked.set()
            await due(trio.current_time(), every, self._asked)
        while True:
            self._asked, began = trio.Event(), trio.current_time()
            try:
                self._take(await self._round())
            except Broken as broken:
                self._known.under_way = None
                await self._sound(broken)
                return
            except (sqlite3.Error, OSError) as error:
                self._log.warning("the log could not be verified", reason=str(error))
                self._known.fault = f"it could not be read: {error}"
                self._known.under_way = self._pending()
                await due(began, lambda: RETRY_S, self._asked)
                continue
            self.looked.set()
            await due(began, every, self._asked)

    async def _round(self) -> Verified:
        kept, own = await self._kept(), self._own()
        with await self._worker(opened, self._path) as source:
            one = await self._worker(Round, source, kept, own)
            more = True
            while more:
                began = trio.current_time()
                more = await self._worker(one.portion, PORTION)
                self._known.under_way = (one.position, one.upto)
                worked = trio.current_time() - began
                await trio.sleep(max(PORTION / self._config().verify_rate, RESTS * worked))
            return await self._worker(one.finish)

    async def _kept(self) -> list[Checkpoint]:
        if file := self._config().checkpoint_file:
            with suppress(OSError):  # who writes it tells it
                return await self._worker(checkpoints.last, Path(file))
        return []

    def _own(self) -> list[Checkpoint]:
        known, head, now = self._known, self._journal.head, utc_text(self._clock())
        own: list[Checkpoint] = []
        if head.position:
            own.append(Checkpoint(origin(head.first), head.position, head.hash, now))
        if known.at is not None and known.whole:
            at = utc_text(known.at)
            own.append(Checkpoint(origin(head.first), known.whole, known.hash, at))
        return own

    def _take(self, done: Verified) -> None:
        known = self._known
        known.whole, known.hash, known.at = done.position, done.hash, self._clock()
        known.passed, known.fault = done.passed, ""
        known.under_way = self._pending()
        self._log.info("the log verifies", position=done.position, accepted=[*done.passed])

    def _pending(self) -> tuple[int, int] | None:
        """What was asked for meanwhile."""
        return (0, self._journal.head.position) if self._asked.is_set() else None
