"""The whole daemon against the sandbox network, in virtual time: no socket, no thread, no sleep.

A `Lab` is what outlives a daemon: its folder and the network. `living` is one life; leaving it is
a kill, for nothing is told to the daemon (its files are closed, which SQLite survives the same).
"""

import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import msgspec
import trio

from backfilld.backfill.commands import StartJob, UploadLexicon
from backfilld.backfill.desk import Desk
from backfilld.backfill.plan import Limits
from backfilld.backfill.standing import Scene, Standing, standing
from backfilld.clock import virtual
from backfilld.comparison import Compared
from backfilld.config.keys import (
    Config,
    ControlConfig,
    IdentityConfig,
    IndexConfig,
    JobsConfig,
    RelayConfig,
    TapConfig,
)
from backfilld.control.door import Door
from backfilld.control.views import Views
from backfilld.journal import Journal
from backfilld.lexicons import parse
from backfilld.limits import configured
from backfilld.records.store import Receipt
from backfilld.sandbox.network import PLC_URL, RELAY_URL, TAP_URL, SandboxNetwork
from backfilld.service import Service
from backfilld.worker import InlineWorker
from backfilld.world import World
from backfilld_events import ids
from backfilld_events.audit.replay import replay
from backfilld_events.audit.show import as_data
from backfilld_events.audit.verify import verify
from backfilld_events.catalog.index import (
    GhostsRemoved,
    IndexLost,
    RecordsCommitted,
    RecordsRemoved,
    RowsRecounted,
)
from backfilld_events.catalog.job import BatchHandedOff, DidsGiven, PageDiscovered
from backfilld_events.cli.replay import as_data as as_told
from backfilld_events.folds.job import Job
from backfilld_events.ids import Did, Nsid
from backfilld_events.log import read
from backfilld_events.log.file import open_reader
from backfilld_events.projections import jobs
from backfilld_events.row import Row

START = 1_800_000_000.0


def lexicon(nsid: Nsid, *, backfill: bool = True) -> UploadLexicon:
    """The upload of a record lexicon."""
    main = {"type": "record", "key": "any", "record": {"type": "object", "properties": {}}}
    text = json.dumps({"lexicon": 1, "id": nsid, "defs": {"main": main}})
    return UploadLexicon(parse(text.encode()), backfill)


async def in_this_process(path: Path) -> Compared:
    """comparison.in_a_process, for virtual time."""
    return msgspec.convert(as_told(replay(path)), Compared)


class Lab:
    """Settings are small, so that a few hundred repositories take many steps."""

    def __init__(
        self,
        folder: Path,
        network: SandboxNetwork,
        *,
        relays: tuple[str, ...] = (RELAY_URL,),
        page_size: int = 25,
        batch_size: int = 20,
        attempts_max: int = 8,
        channel: str = "fast",
        info_rate: int = 1000,
        group_max: int = 40,
    ) -> None:
        self.folder, self.network = folder, network
        self.config = Config(
            data_dir=str(folder),
            relay=RelayConfig(urls=relays, page_size=page_size, max_attempts=attempts_max),
            tap=TapConfig(
                url=TAP_URL,
                batch_size=batch_size,
                info_rate=info_rate,
                channel="trio-websocket" if channel == "trio-websocket" else "fast",
            ),
            jobs=JobsConfig(read_ahead=100),
            index=IndexConfig(group_max=group_max),
            control=ControlConfig(socket=""),
            identity=IdentityConfig(plc_url=PLC_URL),
        )
        self.chance = random.Random(7)
        self.clock = virtual(START)

    @asynccontextmanager
    async def living(self, *, stop: bool = False) -> AsyncIterator[tuple[Journal, Desk]]:
        """One life of the daemon: killed at the end, or stopped in order with `stop`."""
        world = World(
            clock=self.clock,
            transport=self.network.transport,
            dial=self.network.dial,
            worker=InlineWorker,
            jitter=self.chance.random,
            compare=in_this_process,
        )
        service = self.service = Service(self.config, world)
        async with trio.open_nursery() as nursery:
            journal: Journal = await nursery.start(service.run)
            yield journal, Desk(journal)
            if stop:
                service.stop.set()
            else:
                nursery.cancel_scope.cancel()

    @property
    def door(self) -> Door:
        """What the daemon that lives now has for its faces."""
        parts = self.service._parts
        assert parts is not None
        return parts.door

    async def start(self, desk: Desk, command: StartJob | UploadLexicon) -> str:
        """Submits the command; the id of the job it started."""
        rows = (await desk.submit(command, "uid:1000")).rows
        return next(row.stream for row in rows if row.type == "job.started").removeprefix("job/")

    async def until(self, done: Callable[[], bool], within_s: float = 3600.0) -> None:
        """Waits in virtual time."""
        with trio.fail_after(within_s):
            while not done():
                await trio.sleep(0.5)

    async def until_synced(self, job_id: str, within_s: float = 3600.0) -> None:
        """Waits until the job has ended and nothing of it is open."""

        def done() -> bool:
            job, _ = self.job(job_id)
            with closing(self.views()) as views:
                shape = views._job(job, 0)
            return job.ended_at is not None and shape.sync.open == 0

        await self.until(done, within_s)

    def limits(self) -> Limits:
        return configured(self.config)

    def standing(self, job: Job) -> Standing:
        return standing(job, Scene(self.limits()))

    # --- what the files say ----------------------------------------------------------------

    def views(self) -> Views:
        return Views.open(
            self.folder / "events.db",
            self.folder / "records.db",
            InlineWorker(),
            lambda: Scene(self.limits()),
        )

    def job(self, job_id: str) -> tuple[Job, int]:
        """The job's state and records, from the projection."""
        with closing(open_reader(self.folder / "events.db")) as db:
            return jobs.find(db, job_id)[0]

    def rows(self) -> list[Row]:
        with closing(open_reader(self.folder / "events.db")) as db:
            return list(read.rows(db))

    def said(self) -> list[str]:
        """The types of all events, in order."""
        return [row.type for row in self.rows()]

    def index(self) -> list[tuple[str, str, str, str, bytes]]:
        """(did, collection, rkey, cid, body) of every record."""
        with closing(open_reader(self.folder / "records.db")) as db:
            found = db.execute("SELECT did, collection, rkey, cid, record FROM records_text")
            return sorted((*row[:4], row[4].encode()) for row in found)

    # --- what must hold at any time --------------------------------------------------------

    def check_the_index_is_the_truth(self, *collections: Nsid) -> None:
        """Record for record, as the world says."""
        truth = sorted(
            tuple(row) for collection in collections for row in self.network.world.truth(collection)
        )
        assert self.index() == truth

    def check_the_log(self) -> None:
        """It verifies; its receipts sum up to the index, to the row, per repository."""
        rows = self.rows()
        verify(rows)
        sums: dict[tuple[str, str], int] = {}
        last = 0
        for row in rows:
            event = row.event
            if isinstance(event, RecordsCommitted):
                assert event.first == last + 1
                last = event.last
                for tally in event.tallies:
                    key = (ids.unpack_one(tally.repo), event.collections[tally.collection])
                    sums[key] = sums.get(key, 0) + tally.inserted - tally.deleted
            elif isinstance(event, RecordsRemoved):
                assert event.receipt == last + 1
                last = event.receipt
                for one in event.repos:
                    key = (ids.unpack_one(one.repo), event.collection)
                    sums[key] = sums.get(key, 0) - one.count
            elif isinstance(event, GhostsRemoved):
                assert event.receipt == last + 1
                last = event.receipt
                for nsid, count in event.collections:
                    key = (ids.unpack_one(event.repo), nsid)
                    sums[key] = sums.get(key, 0) - count
            elif isinstance(event, IndexLost):
                assert event.receipts == last
                last, sums = 0, {}
            elif isinstance(event, RowsRecounted):
                assert event.receipt == last + 1
                last = event.receipt
                who = ids.unpack_one(event.repo)
                sums = {key: n for key, n in sums.items() if key[0] != who}
                sums |= {(who, nsid): rows for nsid, rows, _ in event.collections}
        for receipt in self._receipts(after=last):  # written, and not yet in the log
            for did, nsid, counts in receipt.counts:
                sums[did, nsid] = sums.get((did, nsid), 0) + counts.inserted - counts.deleted
        assert {key: n for key, n in sums.items() if n} == self._held()

    def _held(self) -> dict[tuple[str, str], int]:
        """How many rows there are of each repository and collection, shown or not."""
        with closing(open_reader(self.folder / "records.db")) as db:
            found = db.execute(
                "SELECT did, nsid, count(*) FROM record JOIN repo ON repo.id = repo"
                " JOIN collection ON collection.id = collection WHERE cid IS NOT NULL GROUP BY 1, 2"
            )
            return {(who, what): n for who, what, n in found}

    def _receipts(self, after: int) -> list[Receipt]:
        with closing(open_reader(self.folder / "records.db")) as db:
            found = db.execute("SELECT content FROM receipt WHERE no > ? ORDER BY no", (after,))
            return [msgspec.msgpack.decode(content, type=Receipt) for (content,) in found]

    def handed_over(self, job_id: str) -> list[Did]:
        """The DIDs the log says were handed to Tap, in order; checks that no ordinal is missing."""
        found: list[Did] = []
        queue: list[Did] = []
        for row in self.rows():
            if row.stream != f"job/{job_id}":
                continue
            event = row.event
            if isinstance(event, PageDiscovered | DidsGiven):
                assert event.first == len(queue)
                queue += ids.unpack(event.dids)
            elif isinstance(event, BatchHandedOff):
                assert event.first == len(found)
                found += queue[event.first : event.upto]
        return found

    def story(self) -> str:
        """The log for a person who reads a failed test."""
        return "\n".join(str(as_data(row)) for row in self.rows())
