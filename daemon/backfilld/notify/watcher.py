"""Looks for news, and raises them as events.

The one rule: news are an event first (`notify.raised`), and go out from there. So every target
gets the same, whatever happens in between; and what nobody wants is never raised.
"""

from collections.abc import Callable, Mapping

import trio

from backfilld_events.catalog.notify import NewsRaised
from backfilld_events.folds import State
from backfilld_events.folds.job import Job
from backfilld_events.row import NewEvent

from ..backfill.standing import Scene
from ..clock import Clock
from ..journal import Journal, Stale
from . import news
from .courier import STREAM
from .reading import Reading

LOOK_S = 5.0  # how late news may be

# who wants one of a pair needs both raised
STALLS = ("job.stalled", "job.resumed")
CHANNEL = ("dependency.down", "dependency.up")


async def dead_letters(reading: Reading, journal: Journal) -> int:
    """How many messages could not be used, of all that ever came."""
    return await reading.dead_letters() + journal.state.notices.unreadable


class Watcher:
    """One task; `scene` is asked for at each look."""

    def __init__(
        self, journal: Journal, reading: Reading, clock: Clock, scene: Callable[[], Scene]
    ) -> None:
        self._journal, self._reading, self._clock, self._scene = journal, reading, clock, scene
        self._began = clock()

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            await self._stalls()
            await self._resumptions()
            await self._ends()
            await self._syncs()
            await self._channel()
            await self._dead_letters()
            await self._disk()
            await trio.sleep(LOOK_S)

    @property
    def _state(self) -> State:
        return self._journal.state

    async def _ends(self) -> None:
        for found in await self._reading.jobs(self._state.notices.ended):
            await self._raise(news.ended(found), found.job)

    async def _syncs(self) -> None:
        for found in await self._reading.jobs(self._state.notices.unsynced):
            if (raised := news.synced(found)) is not None:
                await self._raise(raised, found.job)

    async def _stalls(self) -> None:
        if self._state.notices.wants(*STALLS):
            for job, raised in news.stalls(self._state, self._scene(), self._clock()):
                await self._raise(raised, job, expected={f"job/{job.id}": job.version})

    async def _resumptions(self) -> None:
        state = self._state
        over = await self._reading.jobs(state.notices.stalled.keys() - state.jobs.keys())
        found = {one.job.id: one for one in over}
        for job, raised in news.resumptions(state, self._scene(), found):
            await self._raise(raised, job)

    async def _channel(self) -> None:
        state = self._state
        if state.notices.wants(*CHANNEL):
            raised = news.channel(state.source, state.notices, self._clock(), self._began)
            await self._raise(raised)
            for one in news.stuck(state.source, self._state.notices, self._clock()):
                await self._raise(one)

    async def _disk(self) -> None:
        if self._state.notices.wants("disk.low"):
            free = await self._reading.disk_free()
            folder = str(self._reading.folder)
            await self._raise(news.disk(folder, free, self._state.notices, self._clock()))

    async def _dead_letters(self) -> None:
        if self._state.notices.wants("dead_letter"):
            total = await dead_letters(self._reading, self._journal)
            await self._raise(news.dead_letters(self._state.notices, total, self._clock()))

    async def _raise(
        self,
        event: NewsRaised | None,
        job: Job | None = None,
        *,
        expected: Mapping[str, int] | None = None,
    ) -> None:
        if event is None:
            return
        cause = None if job is None else job.position
        try:
            await self._journal.append(
                [NewEvent(STREAM, event, "system", cause)], expected=expected
            )
        except Stale:
            return  # it went on meanwhile; the next look says
