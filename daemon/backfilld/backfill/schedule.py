"""Looks for new repositories by itself, every so often: `due` is pure, `Schedule` a task.

The one rule: a look that asks only for what came since can miss some, so every fourth looks at
all. It is done where the relay's cursor is a place in time (collectiondir); with any other, a new
repository may stand anywhere in the listing, also before the cursor.
"""

from collections.abc import Callable

import trio
from msgspec.structs import replace

from backfilld_events.folds import State
from backfilld_events.folds.job import SCHEDULE
from backfilld_events.folds.listed import Listed
from backfilld_events.ids import Nsid

from ..clock import Clock
from ..config.keys import JobsConfig
from ..journal import Journal
from .commands import StartJob
from .desk import Desk
from .place import collection_number

PARTIAL_MAX = 3  # looks at what came since, between two looks at all
RETRY_S = 3600.0  # after a look that failed, if the configured time is not shorter
PRIORITY = -1  # whoever asks for something goes first
LOOK_S = 60.0  # how late a look may be: the configuration is reloaded, and clocks are set


def due(state: State, now: float, every_s: float) -> list[StartJob]:
    """The jobs to start now, by the name of their collection; `every_s` 0: never any."""
    if not every_s:
        return []
    busy = {nsid for job in state.jobs.values() if not job.given for nsid in job.collections}
    wanted = (
        lexicon.nsid
        for lexicon in state.lexicons.values()
        if lexicon.is_record and lexicon.backfill and lexicon.nsid not in busy
    )
    return [
        _look(nsid, state.listed[nsid])
        for nsid in sorted(wanted)
        if nsid in state.listed and _next(state.listed[nsid], every_s) <= now
    ]


def _next(listed: Listed, every_s: float) -> float:
    moment = listed.at + every_s
    if listed.failed_at is None:
        return moment
    return max(moment, listed.failed_at + min(every_s, RETRY_S))


def _look(nsid: Nsid, listed: Listed) -> StartJob:
    place = listed.place
    if place is not None and collection_number(place.cursor) is None:
        place = None
    if listed.partial >= PARTIAL_MAX:
        place = None
    return StartJob(
        nsid,
        priority=PRIORITY,
        reason="rediscovery of all" if place is None else "rediscovery of what came since",
        listed_from=place,
        cause=listed.position,
    )


class Schedule:
    """Starts what is due; `settings` is asked for at each look, so that a reload is in force."""

    def __init__(
        self, journal: Journal, desk: Desk, clock: Clock, settings: Callable[[], JobsConfig]
    ) -> None:
        self._journal, self._desk, self._clock, self._settings = journal, desk, clock, settings

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            settings = self._settings()
            for command in due(self._journal.state, self._clock(), float(settings.rediscover)):
                command = replace(command, mode=settings.mode)
                await self._desk.submit(command, SCHEDULE)
            await trio.sleep(LOOK_S)
