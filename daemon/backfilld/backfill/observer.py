"""Asks Tap how the repositories stand that were handed to it, at a bounded rate.

The one rule: what Tap said becomes an event, and only when it differs from the last time. Those
that are not settled are asked in turn; failed ones too, at a fifth of the rate, since Tap goes on
trying them.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog
import trio

from backfilld_events.catalog.source import Observation, ReposObserved
from backfilld_events.ids import Did, Rev, pack_one
from backfilld_events.projections.repos import Asked
from backfilld_events.row import NewEvent

from ..failures import Failure, clean
from ..journal import Journal
from ..sources.tap.http import RepoInfo

TICK_S = 1.0
ROUND_S_MIN = 2.0  # a few open repositories are not asked more often than this
AT_ONCE = 4
PAUSE_S = 10.0  # when Tap is gone
FAILURES_IN_A_ROW_MAX = 3  # of one asker; then Tap is taken to be gone


class Tap(Protocol):
    """Knows how one repository stands, and how much it has still to send. Raises Failure."""

    @property
    def url(self) -> str: ...

    async def info(self, did: Did) -> RepoInfo: ...

    async def outbox_buffer(self) -> int: ...


FindOpen = Callable[[int, int, bool], Awaitable[list[Asked]]]
"""(after id, limit, failed) -> repositories to ask about, in order of id."""


class Observer:
    """One task; `rate` is /info calls a second, asked for at each tick."""

    def __init__(
        self,
        tap: Tap,
        find_open: FindOpen,
        journal: Journal,
        rate: Callable[[], int],
        account: Callable[[], Awaitable[None]],
    ) -> None:
        """`account` takes what the index has committed into the log."""
        self._tap, self._find_open, self._journal, self._rate = tap, find_open, journal, rate
        self._account = account
        self._log = structlog.get_logger("observer")

    async def run(self) -> None:
        """Runs until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._rounds, False, 1.0)
            nursery.start_soon(self._rounds, True, 0.2)

    async def _rounds(self, failed: bool, share: float) -> None:
        after, started = 0, trio.current_time()
        while True:
            rate = self._rate()
            limit = max(1, int(rate * share * TICK_S)) if rate else 0
            asked = await self._find_open(after, limit, failed) if limit else []
            if asked and not await self._ask(asked):
                self._log.debug("tap does not answer")
                await trio.sleep(PAUSE_S)
            await trio.sleep(TICK_S)
            if len(asked) < limit or not limit:
                await trio.sleep_until(started + ROUND_S_MIN * (10 if failed else 1))
                after, started = 0, trio.current_time()
            else:
                after = asked[-1].id

    async def _ask(self, asked: list[Asked]) -> bool:
        """Asks about all; what changed is in the log when it returns. False: Tap is not there,
        and those left over are asked about in the next round."""
        changed: list[Observation] = []
        unchanged: list[Observation] = []  # active, and perhaps all here by now
        places = iter(asked)
        gave_up = 0

        async def one_after_the_other() -> None:
            nonlocal gave_up
            failures = 0
            for place in places:
                try:
                    seen = _observation(place, await self._tap.info(place.did))
                except Failure:
                    failures += 1
                    if failures == FAILURES_IN_A_ROW_MAX:
                        gave_up += 1
                        return
                    continue
                failures = 0
                if (seen.state, seen.error, seen.rev, seen.records) != place.last:
                    changed.append(seen)
                elif seen.state == "active" and place.arriving:
                    unchanged.append(seen)

        async with trio.open_nursery() as nursery:
            for _ in range(AT_ONCE):
                nursery.start_soon(one_after_the_other)
        drained = await self._drained([*changed, *unchanged])
        if drained:
            changed += unchanged
            await self._account()  # so that the rows stand in the log before what is said of them
        if changed:
            event = ReposObserved(tap=self._tap.url, drained=drained, observations=changed)
            await self._journal.append([NewEvent("tap", event, "system")])
        return gave_up < AT_ONCE

    async def _drained(self, seen: list[Observation]) -> bool:
        """Whether Tap's outbox is empty, now that it has called some of them active."""
        if not any(one.state == "active" for one in seen):
            return False
        try:
            return await self._tap.outbox_buffer() == 0
        except Failure:
            return False


def _observation(place: Asked, info: RepoInfo) -> Observation:
    return Observation(
        repo=pack_one(place.did),
        state=info.state,
        error=clean(info.error),
        rev=Rev(info.rev) if info.rev else None,
        records=info.records,
    )
