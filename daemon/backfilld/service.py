"""The daemon, on one page: what it opens, what runs in which nursery, how it ends.

Three nurseries, one in the other. The journal outlives everything, for everything appends to it.
The workers (lanes, observer, ledger) are cancelled at once: what they do is safe to break off.
The faces (control, channel) end by themselves when `stop` is set: the channel commits and acks
what it has received first.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import trio

from backfilld_events.catalog.service import ServiceEvent, ServiceStarted, ServiceStopped
from backfilld_events.eventlog import EventLog
from backfilld_events.row import NewEvent

from . import __version__, asking, config, systemd
from .assembly import Given, Opened, Parts, World, assembled
from .backfill.standing import Scene, scene
from .config import Config
from .control.door import Door
from .control.serving.listeners import tcp_listener, unix_listener
from .control.serving.server import serve
from .control.views import Views
from .dashboard import mount as dashboard
from .journal import Journal
from .limits import limits_now
from .network.opened import open_network
from .records.accounts import Policies
from .records.sqlite import SqliteStore
from .sources.tap.http import WITHIN_S

CONNECTIONS_MAX = 10


class DataDirTaken(Exception):
    """Another daemon works in this data_dir."""


class Service:
    """One life of the daemon. `config` may be replaced while it runs (SIGHUP)."""

    def __init__(self, settings: Config, world: World | None = None) -> None:
        self.config, self._world = settings, world or World()
        self.stop = trio.Event()
        self._parts: Parts | None = None
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
                SqliteStore.open(
                    folder / "records.db",
                    settings.index.dead_letter_max,
                    settings.index.dead_letters_max,
                    _policies(settings),
                )
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
                opened = Opened(log, store, views, log_views, lane_views, relays, taps, network)
                given = Given(lambda: self.config, self._password, self._world, self.stop)
                self._parts = assembled(opened, given)
                await self._live(self._parts, task_status)

    async def _live(self, parts: Parts, task_status: trio.TaskStatus[Journal]) -> None:
        journal, ledger = parts.journal, parts.ledger
        async with trio.open_nursery() as lasting:
            await lasting.start(journal.run)
            await ledger.check()
            await _note(journal, ServiceStarted(version=__version__))
            await ledger.catch_up()
            await parts.runner.pick_up()
            async with trio.open_nursery() as tap:
                if parts.tap_child is not None:
                    await tap.start(parts.tap_child.run)
                async with trio.open_nursery() as workers:
                    for task in parts.tasks:
                        workers.start_soon(task)
                    async with trio.open_nursery() as faces:
                        await self._face(faces, parts.door)
                        faces.start_soon(parts.pump.run, self.stop)
                        task_status.started(journal)
                    workers.cancel_scope.cancel()
                tap.cancel_scope.cancel()  # after the channel: what it sent is committed and acked
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
        return Views.open(*files, self._world.worker(), lambda: self._scene(log))

    @property
    def busy(self) -> frozenset[str]:
        """The jobs that have a step under way."""
        return frozenset() if self._parts is None else self._parts.runner.busy

    def _scene(self, log: EventLog) -> Scene:
        return scene(log.state.jobs, limits_now(lambda: self.config, log), self.busy)

    def _client(self, timeout_s: float, auth: httpx.BasicAuth | None = None) -> httpx.AsyncClient:
        return asking.client(
            timeout_s,
            auth=auth,
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
            transport=self._world.transport,
            headers={"user-agent": f"backfilld/{__version__}"},
        )


def _policies(settings: Config) -> Policies:
    index = settings.index
    return Policies(index.account_deleted, index.account_takendown, index.account_deactivated)


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
