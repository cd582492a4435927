"""Makes the way clear for a refetch of what differs from its server, and the accounts right before.

The one rule: it is in the log when this returns, so that what the refetch brings is counted from
what is really here.
"""

from collections.abc import Mapping

from backfilld_events.ids import Cid, Did, Nsid, Rev, Rkey

from ..records.store import RecordStore
from ..worker import Worker
from .ledger import Ledger


class Recounter:
    """Shares the index's worker."""

    def __init__(self, store: RecordStore, worker: Worker, ledger: Ledger) -> None:
        self._store, self._worker, self._ledger = store, worker, ledger

    async def recount(
        self,
        did: Did,
        rev: Rev,
        differing: Mapping[Nsid, Mapping[Rkey, tuple[Cid | None, Cid | None]]],
    ) -> None:
        """Counts the rows of a repository. Of those that are `differing`, (ours, its server's),
        what a fetch at its server's `rev` would lose to is dropped."""
        ours = {
            nsid: {rkey: cid for rkey, (cid, _) in keys.items()} for nsid, keys in differing.items()
        }
        await self._worker(self._store.recount, did, rev, ours)
        await self._ledger.catch_up()

    async def settle(self) -> None:
        """Has the collections counted anew, once all that is to be recounted was."""
        await self._worker(self._store.count_anew)
