"""Removes from the index what is gone from the network and nobody said so, after a refetch.

The one rule: only rows of collections that Tap is known to send are held against what it sent. One
that its filter lacks would look as if all of its records were gone.
"""

from collections.abc import Awaitable, Callable, Container
from typing import Final

from backfilld_events.ids import Did, Nsid

from ..clock import Clock
from ..records.ghosts import Evidence, Kept, Verdict
from ..records.store import RecordStore
from ..worker import Worker
from .ledger import Ledger

_MIXED = "which of its rows are gone from the network cannot be told from the others"
WHY_NOT: Final = {
    Verdict.FEWER: Kept(
        "fewer records are here than Tap counts: some cannot be read, or have not come"
    ),
    Verdict.EARLY: Kept("not all that Tap has sent is here yet, so that numbers do not tell"),
    Verdict.AHEAD: Kept("what is here is newer than what Tap says of it"),
    Verdict.MIXED: Kept(_MIXED, anew=True),
    Verdict.MOVED: Kept("it changed while it was fetched anew", anew=True),
    Verdict.UNREAD: Kept("a message of it could not be read (backfillctl dead-letters ls)"),
}
_NO_FILTER = Kept("Tap has sent no record since the channel was opened: its filter is not known")

Sent = Callable[[], Awaitable[Container[Nsid]]]
"""The collections that Tap is known to send now."""


class Sweeper:
    """`wanted` are the collections that are kept at all."""

    def __init__(
        self,
        store: RecordStore,
        worker: Worker,
        ledger: Ledger,
        clock: Clock,
        wanted: Callable[[], frozenset[Nsid]],
        sent: Sent,
    ) -> None:
        self._store, self._worker, self._ledger, self._clock = store, worker, ledger, clock
        self._wanted, self._sent = wanted, sent

    async def sweep(self, did: Did, seen: Evidence) -> Kept | None:
        """Removes the rows that Tap's whole fetch did not bring, of which it says what was `seen`.
        None: they are removed, and it is in the log."""
        sent = await self._sent()
        collections = [nsid for nsid in sorted(self._wanted()) if nsid in sent]
        if not collections:
            return _NO_FILTER
        now = round(self._clock() * 1e6)
        swept = await self._worker(self._store.sweep, did, collections, seen, now)
        if swept.receipt is not None:
            await self._ledger.catch_up()
            return None
        return WHY_NOT.get(swept.verdict, Kept(""))
