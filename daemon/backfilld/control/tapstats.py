"""Tap's counters, asked for sparingly: repositories and records are full counts inside Tap.

The one rule: however many ask us, Tap is asked by one, and as often as is good for it; an answer, a
refusal too, serves all who ask meanwhile.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

import trio

from backfilld_events.row import utc_text

from ..backfill.stalls import Tap
from ..clock import Clock
from ..failures import Failure
from ..sources.tap.http import Counters, Cursors, TapHttp
from .shapes import ChannelShape, TapHealth, TapStats
from .shapes.reads import CursorsShape, TrendShape

T = TypeVar("T")

OUTBOX_S = 1.0  # a count of the outbox serves so long: it takes 135 ms at a million messages
DOWN_S = 2.0  # and a refusal
SAMPLE_S = 30.0  # so often the outbox is looked at in any case, for the trend
TREND_S = 300.0
TREND_S_MIN = 20.0  # over less it says nothing


class _Counted(NamedTuple):
    """When (trio's clock, unix seconds), and what."""

    time: float
    at: float
    counters: Counters
    cursors: Cursors | None


class _Outbox(NamedTuple):
    """When (trio's clock, unix seconds), and how many messages."""

    time: float
    at: float
    size: int


class TapCounters:
    """What Tap tells of itself, for everybody."""

    def __init__(self, tap: TapHttp, clock: Clock) -> None:
        self._tap, self._clock = tap, clock
        self._one = trio.Lock()
        self._counted: _Counted | None = None
        self._outbox: _Outbox | None = None
        self._samples: list[_Outbox] = []
        self._refused: tuple[float, Failure] | None = None

    async def stats(self, channel: ChannelShape, every_s: float) -> TapStats:
        """The counts at most every `every_s` seconds old, the outbox OUTBOX_S. Raises Failure when
        Tap does not answer."""
        async with self._one:
            if self._refused is not None and trio.current_time() - self._refused[0] < DOWN_S:
                raise self._refused[1]
            counted = self._counted
            if counted is None or trio.current_time() - counted.time >= every_s:
                await self._count()
            await self._look(OUTBOX_S)
        told = self.last(channel)
        if told is None:
            raise LookupError("Tap was counted, and nothing is known of it")
        return told

    def last(self, channel: ChannelShape) -> TapStats | None:
        """What Tap told last, with its age; None: nothing yet."""
        counted, outbox = self._counted, self._outbox
        if counted is None or outbox is None:
            return None
        cursors = counted.cursors
        return TapStats(
            repo_count=counted.counters.repo_count,
            record_count=counted.counters.record_count,
            outbox_buffer=outbox.size,
            resync_buffer=counted.counters.resync_buffer,
            observed_at=utc_text(counted.at),
            age_s=round(self._clock() - counted.at, 3),
            url=self._tap.url,
            channel=channel,
            outbox_at=utc_text(outbox.at),
            cursors=None if cursors is None else CursorsShape(cursors.firehose, cursors.list_repos),
            trend=self._trend(),
        )

    def health(self) -> TapHealth:
        """Whether Tap answered when it was asked last."""
        if self._refused is not None:
            return TapHealth("down", self._refused[1].message)
        return TapHealth("unknown" if self._outbox is None else "up", None)

    def glance(self) -> Tap:
        """What Tap told last, as far as stalls are judged by it; it is not asked."""
        if self._refused is not None:
            return Tap(answers=False, why=self._refused[1].message)
        if self._outbox is None:
            return Tap()
        return Tap(answers=True, outbox=self._outbox.size)

    async def sampling(self) -> None:
        """Looks at the outbox now and again, until cancelled."""
        while True:
            await trio.sleep(SAMPLE_S)
            async with self._one:
                try:
                    await self._look(SAMPLE_S / 2)
                except Failure:
                    continue  # it is kept, and whoever asks is told

    async def _count(self) -> None:
        counters = await self._ask(self._tap.counters)
        try:
            cursors: Cursors | None = await self._tap.cursors()
        except Failure:
            cursors = None  # it has just answered: this Tap has none
        now, at = trio.current_time(), self._clock()
        self._counted = _Counted(now, at, counters, cursors)
        self._seen(_Outbox(now, at, counters.outbox_buffer))

    async def _look(self, age_s_max: float) -> None:
        """Counts the outbox, unless that was done so lately. Raises Failure."""
        if self._outbox is None or trio.current_time() - self._outbox.time >= age_s_max:
            size = await self._ask(self._tap.outbox_buffer)
            self._seen(_Outbox(trio.current_time(), self._clock(), size))

    async def _ask(self, question: Callable[[], Awaitable[T]]) -> T:
        try:
            answer = await question()
        except Failure as failure:
            self._refused = trio.current_time(), failure
            raise
        self._refused = None
        return answer

    def _seen(self, outbox: _Outbox) -> None:
        self._outbox = outbox
        if not self._samples or outbox.time - self._samples[-1].time >= SAMPLE_S / 2:
            self._samples.append(outbox)
        self._samples = [one for one in self._samples if outbox.time - one.time <= TREND_S]

    def _trend(self) -> TrendShape | None:
        if not self._samples or self._outbox is None:
            return None
        first, last = self._samples[0], self._outbox
        over = last.time - first.time
        if over < TREND_S_MIN:
            return None
        return TrendShape(round((last.size - first.size) / over, 3), round(over, 1))
