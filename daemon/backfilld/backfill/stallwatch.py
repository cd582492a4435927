"""Watches for what stands still, and puts it into the log; has a Tap that hangs started again, if
we run it.

What is a stall is `stalls`' business. The one rule: Tap is asked for nothing that was not asked for
anyway, but for its cursor, and for a few repositories when it seems to hang.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import structlog
import trio

from backfilld_events.catalog.source import TapStalled
from backfilld_events.ids import Did, Nsid
from backfilld_events.projections.asked import Asked
from backfilld_events.projections.still import Stuck
from backfilld_events.row import NewEvent

from ..clock import Clock
from ..failures import Failure
from ..journal import Journal
from . import plan, stalls
from .asking_tap import TapAsker
from .plan import Limits
from .stalls import Evidence, Tap, Watch

LOOK_S = 10.0
CURSOR_S = 30.0
PROBE_S = 60.0  # so often repositories are asked about while Tap seems to hang
PROBED_MAX = 50

Cure = Callable[[Sequence[Did]], Awaitable[None]]
"""Takes these out of Tap and starts it again."""


class Senses(NamedTuple):
    """Where the evidence comes from. `heard`: when the channel brought something last, and how many
    messages are not committed; `tap`: what Tap last told of itself; `cursor` asks it, and raises
    Failure; `stuck` and `first` are projections.stuck; `lacking`: what the Tap that we run is to be
    started again for. `cure` None: we do not run it."""

    heard: Callable[[], tuple[float | None, int]]
    tap: Callable[[], Tap]
    cursor: Callable[[], Awaitable[int]]
    stuck: Callable[[], Awaitable[Stuck]]
    first: Callable[[int], Awaitable[list[Asked]]]
    limits: Callable[[], Limits]
    lacking: Callable[[], Sequence[Nsid]]
    cure: Cure | None = None


class StallWatch:
    """One task. `fetch_s` is how long Tap may fetch one repository."""

    def __init__(
        self,
        url: str,
        senses: Senses,
        asker: TapAsker,
        journal: Journal,
        clock: Clock,
        fetch_s: float = stalls.FETCH_S,
    ) -> None:
        self._url, self._senses, self._asker = url, senses, asker
        self._journal, self._clock, self._fetch_s = journal, clock, fetch_s
        self._began = clock()
        self._watch = Watch()
        self._last: Evidence | None = None
        self._asked_cursor = self._probed = -PROBE_S  # trio's clock
        self._log = structlog.get_logger("stalls")

    @property
    def quiet(self) -> str:
        """Why nothing comes just now though something waits, when that is usual; else empty."""
        return "" if self._last is None else stalls.quiet(self._last)

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            await self._look()
            await trio.sleep(LOOK_S)

    async def _look(self) -> None:
        now = await self._evidence()
        if stalls.suspects(now) and trio.current_time() - self._probed >= PROBE_S:
            self._probed = trio.current_time()
            await self._asker.ask(await self._senses.first(PROBED_MAX))
            now = await self._evidence(now.cursor)
        self._last = now
        told = self._journal.state.source.stalls
        self._watch, events = stalls.look(self._watch, now, told)
        for event in events:
            await self._journal.append([NewEvent("tap", event, "system")])
            if isinstance(event, TapStalled):
                self._log.warning("stalled", on=event.kind, reason=event.message)
            else:
                self._log.info("moves again", on=event.kind)
        if any(isinstance(one, TapStalled) and one.kind == "workers_stuck" for one in events):
            await self._cure(stalls.hanging(now))

    async def _cure(self, dids: Sequence[Did]) -> None:
        if self._senses.cure is not None and dids:
            self._log.warning("tap is started again", repos=len(dids))
            await self._senses.cure(dids)

    async def _evidence(self, cursor: int | None = None) -> Evidence:
        senses, source = self._senses, self._journal.state.source
        frame_at, unacked = senses.heard()
        found, tap = await senses.stuck(), senses.tap()
        if cursor is None and tap.answers:
            cursor = await self._cursor()
        return Evidence(
            at=self._clock(),
            url=self._url,
            connected=source.connected,
            channel_since=source.since,
            channel_why=source.why,
            began=self._began,
            frame_at=frame_at,
            unacked=unacked,
            tap=tap,
            settled=found.settled,
            with_tap=found.with_tap,
            parked=found.parked,
            fetching=found.fetching,
            limited=found.limited,
            waits_for_room=self._waits_for_room(),
            lacking=tuple(senses.lacking()),
            cursor=cursor,
            fetch_s=self._fetch_s,
            supervised=senses.cure is not None,
        )

    async def _cursor(self) -> int | None:
        if trio.current_time() - self._asked_cursor < CURSOR_S:
            return None
        self._asked_cursor = trio.current_time()
        try:
            return await self._senses.cursor()
        except Failure:
            return None

    def _waits_for_room(self) -> bool:
        limits = self._senses.limits()
        jobs = self._journal.state.jobs.values()
        return any(
            plan.has_batch(job, limits) and not plan.has_room(job, limits) and job.paused is None
            for job in jobs
        )
