"""Removes records from the index because a person asked for it, and has it stand in the log.

The one rule: who asks is answered when it is durable. A removal is a transaction of the index with
a receipt, as a group is, so that the ledger takes it to the log exactly once, whatever crashes. The
removal of a collection is asked for in the log first, and goes on after a restart.
"""

import uuid
from collections.abc import Callable, Sequence

import trio

from backfilld_events.catalog.index import RemovalAsked
from backfilld_events.folds import source
from backfilld_events.ids import Did, Nsid, Rkey
from backfilld_events.row import NewEvent

from ..clock import Clock
from ..journal import Journal
from ..records.store import RecordStore, Removal
from ..worker import Worker
from .ledger import Ledger

PORTION = 5_000  # records: what arrives meanwhile waits for one portion at most


class Under:
    """The removal of a collection that is under way; `deleted` grows until `done`."""

    def __init__(self, removal_id: str, deleted: int) -> None:
        self.id, self.deleted, self.done = removal_id, deleted, trio.Event()


class Remover:
    """The only way by which a person's wish reaches the index."""

    def __init__(
        self,
        store: RecordStore,
        worker: Worker,
        journal: Journal,
        ledger: Ledger,
        clock: Clock,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._store, self._worker = store, worker
        self._journal, self._ledger, self._clock = journal, ledger, clock
        self._new_id = new_id
        self._under: dict[str, Under] = {}
        self._asking = trio.Lock()

    async def record(self, did: Did, collection: Nsid, rkey: Rkey, actor: str) -> bool:
        """Removes one record. False: it is not in the index, and nothing was done."""
        at = round(self._clock() * 1e6)
        receipt = await self._worker(self._store.remove, did, collection, rkey, actor, at)
        if receipt is None:
            return False
        await self._ledger.catch_up()
        return True

    async def collection(self, nsid: Nsid, actor: str) -> Under:
        """Has the records of a collection removed that are in the index now; it is in the log, and
        begun by `run`, when this returns. The same that is under way is not begun again."""
        async with self._asking:
            for removal in self._open():
                if removal.collection == nsid:
                    return self._of(removal.id)
            upto = await self._worker(self._store.newest)
            asked = RemovalAsked(self._new_id(), nsid, upto)
            under = self._of(asked.id)
            await self._journal.append([NewEvent(f"removal/{asked.id}", asked, actor)])
            return under

    async def run(self) -> None:
        """Carries out what is asked for, one after the other, until cancelled."""
        while True:
            news = self._journal.watch()
            for removal in self._open():
                await self._carry_out(removal)
            await news.wait()

    async def _carry_out(self, asked: source.Removal) -> None:
        under, last = self._of(asked.id), False
        on_behalf = Removal(
            actor=asked.actor, collection=asked.collection, id=asked.id, cause=asked.position
        )
        while not last:
            receipt = await self._worker(self._store.remove_some, on_behalf, asked.upto, PORTION)
            under.deleted += sum(counts.deleted for _, _, counts in receipt.counts)
            last = receipt.removal is None or receipt.removal.last
            self._ledger.wake()
        await self._ledger.catch_up()
        self._under.pop(asked.id).done.set()

    def _open(self) -> Sequence[source.Removal]:
        return tuple(self._journal.state.source.removals.values())

    def _of(self, removal_id: str) -> Under:
        removal = self._journal.state.source.removals.get(removal_id)
        deleted = 0 if removal is None else removal.deleted
        return self._under.setdefault(removal_id, Under(removal_id, deleted))
