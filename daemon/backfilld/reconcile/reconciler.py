"""Carries comparisons out as they were asked for in the log, batch by batch.

The one rule: a batch counts when it is in the log. After a restart a comparison goes on behind the
last batch that is there; what was read of the next one is read again, which does no harm.
"""

import uuid
from collections.abc import Awaitable, Callable, Sequence

import trio

from backfilld_events.catalog.reconcile import ReconcileAsked, ReconcileEvent, ReposCompared
from backfilld_events.folds.reconcile import Reconcile, begun, ended
from backfilld_events.ids import Did, Rev, pack, unpack_one
from backfilld_events.row import NewEvent

from ..journal import Journal
from .batch import Batches, Compared
from .compare import Apart
from .index import Index, Some

BATCH = 50
AT_ONCE_MAX = 8  # comparisons; they share the hosts

Clear = Callable[[Did, Rev, Apart], Awaitable[None]]
"""(repository, its server's rev, what differs) -> a fetch will bring it right."""

Settle = Callable[[], Awaitable[None]]
"""What is to be done once `clear` was called for all."""


class TooMany(Exception):
    """As many comparisons are under way as there may be."""


class Ended(Exception):
    """No comparison of that id is under way."""


class Reconciler:
    """The only one that writes about comparisons. What differs, and is to be repaired, is fetched
    anew once the batch is in the log, by who does that; `clear` is called before, and after a crash
    once more, and `settle` when all is compared."""

    def __init__(
        self,
        journal: Journal,
        batches: Batches,
        index: Index,
        clear: Clear,
        settle: Settle,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._journal, self._batches, self._index = journal, batches, index
        self._clear, self._settle, self._new_id = clear, settle, new_id
        self._under: dict[str, trio.CancelScope] = {}
        self._alone = trio.Lock()  # of beginnings and ends, each decided on what is under way

    async def ask(self, asked: ReconcileAsked, actor: str) -> Reconcile:
        """Begins a comparison; it is in the log when this returns. Raises TooMany."""
        run = self._new_id()
        async with self._alone:
            if len(self._journal.state.reconciles) >= AT_ONCE_MAX:
                raise TooMany
            (row,) = await self._journal.append([NewEvent(_stream(run), asked, actor)])
        return begun(asked, run=run, actor=actor, position=row.position, at=row.at)

    async def break_off(self, run: str, actor: str) -> None:
        """Ends a comparison; what was compared stays. Raises Ended."""
        if not await self._end(run, f"{actor} broke it off", actor):
            raise Ended
        if (scope := self._under.get(run)) is not None:
            scope.cancel()

    async def run(self) -> None:
        """Carries out what is asked for, until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                news = self._journal.watch()
                for run in self._journal.state.reconciles:
                    if run not in self._under:
                        self._under[run] = trio.CancelScope()
                        nursery.start_soon(self._carry_out, run)
                await news.wait()

    async def _carry_out(self, run: str) -> None:
        with self._under[run]:
            while (one := self._journal.state.reconciles.get(run)) is not None:
                some = await self._next(one)
                if some.dids:
                    await self._batch(one, some)
                if some.last:
                    if one.repair:
                        await self._settle()
                    await self._end(run, "")
        del self._under[run]

    async def _batch(self, one: Reconcile, some: Some) -> None:
        dids = list(dict.fromkeys(some.dids))
        found = await self._batches.compare(dids, one.collections, one.method)
        again = await self._index.said_to_differ(_agreeing(dids, found), one.collections)
        if one.repair:
            for did, (rows, rev) in found.found.items():
                await self._clear(did, rev, rows)
        if one.id in self._journal.state.reconciles:  # somebody may have broken it off
            event = ReposCompared(
                count=len(dids),
                upto=some.upto,
                records=found.records,
                differing=found.differing,
                unread=found.unread,
                again=pack(again),
            )
            await self._append(one, event)

    async def _end(self, run: str, why: str, actor: str = "system") -> bool:
        """Whether it was under way until now: it ends once."""
        async with self._alone:
            one = self._journal.state.reconciles.get(run)
            if one is not None:
                await self._append(one, ended(one, why), actor)
        return one is not None

    async def _append(self, one: Reconcile, event: ReconcileEvent, actor: str = "system") -> None:
        await self._journal.append([NewEvent(_stream(one.id), event, actor, one.position)])

    async def _next(self, one: Reconcile) -> Some:
        if one.count is not None:
            return await self._index.asked_for(one.position, one.upto, BATCH)
        return await self._index.following(one.collections, one.job, one.upto, BATCH)


def _stream(run: str) -> str:
    return f"reconcile/{run}"


def _agreeing(dids: Sequence[Did], found: Compared) -> list[Did]:
    keys = [one.repo for one in found.differing] + [one.repo for one in found.unread]
    named = {unpack_one(key) for key in keys}
    return [did for did in dids if did not in named]
