"""What follows when the log does not verify: nothing more is written to it, and people are told.

The one rule: the log is frozen first. What was on its way there is refused; what came from Tap and
is in the index stays there, with its receipts, for later.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
import trio

from backfilld_events.audit.verify import Broken

from ..clock import Clock
from ..journal import Frozen, Journal
from ..worker import Worker
from . import start
from .known import Problem, Verification
from .rounds import problem_of


class Alarm:
    """`frozen` is set when nothing more is written."""

    def __init__(
        self, known: Verification, journal: Journal, folder: Path, worker: Worker, clock: Clock
    ) -> None:
        """`folder` is data_dir."""
        self._known, self._journal, self._folder = known, journal, folder
        self._worker, self._clock = worker, clock
        self.frozen = trio.Event()

    async def begin(self) -> None:
        """A life that knows from its start that the log does not verify begins frozen."""
        if self._known.problem is not None:
            await self._freeze(self._known.problem)

    async def sound(self, broken: Broken) -> None:
        """The log was found not to verify."""
        problem = problem_of(broken, self._clock())
        with trio.CancelScope(shield=True):  # also when all ends just now
            self._known.problem = problem
            await self._freeze(problem)
            await self._worker(start.put, self._folder, problem)

    async def unless(self, work: Callable[[], Awaitable[None]]) -> None:
        """Does `work`, but breaks it off when the log is frozen. Nothing comes of it then, nor of
        an append that was refused."""
        if self.frozen.is_set():
            return
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._break_off, nursery.cancel_scope)
                await work()
                nursery.cancel_scope.cancel()
        except* Frozen:
            pass

    async def _freeze(self, problem: Problem) -> None:
        await self._journal.freeze(problem.sentence)
        structlog.get_logger("log").critical(
            "the log does not verify; nothing is written to it",
            position=problem.position,
            what=problem.what,
            remedy=problem.remedy,
        )
        self.frozen.set()

    async def _break_off(self, scope: trio.CancelScope) -> None:
        await self.frozen.wait()
        scope.cancel()
