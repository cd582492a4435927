"""The daemon, on one page: what it opens, what runs in which nursery, how it ends.

Three nurseries, one in the other. The journal outlives everything, for everything appends to it.
The workers (lanes, observer, ledger) are cancelled at once: what they do is safe to break off.
The faces (control, channel) end by themselves when `stop` is set: the channel commits and acks
what it has received first.

A log that does not verify is not written to. Then the workers, the channel and Tap end, or do not
begin; the faces answer, and people are told.
"""

from contextlib import closing
from functools import partial
from pathlib import Path

import httpx
import trio

from backfilld_events.catalog.service import ServiceEvent, ServiceStarted, ServiceStopped
from backfilld_events.eventlog import EventLog, NotShown
from backfilld_events.log.file import BadFile
from backfilld_events.row import NewEvent

from . import __version__, asking, config, systemd
from .assembly import Given, Opened, Parts, assembled
from .backfill.standing import Scene, scene
from .config import Config
from .control.door import Door
from .control.serving.listeners import tcp_listener, unix_listener
from .control.serving.server import serve
from .control.views import Views
from .dashboard import mount as dashboard
from .datadir import only_one
from .journal import Journal
from .limits import limits_now
from .network.opened import open_network
from .notify import broken
from .records.accounts import Policies
from .records.sqlite import SqliteStore
from .sources.tap.http import WITHIN_S
from .tapchild.child import TapChild
from .verification import start
from .verification.alarm import Alarm
from .verification.known import Verification
from .verification.start import LogBroken
from .world import World

CONNECTIONS_MAX = 10
TELL_S = 60.0  # people are told for so long when nothing can be shown, and so all ends


class Service:
    """One life of the daemon. `config` may be replaced while it runs (SIGHUP)."""

    def __init__(self, settings: Config, world: World | None = None) -> None:
        self.config, self._world = settings, world or World()
        self.stop = trio.Event()
        self.verification = Verification()
        self._parts: Parts | None = None
        self._password = config.password(settings)

    async def run(
        self, *, task_status: trio.TaskStatus[Journal] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Runs until `stop` is set and all is drained. Started when the socket answers. Raises
        DataDirTaken, file.BadFile, listeners.SocketTaken, ledger.ReceiptsMissing,
        recheck.ProjectionsDiffer, LogBroken."""
        settings, world = self.config, self._world
        folder = Path(settings.data_dir)
        with only_one(folder):
            self.verification = await world.worker()(
                start.check, folder, settings.log, world.clock(), systemd.verifying
            )
            with closing(await self._log(folder / "events.db")) as log:
                await self._opened(log, task_status)

    async def _log(self, path: Path) -> EventLog:
        problem = self.verification.problem
        if problem is None:
            return EventLog.open(path, systemd.replaying)
        try:
            return EventLog.show(path)
        except (NotShown, BadFile) as error:
            with trio.move_on_after(TELL_S):
                await broken.tell(problem, self.config, self._world)
            raise LogBroken(f"{problem.told}. And nothing of it can be shown: {error}") from error

    async def _opened(self, log: EventLog, task_status: trio.TaskStatus[Journal]) -> None:
        settings = self.config
        folder = Path(settings.data_dir)
        with (
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
                given = Given(
                    lambda: self.config, self._password, self._world, self.stop, self.verification
                )
                self._parts = assembled(opened, given)
                await self._live(self._parts, task_status)

    async def _live(self, parts: Parts, task_status: trio.TaskStatus[Journal]) -> None:
        journal, guard = parts.journal, parts.proof.alarm
        async with trio.open_nursery() as lasting:
            await lasting.start(journal.run)
            await guard.begin()
            lasting.start_soon(self._tell, guard.frozen)
            if not journal.frozen:
                await self._take_up(parts)
            async with trio.open_nursery() as tap:
                if parts.tap_child is not None and not journal.frozen:
                    await tap.start(_child, guard, parts.tap_child)
                async with trio.open_nursery() as workers:
                    for task in parts.tasks:
                        workers.start_soon(guard.unless, task)
                    async with trio.open_nursery() as faces:
                        await self._face(faces, parts.door)
                        faces.start_soon(guard.unless, partial(parts.pump.run, self.stop))
                        faces.start_soon(self.stop.wait)  # also when the channel has ended before
                        task_status.started(journal)
                    workers.cancel_scope.cancel()
                tap.cancel_scope.cancel()  # after the channel: what it sent is committed and acked
            if not journal.frozen:
                await parts.ledger.catch_up()
                await _note(journal, ServiceStopped(reason="asked to stop"))
                await parts.proof.checkpoints.make()
            lasting.cancel_scope.cancel()

    async def _take_up(self, parts: Parts) -> None:
        await parts.ledger.check()
        await _note(parts.journal, ServiceStarted(version=__version__))
        await parts.ledger.take_up()
        await parts.ledger.catch_up()
        await parts.runner.pick_up()

    async def _tell(self, frozen: trio.Event) -> None:
        await frozen.wait()
        if (problem := self.verification.problem) is not None:
            await broken.tell(problem, self.config, self._world)

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
        limits, frozen = limits_now(lambda: self.config, log), self.verification.problem is not None
        return scene(log.state.jobs, limits, self.busy, frozen=frozen)

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


async def _child(guard: Alarm, child: TapChild, *, task_status: trio.TaskStatus[None]) -> None:
    await guard.unless(partial(child.run, task_status=task_status))


async def _note(journal: Journal, event: ServiceEvent) -> None:
    await journal.append([NewEvent("service", event, "system")])
