"""Brings one target what waits for it, each letter until it is taken, for a day.

The one rule: a delivery is an event only after the target has taken the letter. So a crash in
between brings the letter again, and nothing that waits is lost. What waits is in the log's state.
"""

import math
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog
import trio

from backfilld_events.catalog.notify import NewsDelivered, NewsGivenUp
from backfilld_events.row import NewEvent

from ..clock import Clock
from ..journal import Journal
from .letter import Letter, NotTaken
from .targets import Target

GIVE_UP_S = 24 * 3600.0  # counted from the news, or from the start of this daemon if that is later
BACKOFF_S_FIRST, BACKOFF_S_MAX = 2.0, 900.0
STREAM = "notify"  # of the news

ReadLetter = Callable[[int], Awaitable[Letter]]
"""position -> the news that stands there."""


class _Refused(NamedTuple):
    """A letter that was not taken so many times; the next try is due at `due` (trio's clock)."""

    attempts: int = 0
    due: float = -math.inf


class Courier:
    """One letter at a time, in order; one that was not taken lets the others pass while it waits
    for its next try."""

    def __init__(
        self,
        target: Target,
        journal: Journal,
        read_letter: ReadLetter,
        clock: Clock,
        jitter: Callable[[], float],
    ) -> None:
        self.target = target
        self._journal, self._read, self._clock, self._jitter = journal, read_letter, clock, jitter
        self._began = clock()
        self._refused: dict[int, _Refused] = {}
        self._sample_turn = trio.Lock()
        self._log = structlog.get_logger("notify")

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            news = self._journal.watch(STREAM)
            waiting = self._journal.state.notices.targets[self.target.name].waiting
            due, position = min(
                ((self._refused.get(one, _Refused()).due, one) for one in waiting),
                default=(math.inf, 0),
            )
            if due <= trio.current_time():
                await self._bring(position)
            else:
                with trio.move_on_at(due):
                    await news.wait()

    async def send_sample(self, letter: Letter) -> str | None:
        """Sends `letter`, a sample, once; why it was not taken, None if it was."""
        try:
            async with self._sample_turn:
                await self.target.deliver(letter)
        except NotTaken as refusal:
            return refusal.why
        return None

    async def _bring(self, position: int) -> None:
        letter = await self._read(position)
        attempts = self._refused.pop(position, _Refused()).attempts + 1
        event: NewsDelivered | NewsGivenUp
        try:
            await self.target.deliver(letter)
            event = NewsDelivered(self.target.name, letter.kind, position, attempts)
        except NotTaken as refusal:
            wait = backoff(attempts, refusal, self._jitter)
            if self._clock() + wait - max(letter.at, self._began) <= GIVE_UP_S:
                self._refused[position] = _Refused(attempts, trio.current_time() + wait)
                self._say("not told, will try again", letter, reason=refusal.why, in_s=round(wait))
                return
            event = NewsGivenUp(self.target.name, letter.kind, position, attempts, refusal.why)
            self._say("not told, and given up", letter, reason=refusal.why)
        stream = f"{STREAM}/{self.target.name}"
        await self._journal.append([NewEvent(stream, event, "system", position)])

    def _say(self, what: str, letter: Letter, **more: object) -> None:
        self._log.warning(what, to=self.target.to, kind=letter.kind, position=letter.id, **more)


def backoff(attempts: int, refusal: NotTaken, jitter: Callable[[], float]) -> float:
    """Seconds: half of a doubling bound and a random half more, never sooner than was asked for."""
    bound = min(BACKOFF_S_MAX, BACKOFF_S_FIRST * 2.0 ** min(attempts - 1, 30))
    return max(bound * (1 + jitter()) / 2, refusal.retry_after or 0.0)
