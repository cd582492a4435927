"""Servers in memory, and an index and a log in files; all in virtual time."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import pytest
import trio
from msgspec.structs import replace
from support.given import NOON, POSTS, handed_off, page, started
from support.servers import PLC, Servers

from backfilld.backfill.plan import Limits
from backfilld.backfill.standing import Scene
from backfilld.config.keys import IdentityConfig
from backfilld.control.views import Views
from backfilld.deliveries import AccountDelivery, DeadDelivery, RecordDelivery
from backfilld.journal import Journal
from backfilld.network.opened import Network, open_network
from backfilld.reconcile.batch import Batches
from backfilld.reconcile.compare import Apart
from backfilld.reconcile.reader import Reader
from backfilld.reconcile.reconciler import Reconciler
from backfilld.reconcile.whole import Whole
from backfilld.records.sqlite import SqliteStore
from backfilld.records.store import Group
from backfilld.worker import InlineWorker
from backfilld_events.catalog import Event
from backfilld_events.catalog.reconcile import ReconcileEvent, ReposCompared
from backfilld_events.catalog.source import Observation, ReposObserved
from backfilld_events.eventlog import EventLog
from backfilld_events.ids import Cid, Did, Nsid, Rev, Rkey, pack, pack_one
from backfilld_events.log import read
from backfilld_events.log.file import open_reader
from backfilld_events.row import NewEvent, Row

OLD = Rev("3jaaaaaaaaaa2")
LIMITS = Limits(
    relays=(), page_size=1, attempts_max=1, relay_backoff_s_max=1, batch_size=1, read_ahead=1,
    concurrent=1,
)  # fmt: skip


class Side:
    """Our side: an index, a log and what compares; `cleared` are those that were to be fetched
    anew, `settled` how many had been when that was at its end."""

    def __init__(
        self, store: SqliteStore, journal: Journal, views: Views, network: Network, folder: Path
    ) -> None:
        self.store, self.journal, self.views, self.folder = store, journal, views, folder
        self.cleared: dict[Did, tuple[Rev, Apart]] = {}
        self.settled: int | None = None
        reader = Reader(network.identity, network.pds, Whole(network.pds, InlineWorker))
        self.batches = Batches(reader, views)
        self.reconciler = Reconciler(journal, self.batches, views, self._clear, self._settle)

    async def _clear(self, did: Did, rev: Rev, rows: Apart) -> None:
        told = [one for one in self.told() if isinstance(one, ReposCompared)]
        assert pack_one(did) not in [one.repo for event in told for one in event.differing]
        self.cleared[did] = rev, rows

    async def _settle(self) -> None:
        self.settled = len(self.cleared)

    async def finds(self, dids: list[Did], job: str = "a", nsid: Nsid = POSTS) -> int:
        """A job finds these repositories and hands them over, and Tap has them; its number."""
        events: list[Event] = [
            started(nsid),
            replace(page(0, len(dids), None, nsid), dids=pack(dids)),
            handed_off(len(dids)),
        ]
        rows = await self.journal.append([NewEvent(f"job/{job}", one, "x") for one in events])
        seen = [Observation(pack_one(did), "active", "", Rev(OLD), 0) for did in dids]
        await self.journal.append([NewEvent("tap", ReposObserved("t", True, seen), "x")])
        return rows[0].position

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
        return [row.event for row in self.rows() if row.stream.startswith("reconcile/")]  # type: ignore[misc]

    def rows(self) -> list[Row]:
        """The log."""
        with closing(open_reader(self.folder / "events.db")) as db:
            return list(read.rows(db))


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
