"""Notices that Tap has forgotten repositories: it counts fewer than it was given.

The one rule: one count is no proof, for things happen between the counts; two in a row are.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

import trio

from backfilld_events.catalog.source import ReposMissing
from backfilld_events.row import NewEvent

from ..failures import Failure
from ..journal import Journal

EVERY_S_MIN = 10.0


class Counting(Protocol):
    """Counts its repositories; a full count inside Tap. Raises Failure."""

    async def repo_count(self) -> int: ...


class Recount:
    """One task. `expected` counts what should be with Tap, `every_s` is asked for at each look."""

    def __init__(
        self,
        tap: Counting,
        journal: Journal,
        expected: Callable[[], Awaitable[int]],
        every_s: Callable[[], float],
    ) -> None:
        self._tap, self._journal = tap, journal
        self._expected, self._every_s = expected, every_s

    async def run(self) -> None:
        """Runs until cancelled."""
        short = False
        while True:
            await trio.sleep(max(EVERY_S_MIN, float(self._every_s())))
            if self._journal.state.source.census is not None:
                continue
            away = self._away()
            expected = await self._expected()
            try:
                found = await self._tap.repo_count()
            except Failure:
                continue
            away |= self._away()
            if found + sum(away.values()) >= expected:
                short = False
            elif short:
                short = False
                event = ReposMissing(expected=expected, found=found)
                await self._journal.append([NewEvent("tap", event, "system")])
            else:
                short = True

    def _away(self) -> dict[int, int]:
        """How many are being taken out, by outing: Tap may have removed them already."""
        outings = self._journal.state.source.outings
        return {position: outing.count for position, outing in outings.items()}
