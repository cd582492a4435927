"""Carries comparisons out as they were asked for in the log, batch by batch.

The one rule: a batch counts when it is in the log. After a restart a comparison goes on behind the
last batch that is there; what was read of the next one is read again, which does no harm.
"""

import uuid
from collections.abc import Awaitable, Callable, Sequence

import trio

from backfilld_events.catalog.reconcile import ReconcileAsked, ReconcileEnded, ReposCompared
from backfilld_events.folds.reconcile import Reconcile, begun
from backfilld_events.ids import Did, unpack_one
from backfilld_events.row import NewEvent

from ..journal import Journal
from .batch import Batches
from .index import Index, Some

BATCH = 50
AT_ONCE_MAX = 8  # comparisons; they share the hosts

Mend = Callable[[Sequence[Did], Reconcile], Awaitable[None]]


class TooMany(Exception):
    """As many comparisons are under way as there may be."""


class Ended(Exception):
    """No comparison of that id is under way."""


class Reconciler:
    """The only one that writes about comparisons. `mend` is given the repositories of a batch that
    differ, where that was asked for, before the batch is in the log: after a crash it is given them
    once more."""

    def __init__(
        self,
        journal: Journal,
        batches: Batches,
        index: Index,
        mend: Mend,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._journal, self._batches, self._index = journal, batches, index
        self._mend, self._new_id = mend, new_id
        self._under: dict[str, trio.CancelScope] = {}

    async def ask(self, asked: ReconcileAsked, actor: str) -> Reconcile:
        """Begins a comparison; it is in the log when this returns. Raises TooMany."""
        if len(self._journal.state.reconciles) >= AT_ONCE_MAX:
            raise TooMany
        run = self._new_id()
        (row,) = await self._journal.append([NewEvent(_stream(run), asked, actor)])
        return begun(asked, run=run, actor=actor, position=row.position, at=row.at)

    async def break_off(self, run: str, actor: str) -> None:
        """Ends a comparison; what was compared stays. Raises Ended."""
        one = self._journal.state.reconciles.get(run)
        if one is None:
            raise Ended
        ended = ReconcileEnded(f"{actor} broke it off")
        await self._journal.append([NewEvent(_stream(run), ended, actor, one.position)])
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
                await self._batch(one)
        del self._under[run]

    async def _batch(self, one: Reconcile) -> None:
        some = await self._next(one)
        events: list[ReposCompared | ReconcileEnded] = [ReconcileEnded("")] if some.last else []
        if some.dids:
            dids = list(dict.fromkeys(some.dids))
            found = await self._batches.compare(dids, one.collections, one.method)
            if one.repair and found.differing:
                differ = dict.fromkeys(unpack_one(each.repo) for each in found.differing)
                await self._mend([*differ], one)
            events.insert(0, ReposCompared(len(dids), some.upto, *found))
        if one.id in self._journal.state.reconciles:  # somebody may have broken it off
            await self._journal.append(
                [NewEvent(_stream(one.id), event, "system", one.position) for event in events]
            )

    async def _next(self, one: Reconcile) -> Some:
        if one.count is not None:
            return await self._index.asked_for(one.position, one.upto, BATCH)
        return await self._index.following(one.collections, one.job, one.upto, BATCH)


def _stream(run: str) -> str:
    return f"reconcile/{run}"
