"""Learns from Tap how the repositories stand that were handed to it, at a bounded rate.

Who is asked about is due (projections.judged): what was just delivered and is quiet now, what
fails when its next try is over, what is silent now and then. What Tap has forgotten is looked for
when it counts fewer repositories than it was given: then all are asked about, in order.
"""

from collections.abc import Awaitable, Callable

import structlog
import trio

from backfilld_events.catalog.source import CensusEnded
from backfilld_events.projections.asked import Asked
from backfilld_events.row import NewEvent

from ..clock import Clock
from ..journal import Journal
from .asking_tap import Answers, TapAsker

TICK_S = 1.0
PAUSE_S = 10.0  # when Tap is gone

FindDue = Callable[[float, int], Awaitable[list[Asked]]]
"""(unix seconds, limit) -> those whose turn has come."""

FindAll = Callable[[int, int], Awaitable[list[Asked]]]
"""(after id, limit) -> repositories that should be with Tap, in order of id."""


class Observer:
    """Two tasks; `rate` is /info calls a second, asked for at each tick."""

    def __init__(
        self,
        asker: TapAsker,
        find_due: FindDue,
        find_all: FindAll,
        journal: Journal,
        clock: Clock,
        rate: Callable[[], int],
    ) -> None:
        self._asker, self._find_due, self._find_all = asker, find_due, find_all
        self._journal, self._clock, self._rate = journal, clock, rate
        self._log = structlog.get_logger("observer")

    async def run(self) -> None:
        """Runs until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._turns)
            nursery.start_soon(self._censuses)

    async def _turns(self) -> None:
        while True:
            if limit := int(self._rate() * TICK_S):
                await self._ask(await self._find_due(self._clock(), limit))
            await trio.sleep(TICK_S)

    async def _censuses(self) -> None:
        while True:
            news = self._journal.watch("tap")
            if self._journal.state.source.census is not None:
                await self._census()
            else:
                await news.wait()

    async def _census(self) -> None:
        after = asked = missing = 0
        while True:
            limit = int(self._rate() * TICK_S)
            some = await self._find_all(after, limit) if limit else []
            if limit and not some:
                break
            answers = await self._ask(some)
            if some and answers.there:
                after, asked = some[-1].id, asked + len(some)
                missing += sum(one.state == "unknown" for one in answers.seen.values())
            await trio.sleep(TICK_S)
        ended = CensusEnded(asked=asked, missing=missing)
        await self._journal.append([NewEvent("tap", ended, "system")])

    async def _ask(self, asked: list[Asked]) -> Answers:
        """Waits a while when Tap is not there."""
        if not asked:
            return Answers({}, there=True)
        answers = await self._asker.ask(asked)
        if not answers.there:
            self._log.debug("tap does not answer")
            await trio.sleep(PAUSE_S)
        return answers
