"""A running Tap: its workers, timers and connections around the core.

The one rule: time is trio's alone, so a Tap runs in virtual time as well. `kill` is SIGKILL: the
memory is gone, the disk is as it was, every connection ends without a word.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from .. import http
from ..http import Answer, Cut, Handler, Hang, Request, Upgrade
from ..world import World
from . import routes
from .core import RESYNC_BATCH, Core, Crash
from .disk import TapDisk
from .fetching import Failed, Snapshot
from .settings import TapSettings
from .websocket import Acked, Over, Reader, Reply, accept_headers

DELETE_EVERY_S = 10.0
IDLE_WORKER_S = 1.0
WRITE_EVENTS = 10_000
WRITE_EVENTS_SHARED = 16  # when there are several connections: each gets some
RECEIVE_BYTES = 256 * 2**10


class Tap:
    """One process life. Make the next one on the same disk."""

    def __init__(self, disk: TapDisk, world: World, settings: TapSettings | None = None) -> None:
        self.settings = settings or TapSettings()
        self.core = Core(disk, world, self.settings)
        self.silent = False  # its channels are up, and nothing comes over them
        self.crash = ""  # why it died of itself
        self.gone = trio.Event()  # it is dead, and nothing of it runs any more
        self._world = world
        self._alive = trio.CancelScope()
        self._running = False
        self._connections: set[trio.CancelScope] = set()
        self._channels: set[trio.CancelScope] = set()
        self._bell = trio.lowlevel.ParkingLot()
        self._heard = trio.lowlevel.ParkingLot()

    @property
    def dead(self) -> bool:
        return self._alive.cancel_called

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Works until killed."""
        self._world.listeners.append(self._hear)
        self._running = True
        try:
            with self._alive:
                async with trio.open_nursery() as nursery:
                    self.core.outbox.load(trio.current_time())
                    nursery.start_soon(self._delete_acked)
                    if not self.settings.disable_acks:
                        nursery.start_soon(self._sweep)
                    if not self.settings.outbox_only:
                        nursery.start_soon(self._follow)
                        for _ in range(self.settings.resync_parallelism):
                            nursery.start_soon(self._resync_worker)
                    task_status.started()
        finally:
            self._world.listeners.remove(self._hear)
            self._running = False
            self.kill()

    def kill(self) -> None:
        """Takes effect at once for every client; wait for `gone` before the next life."""
        self._alive.cancel()
        for scope in self._connections:
            scope.cancel()
        self._look_whether_gone()

    def _look_whether_gone(self) -> None:
        if self.dead and not self._running and not self._connections:
            self.gone.set()

    # --- connections ---------------------------------------------------------------------------

    async def serve(self, stream: trio.abc.Stream, handler: Handler | None = None) -> None:
        """Serves one connection, HTTP or WebSocket; `handler` stands before `handle`."""
        async with self._connection(stream):
            await http.serve(handler or self.handle, stream)

    async def handle(self, request: Request) -> Answer:
        if self.dead:
            return Cut()
        refused = routes.unauthorized(request, self.settings.admin_password)
        if refused is not None:
            return refused
        if request.path == "/channel" and request.method == "GET":
            if self.settings.webhook:
                return routes.webhook_mode()
            headers = accept_headers(request)
            return routes.bad_handshake() if headers is None else Upgrade(headers, self._channel)
        if self._hangs(request.path.removeprefix("/resolve/")):
            return Hang()
        response = routes.answer(self.core, request)
        self._ring()
        return response

    @asynccontextmanager
    async def _connection(self, stream: trio.abc.Stream) -> AsyncIterator[None]:
        with trio.CancelScope() as scope:
            self._connections.add(scope)
            try:
                if self.dead:
                    scope.cancel()
                yield
            finally:
                self._connections.remove(scope)
                self._look_whether_gone()
                await trio.aclose_forcefully(stream)

    def cut_channels(self) -> None:
        """Every WebSocket ends without a word; Tap lives on."""
        for scope in self._channels:
            scope.cancel()

    def hush(self, silent: bool) -> None:
        """From now on nothing is sent, or all that waited is."""
        self.silent = silent
        self._ring()

    async def _channel(self, stream: trio.abc.Stream) -> None:
        sending = trio.Lock()
        try:
            async with trio.open_nursery() as nursery:
                self._channels.add(nursery.cancel_scope)
                nursery.start_soon(self._write, stream, sending)
                await self._read(stream, sending)
                nursery.cancel_scope.cancel()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self._channels.discard(nursery.cancel_scope)

    async def _read(self, stream: trio.abc.Stream, sending: trio.Lock) -> None:
        reader = Reader()
        while data := await stream.receive_some(RECEIVE_BYTES):
            replies, over, now = b"", False, trio.current_time()
            for said in reader.feed(bytes(data)):
                match said:
                    case Acked(number):
                        if not self.settings.disable_acks:
                            self.core.outbox.ack(number, now)
                    case Reply(frame):
                        replies += frame
                    case Over(frame):
                        replies, over = replies + frame, True
            self._ring()
            if replies:
                async with sending:
                    await stream.send_all(replies)
            if over:
                return

    async def _write(self, stream: trio.abc.Stream, sending: trio.Lock) -> None:
        outbox = self.core.outbox
        while True:
            share = WRITE_EVENTS if len(self._channels) == 1 else WRITE_EVENTS_SHARED
            bytes_max, now = self.settings.socket_bytes, trio.current_time()
            events = [] if self.silent else outbox.take(bytes_max, share, now)
            if not events:
                await self._bell.park()
                continue
            async with sending:
                await stream.send_all(b"".join([event.frame for event in events]))
            if self.settings.disable_acks:
                for event in events:
                    outbox.ack(event.number, trio.current_time())

    def _ring(self) -> None:
        """Something may have become possible: events to send, or room for more."""
        self._bell.unpark_all()

    def _hear(self) -> None:
        self._heard.unpark_all()

    # --- background ----------------------------------------------------------------------------

    async def _delete_acked(self) -> None:
        while True:
            await trio.sleep(DELETE_EVERY_S)
            self.core.outbox.delete_acked(trio.current_time())
            self._ring()

    async def _sweep(self) -> None:
        while True:
            await trio.sleep(self.settings.retry_timeout_s)
            self.core.outbox.sweep(trio.current_time())
            self._ring()

    async def _ready(self) -> None:
        while not self.core.outbox.ready:
            await self._bell.park()

    async def _follow(self) -> None:
        """The firehose: from the cursor on disk, or from now when there is none."""
        await self._ready()
        core, firehose = self.core, self._world.firehose
        start = core.disk.cursor
        seq = len(firehose) if start is None or self.settings.no_replay else start
        core.disk.cursor = seq
        while True:
            while seq < len(firehose):
                while core.outbox.overfull:
                    await self._bell.park()
                core.hear(firehose[seq], trio.current_time())
                seq += 1
                core.last_seq = core.disk.cursor = seq
                self._ring()
                await trio.lowlevel.checkpoint()
            await self._heard.park()

    async def _resync_worker(self) -> None:
        while True:
            await self._ready()
            did = self.core.disk.repos.claim(trio.current_time())
            if did is None:
                await trio.sleep(IDLE_WORKER_S)
            else:
                await self._resync(did)

    async def _resync(self, did: str) -> None:
        core, settings = self.core, self.settings
        if self._hangs(did):
            await trio.sleep_forever()  # the look-up has no timeout, and holds the worker
        core.refresh_identity(did, trio.current_time())
        found = core.fetch(did, trio.current_time())
        self._ring()
        if isinstance(found, Failed) and found.late:
            await trio.sleep(settings.repo_fetch_timeout_s)
        else:
            asked = isinstance(found, Snapshot) or found.host is not None
            await trio.sleep(settings.fetch_s if asked else 0)
        if isinstance(found, Snapshot):
            for batch in core.news(did, found):
                if len(batch) == RESYNC_BATCH:  # for what is left at the end it does not wait
                    await self._ready()
                await trio.sleep(settings.batch_s)
                core.store(did, found.rev, batch, trio.current_time())
                self._ring()
            core.finish(did, found, trio.current_time())
        else:
            self._fail(did, found)
        self._ring()

    def _hangs(self, did: str) -> bool:
        ordinal = self._world.ordinal(did)
        return ordinal is not None and self._world.fate(ordinal) == "identity_hangs"

    def _fail(self, did: str, failure: Failed) -> None:
        try:
            self.core.fail(did, failure, trio.current_time())
        except Crash as crash:
            self.crash = str(crash)
            self.kill()
