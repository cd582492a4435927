"""Deletes what is left of accounts that are gone, when that is much.

The one rule: in portions, so that what arrives meanwhile waits for one at most. What a small
repository held was deleted with the news of it (`records.standing`).
"""

from ..journal import Journal
from ..records.store import RecordStore
from ..worker import Worker
from .ledger import Ledger

PORTION = 5_000  # rows


class Departed:
    """One task."""

    def __init__(
        self, store: RecordStore, worker: Worker, journal: Journal, ledger: Ledger
    ) -> None:
        self._store, self._worker = store, worker
        self._journal, self._ledger = journal, ledger

    async def run(self) -> None:
        """Runs until cancelled: at the start, and when receipts have come into the log."""
        while True:
            news = self._journal.watch("index")
            while await self._worker(self._store.purge, PORTION):
                self._ledger.wake()
            await news.wait()
