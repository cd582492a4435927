"""Takes repositories out of Tap and puts them back, each step said before and after.

The one rule: what was said to be taken out is put back, whatever happened in between. Both steps
may be done twice: to remove what Tap does not know does nothing, to add what it has neither.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog
import trio

from backfilld_events import ids
from backfilld_events.catalog.source import ReposLeaving, ReposLeft, ReposReturned, SourceEvent, Why
from backfilld_events.folds.source import Outing
from backfilld_events.ids import Did
from backfilld_events.row import NewEvent

from ..failures import Failure
from ..journal import Journal
from ..sources.tap.http import RepoInfo

RETRY_S_FIRST, RETRY_S_MAX = 1.0, 30.0
FETCHED_S_MAX = 600.0  # longer than Tap waits for a repository, so a fetch is over by then
LOOK_S = 2.0
AT_ONCE = 500  # in a request: Tap removes one after the other


class Tap(Protocol):
    """Takes repositories in and out. Raises Failure."""

    @property
    def url(self) -> str: ...

    async def hand_over(self, dids: Sequence[Did]) -> None: ...

    async def remove(self, dids: Sequence[Did]) -> None: ...

    async def info(self, did: Did) -> RepoInfo: ...


ReadOuting = Callable[[int], Awaitable[list[Did]]]
"""(position of the event that names them) -> the DIDs."""


class Outings:
    """The way by which repositories leave Tap and come back."""

    def __init__(self, tap: Tap, journal: Journal, read: ReadOuting) -> None:
        self._tap, self._journal, self._read = tap, journal, read
        self._log = structlog.get_logger("outings")

    async def finish(self) -> None:
        """Ends those that the last life of the daemon began."""
        for outing in tuple(self._journal.state.source.outings.values()):
            dids = await self._read(outing.position)
            if not outing.left:
                await self._until_fetched(dids)
            await self._carry_out(outing, dids)

    async def begin(self, why: Why, dids: Sequence[Did], *, again: bool, cause: int | None) -> None:
        """Takes these out, and if `again` puts them back; none of them is being fetched."""
        leaving = ReposLeaving(why=why, again=again, count=len(dids), dids=ids.pack(dids))
        (row,) = await self._journal.append([NewEvent("tap", leaving, "system", cause)])
        await self._carry_out(Outing(row.position, why, again, len(dids)), dids)

    async def _carry_out(self, outing: Outing, dids: Sequence[Did]) -> None:
        if not outing.left:
            await self._surely(self._tap.remove, dids)
            await self._note(ReposLeft(leaving=outing.position), outing)
        if outing.again:
            await self._surely(self._tap.hand_over, dids)
            await self._note(ReposReturned(leaving=outing.position, tap=self._tap.url), outing)

    async def _surely(
        self, step: Callable[[Sequence[Did]], Awaitable[None]], dids: Sequence[Did]
    ) -> None:
        """As often as it takes: a Tap that is down comes back."""
        for at in range(0, len(dids), AT_ONCE):
            wait = RETRY_S_FIRST
            while True:
                try:
                    await step(dids[at : at + AT_ONCE])
                except Failure as failure:
                    self._log.warning("tap refused", kind=failure.kind, reason=failure.message)
                    await trio.sleep(wait)
                    wait = min(2 * wait, RETRY_S_MAX)
                    continue
                break

    async def _until_fetched(self, dids: Sequence[Did]) -> None:
        """Returns when none of them is being fetched: before the crash none was, and Tap may not
        have been asked to remove them yet."""
        left, over = list(dids), trio.current_time() + FETCHED_S_MAX
        while left and trio.current_time() < over:
            left = [did for did in left if await self._is_fetched(did)]
            await trio.sleep(LOOK_S if left else 0)

    async def _is_fetched(self, did: Did) -> bool:
        try:
            return (await self._tap.info(did)).state == "resyncing"
        except Failure:
            return True

    async def _note(self, event: SourceEvent, outing: Outing) -> None:
        await self._journal.append([NewEvent("tap", event, "system", outing.position)])
