"""The daemon, on one page: what it opens, what runs in which nursery, how it ends.

Three nurseries, one in the other. The journal outlives everything, for everything appends to it.
The workers (lanes, observer, ledger) are cancelled at once: what they do is safe to break off.
The faces (control, channel) end by themselves when `stop` is set: the channel commits and acks
what it has received first.
"""

import fcntl
import os
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import httpx
import trio

from backfilld_events.catalog.service import ServiceEvent, ServiceStarted, ServiceStopped
from backfilld_events.eventlog import EventLog
from backfilld_events.ids import Nsid
from backfilld_events.row import NewEvent

from . import __version__, asking, config, systemd
from .backfill.desk import Desk
from .backfill.observer import Observer
from .backfill.plan import Limits
from .backfill.runner import Runner
from .backfill.schedule import Schedule
from .backfill.standing import scene
from .backfill.steps import Steps
from .clock import Clock, system
from .config import Config
from .control.door import Door
from .control.jobs.estimating import estimating
from .control.serving.listeners import tcp_listener, unix_listener
from .control.serving.server import serve
from .control.tapstats import TapCounters
from .control.views import Views
from .dashboard import mount as dashboard
from .delivery.inbox import GroupLimits
from .delivery.ledger import Ledger
from .delivery.pump import Pump
from .delivery.removal import Remover
from .discovery.relay import Relay
from .journal import Journal
from .network.opened import Network, open_network
from .notify.notifier import Notifier
from .recheck import recheck
from .records.sqlite import SqliteStore
from .sources.tap.channel import Channel, Dial, dial_tcp, open_fast, open_trio_websocket
from .sources.tap.http import WITHIN_S, TapHttp
from .worker import ThreadWorker, Worker

CONNECTIONS_MAX = 10


class World(NamedTuple):
    """What is outside: replaced in tests that run in virtual time, with peers in memory."""

    clock: Clock = system
    transport: httpx.AsyncBaseTransport | None = None
    dial: Dial = dial_tcp
    worker: Callable[[], Worker] = ThreadWorker
    jitter: Callable[[], float] = random.random


class DataDirTaken(Exception):
    """Another daemon works in this data_dir."""


class _Opened(NamedTuple):
    """What a life has open: files and clients. Three views, so that a long log keeps no other
    question waiting, and no question keeps a lane waiting."""

    log: EventLog
    store: SqliteStore
    views: Views
    log_views: Views
    lane_views: Views
    relays: httpx.AsyncClient
    taps: httpx.AsyncClient
    network: Network


class _Parts(NamedTuple):
    """What runs."""

    journal: Journal
    ledger: Ledger
    runner: Runner
    observer: Observer
    schedule: Schedule
    notifier: Notifier
    checking: Callable[[], Awaitable[None]]
    pump: Pump
    door: Door


class Service:
    """One life of the daemon. `config` may be replaced while it runs (SIGHUP)."""

    def __init__(self, settings: Config, world: World | None = None) -> None:
        self.config, self._world = settings, world or World()
        self.stop = trio.Event()
        self._busy: Callable[[], frozenset[str]] = frozenset
        self._password = config.password(settings)

    async def run(
        self, *, task_status: trio.TaskStatus[Journal] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Runs until `stop` is set and all is drained. Started when the socket answers. Raises
        DataDirTaken, file.BadFile, listeners.SocketTaken, ledger.ReceiptsMissing,
        recheck.StateDiffers."""
        settings = self.config
        folder = Path(settings.data_dir)
        with (
            _only_one(folder),
            closing(EventLog.open(folder / "events.db", systemd.replaying)) as log,
            closing(
                SqliteStore.open(folder / "records.db", settings.index.dead_letter_max)
            ) as store,
            closing(self._views(folder, log)) as views,
            closing(self._views(folder, log)) as log_views,
            closing(self._views(folder, log)) as lane_views,
        ):
            async with (
                self._client(float(settings.relay.timeout)) as relays,
                self._client(
                    WITHIN_S,
                    httpx.BasicAuth("admin", self._password) if self._password else None,
                ) as taps,
                open_network(
                    settings.identity, self._world.clock, self._world.transport
                ) as network,
            ):
                opened = _Opened(log, store, views, log_views, lane_views, relays, taps, network)
                await self._live(self._assembled(opened), task_status)

    def _assembled(self, opened: _Opened) -> _Parts:
        """The parts, each with what it needs and nothing else."""
        settings, world = self.config, self._world
        tap = TapHttp(opened.taps, settings.tap.url, world.clock)
        journal = Journal(opened.log, world.worker(), world.clock)
        desk, index_worker = Desk(journal), world.worker()
        ledger = Ledger(opened.store, index_worker, journal)
        lister = Relay(opened.relays, world.clock, float(settings.relay.timeout))
        lanes = opened.lane_views
        steps = Steps(lister, tap, lanes.dids, world.clock, world.jitter)
        pump = Pump(
            self._open_channel,
            settings.tap.url,
            opened.store,
            index_worker,
            journal,
            world.clock,
            lambda: _wanted(journal),
            GroupLimits(settings.index.group_max, float(settings.index.group_wait)),
            ledger.wake,
        )
        runner = Runner(journal, steps, world.clock, self._limits)
        self._busy = lambda: runner.busy
        notifier = Notifier(
            journal, settings, world, lambda: scene(journal.state.jobs, self._limits(), runner.busy)
        )
        return _Parts(
            journal,
            ledger,
            runner,
            Observer(
                tap, lanes.to_ask, journal, lambda: self.config.tap.info_rate, ledger.catch_up
            ),
            Schedule(journal, desk, world.clock, lambda: float(self.config.jobs.rediscover)),
            notifier,
            partial(recheck, opened.log.state, opened.log_views.fold, journal.distrust),
            pump,
            Door(
                desk=desk,
                journal=journal,
                views=opened.views,
                log_views=opened.log_views,
                counters=TapCounters(tap, world.clock),
                config=lambda: self.config,
                unacked=lambda: pump.unacked,
                rebuilt=opened.log.rebuilt,
                stop=self.stop,
                clock=world.clock,
                at_rest=runner.at_rest,
                remover=Remover(opened.store, index_worker, journal, ledger, world.clock),
                network=opened.network,
                send_samples=notifier.send_samples,
            ),
        )

    async def _live(self, parts: _Parts, task_status: trio.TaskStatus[Journal]) -> None:
        journal, ledger, runner, observer, schedule, notifier, checking, pump, door = parts
        async with trio.open_nursery() as lasting:
            await lasting.start(journal.run)
            await ledger.check()
            await _note(journal, ServiceStarted(version=__version__))
            await ledger.catch_up()
            await runner.pick_up()
            async with trio.open_nursery() as workers:
                workers.start_soon(runner.run)
                workers.start_soon(observer.run)
                workers.start_soon(ledger.run)
                workers.start_soon(schedule.run)
                workers.start_soon(notifier.run)
                workers.start_soon(door.views.sampling)
                workers.start_soon(estimating, journal, door.views)
                workers.start_soon(door.remover.run)
                workers.start_soon(door.counters.sampling)
                workers.start_soon(checking)
                async with trio.open_nursery() as faces:
                    await self._face(faces, door)
                    faces.start_soon(pump.run, self.stop)
                    task_status.started(journal)
                workers.cancel_scope.cancel()
            await ledger.catch_up()
            await _note(journal, ServiceStopped(reason="asked to stop"))
            lasting.cancel_scope.cancel()

    async def _face(self, faces: trio.Nursery, door: Door) -> None:
        control = self.config.control
        if not control.socket:  # tests that speak to the desk directly
            return
        path = Path(control.socket)
        listeners = [tcp_listener(control.listen)] if control.listen else []
        listeners.append(unix_listener(path, int(control.socket_mode, 8), control.socket_group))
        pages = dashboard.routes(door)

        async def serve_and_clear(*, task_status: trio.TaskStatus[None]) -> None:
            try:
                await serve(door, listeners, pages, stop=self.stop, task_status=task_status)
            finally:
                path.unlink(missing_ok=True)  # noqa: ASYNC240 - one unlink, at the end

        await faces.start(serve_and_clear)

    def _views(self, folder: Path, log: EventLog) -> Views:
        files = (folder / "events.db", folder / "records.db")
        return Views.open(
            *files,
            self._world.worker(),
            lambda: scene(log.state.jobs, self._limits(), self._busy()),
        )

    def _open_channel(self) -> AbstractAsyncContextManager[Channel]:
        tap = self.config.tap
        opener = open_fast if tap.channel == "fast" else open_trio_websocket
        return opener(tap.url, self._password, self._world.dial)

    def _client(self, timeout_s: float, auth: httpx.BasicAuth | None = None) -> httpx.AsyncClient:
        return asking.client(
            timeout_s,
            auth=auth,
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
            transport=self._world.transport,
            headers={"user-agent": f"backfilld/{__version__}"},
        )

    def _limits(self) -> Limits:
        one = self.config
        return Limits(
            relays=tuple(dict.fromkeys(url.rstrip("/") for url in one.relay.urls)),
            page_size=one.relay.page_size,
            attempts_max=one.relay.max_attempts,
            relay_backoff_s_max=float(one.relay.backoff_max),
            batch_size=one.tap.batch_size,
            read_ahead=max(one.jobs.read_ahead, one.tap.batch_size),
            concurrent=one.jobs.concurrent,
        )


def _wanted(journal: Journal) -> frozenset[Nsid]:
    lexicons = journal.state.lexicons.values()
    return frozenset(lexicon.nsid for lexicon in lexicons if lexicon.is_record)


async def _note(journal: Journal, event: ServiceEvent) -> None:
    await journal.append([NewEvent("service", event, "system")])


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Holds the data_dir: two writers in one file would be the end of it."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        handle = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise DataDirTaken(f"data_dir {folder}: {error.strerror}; may we write there?") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise DataDirTaken(f"data_dir {folder}: another backfilld works there") from error
    finally:
        os.close(handle)
