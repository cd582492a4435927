"""Tap's counters, asked for sparingly: repositories and records are full counts inside Tap."""

from backfilld_events.row import utc_text

from ..clock import Clock
from ..sources.tap.http import Counters, TapHttp
from .shapes import ChannelShape, TapStats


class TapCounters:
    """The counts at most every `every_s` seconds, the outbox buffer at each question."""

    def __init__(self, tap: TapHttp, clock: Clock) -> None:
        self._tap, self._clock = tap, clock
        self._known: tuple[float, Counters] | None = None

    async def stats(self, channel: ChannelShape, every_s: float) -> TapStats:
        """Raises Failure when Tap does not answer."""
        now = self._clock()
        if self._known is None or now - self._known[0] >= every_s:
            self._known = now, await self._tap.counters()
            outbox = self._known[1].outbox_buffer
        else:
            outbox = await self._tap.outbox_buffer()
        at, counters = self._known
        return TapStats(
            repo_count=counters.repo_count,
            record_count=counters.record_count,
            outbox_buffer=outbox,
            resync_buffer=counters.resync_buffer,
            observed_at=utc_text(at),
            age_s=round(now - at, 3),
            url=self._tap.url,
            channel=channel,
        )
