"""Servers in memory, and an index and a log in files; all in virtual time."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import pytest
import trio
from support.given import NOON
from support.servers import PLC, Servers

from backfilld.backfill.plan import Limits
from backfilld.backfill.standing import Scene
from backfilld.config.keys import IdentityConfig
from backfilld.control.views import Views
from backfilld.deliveries import AccountDelivery, DeadDelivery, RecordDelivery
from backfilld.journal import Journal
from backfilld.network.opened import Network, open_network
from backfilld.reconcile.batch import Batches
from backfilld.reconcile.reader import Reader
from backfilld.reconcile.reconciler import Reconciler
from backfilld.reconcile.whole import Whole
from backfilld.records.sqlite import SqliteStore
from backfilld.records.store import Group
from backfilld.worker import InlineWorker
from backfilld_events.catalog.reconcile import ReconcileEvent
from backfilld_events.eventlog import EventLog
from backfilld_events.folds.reconcile import Reconcile
from backfilld_events.ids import Cid, Did, Nsid, Rev, Rkey
from backfilld_events.log import read
from backfilld_events.log.file import open_reader

OLD = Rev("3jaaaaaaaaaa2")
LIMITS = Limits(
    relays=(), page_size=1, attempts_max=1, relay_backoff_s_max=1, batch_size=1, read_ahead=1,
    concurrent=1,
)  # fmt: skip


class Side:
    """Our side: an index, a log and what compares; `mended` are those that were to be fetched."""

    def __init__(
        self, store: SqliteStore, journal: Journal, views: Views, network: Network, folder: Path
    ) -> None:
        self.store, self.journal, self.views, self.folder = store, journal, views, folder
        self.mended: list[Did] = []
        reader = Reader(network.identity, network.pds, Whole(network.pds, InlineWorker))
        self.batches = Batches(reader, views)
        self.reconciler = Reconciler(journal, self.batches, views, self._mend)

    async def _mend(self, dids: list[Did], one: Reconcile) -> None:
        self.mended += dids

    def holds(self, did: Did, records: dict[Nsid, dict[Rkey, Cid]], rev: Rev = OLD) -> None:
        """Rows of a repository."""
        deliveries = [
            RecordDelivery(1, did, nsid, rkey, rev, cid, b"{}", False)
            for nsid, some in records.items()
            for rkey, cid in some.items()
        ]
        self.store.commit(Group(deliveries, [], [], []), 1)

    def forgets(self, did: Did, nsid: Nsid, rkey: str, rev: Rev = OLD) -> None:
        """A record is deleted by news of it."""
        gone = RecordDelivery(1, did, nsid, Rkey(rkey), rev, None, None, True)
        self.store.commit(Group([gone], [], [], []), 1)

    def hears(self, did: Did, status: str) -> None:
        """What an identity event says of an account."""
        self.store.commit(Group([], [AccountDelivery(1, did, "", status)], [], []), 1)

    def buries(self, did: Did, nsid: Nsid, rkey: str) -> None:
        """A message that could not be used."""
        dead = DeadDelivery(1, "no body", b"{}", did, nsid, Rkey(rkey))
        self.store.commit(Group([], [], [dead], []), 1)

    def told(self) -> list[ReconcileEvent]:
        """What the log has of comparisons."""
        with closing(open_reader(self.folder / "events.db")) as db:
            return [row.event for row in read.rows(db, stream="reconcile/*")]  # type: ignore[misc]


@asynccontextmanager
async def living(folder: Path, network: Network) -> AsyncIterator[Side]:
    """One life; leaving it is a kill. Comparisons are carried out when `reconciler.run` is."""
    async with AsyncExitStack() as stack:
        log = stack.enter_context(closing(EventLog.open(folder / "events.db")))
        store = stack.enter_context(closing(SqliteStore.open(folder / "records.db", 20)))
        journal = Journal(log, InlineWorker(), lambda: NOON)
        views = stack.enter_context(
            closing(
                Views.open(
                    folder / "events.db",
                    folder / "records.db",
                    InlineWorker(),
                    lambda: Scene(LIMITS),
                )
            )
        )
        nursery = await stack.enter_async_context(trio.open_nursery())
        await nursery.start(journal.run)
        yield Side(store, journal, views, network, folder)
        nursery.cancel_scope.cancel()


@pytest.fixture
def servers() -> Servers:
    return Servers()


@pytest.fixture
async def network(servers: Servers) -> AsyncIterator[Network]:
    async with open_network(IdentityConfig(plc_url=PLC), lambda: NOON, servers) as network:
        yield network


@pytest.fixture
async def side(tmp_path: Path, network: Network) -> AsyncIterator[Side]:
    async with living(tmp_path, network) as side:
        yield side
