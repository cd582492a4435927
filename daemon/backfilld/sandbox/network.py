"""A whole sandbox network: a world, a relay and a Tap, on loopback or without any socket.

The one rule: both ways lead to the same handlers. `async with` it for tests in virtual time
(`transport`, `open_channel`, `dial`); give `serve` to a nursery for real ports. The Tap can be
killed and started again; its disk outlives it. The servers of repositories and the directory of
accounts are there without sockets alone.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from types import TracebackType
from typing import NamedTuple, Self

import trio
import trio.testing

from . import http
from .faults import FaultPlan
from .http import Answer, Cut, Handler, Request
from .relay import Quirks, Relay
from .servers import Servers
from .tap import Tap, TapDisk, TapSettings
from .transport import Transport
from .world import World

RELAY_URL = "http://relay.test"
TAP_URL = "http://tap.test"
PLC_URL = "http://plc.test"
LOOPBACK = "127.0.0.1"


class Addresses(NamedTuple):
    """Where the servers listen."""

    relay: str
    tap: str


class SandboxNetwork:
    """Use `relay.quirks`, `relay_faults`, `tap_faults` and `world` to make things happen."""

    def __init__(
        self,
        world: World,
        settings: TapSettings | None = None,
        *,
        quirks: Quirks | None = None,
        relay_faults: FaultPlan | None = None,
        tap_faults: FaultPlan | None = None,
    ) -> None:
        self.world, self.settings = world, settings or TapSettings()
        self.relay, self.servers = Relay(world, quirks), Servers(world)
        self.disk = TapDisk(world)
        self.tap: Tap | None = None  # the life that runs now
        self._previous: Tap | None = None  # the last one there was
        self.relay_faults = relay_faults or FaultPlan()
        self.tap_faults = tap_faults or FaultPlan()
        self.transport = Transport(self._find)
        self._nursery: trio.Nursery | None = None
        self._inside: AbstractAsyncContextManager[None] | None = None
        self._began = 0.0
        self._tap_port: int | None = None  # None: no sockets
        self._tap_listening = trio.CancelScope()

    # --- without sockets -----------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._inside = self._running()
        await self._inside.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        assert self._inside is not None  # noqa: S101 - __aenter__ came before
        return await self._inside.__aexit__(kind, error, trace)

    def open_channel(self) -> trio.abc.Stream:
        """The client's end of a connection to Tap; like a socket without buffers, so a client
        that does not read holds Tap back. Raises ConnectionRefusedError when no Tap runs."""
        if self.tap is None or self._nursery is None:
            raise ConnectionRefusedError("no Tap runs")
        ours, theirs = trio.testing.lockstep_stream_pair()
        self._nursery.start_soon(self.tap.serve, theirs, self._tap_handler)
        return ours

    @asynccontextmanager
    async def dial(self, host: str, port: int) -> AsyncIterator[trio.abc.Stream]:
        """`open_channel` for a client that dials; host and port are those of TAP_URL."""
        stream = self.open_channel()
        try:
            yield stream
        finally:
            await trio.aclose_forcefully(stream)

    def _find(self, host: str, port: int) -> Handler | None:
        if f"http://{host}" == RELAY_URL and not self._down(self.relay_faults):
            return self.relay_faults.guard(self.relay.handle)
        if f"http://{host}" == TAP_URL and self.tap is not None:
            return self._tap_handler
        if f"http://{host}" == PLC_URL:
            return self.servers.directory
        return self.servers.pds if self.servers.is_up(f"http://{host}") else None

    # --- on loopback ---------------------------------------------------------------------------

    async def serve(
        self,
        relay_port: int = 0,
        tap_port: int = 0,
        *,
        task_status: trio.TaskStatus[Addresses] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serves on real ports until cancelled; 0 takes a free one, which a restarted Tap
        keeps."""
        relay = await trio.open_tcp_listeners(relay_port, host=LOOPBACK)
        self._tap_port = tap_port
        async with self._running():
            assert self._nursery is not None  # noqa: S101 - it is running
            await self._nursery.start(trio.serve_listeners, self._serve_relay, relay)
            port = relay[0].socket.getsockname()[1]
            task_status.started(
                Addresses(f"http://{LOOPBACK}:{port}", f"http://{LOOPBACK}:{self._tap_port}")
            )
            await trio.sleep_forever()

    async def _serve_relay(self, stream: trio.abc.Stream) -> None:
        await http.serve(self._relay_or_nothing, stream)

    async def _relay_or_nothing(self, request: Request) -> Answer:
        if self._down(self.relay_faults):
            return Cut()
        return await self.relay_faults.guard(self.relay.handle)(request)

    async def _listen(self, tap: Tap, *, task_status: trio.TaskStatus[None]) -> None:
        with trio.CancelScope() as self._tap_listening:
            listeners = await trio.open_tcp_listeners(self._tap_port or 0, host=LOOPBACK)
            self._tap_port = listeners[0].socket.getsockname()[1]

            async def serve(stream: trio.abc.Stream) -> None:
                await tap.serve(stream, self._tap_handler)

            task_status.started()
            await trio.serve_listeners(serve, listeners)

    # --- the life of Tap -----------------------------------------------------------------------

    async def start_tap(self, settings: TapSettings | None = None) -> Tap:
        """Starts a Tap on the disk, with new settings if given, after killing any that runs."""
        assert self._nursery is not None, "the network is not running"  # noqa: S101
        previous = self._previous
        self.kill_tap()
        if previous is not None:
            await previous.gone.wait()
        self.settings = settings or self.settings
        tap = self.tap = self._previous = Tap(self.disk, self.world, self.settings)
        await self._nursery.start(self._live, tap)
        if self._tap_port is not None:
            await self._nursery.start(self._listen, tap)
        return tap

    async def restart_tap(self, *, filters: Sequence[str] | None = None) -> Tap:
        """Kills Tap and starts it again on the same disk, with another collection filter if one is
        given; empty: every collection."""
        if filters is None:
            return await self.start_tap()
        return await self.start_tap(replace(self.settings, collection_filters=tuple(filters)))

    async def forget_all(self) -> Tap:
        """Tap loses its database: the next life has never heard of anybody."""
        self.kill_tap()
        if self._previous is not None:
            await self._previous.gone.wait()
        self.disk.lose_database()
        return await self.start_tap()

    async def _live(self, tap: Tap, *, task_status: trio.TaskStatus[None]) -> None:
        await tap.run(task_status=task_status)
        if self.tap is tap:  # it crashed
            self.kill_tap()

    def kill_tap(self) -> None:
        """SIGKILL: what was in memory is gone, connections end, nobody listens."""
        if self.tap is not None:
            self.tap.kill()
            self._tap_listening.cancel()
            self.tap = None

    async def _tap_handler(self, request: Request) -> Answer:
        return Cut() if self.tap is None else await self.tap_faults.guard(self.tap.handle)(request)

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        self._began = trio.current_time()
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await self.start_tap()
            nursery.start_soon(self._tap_outages)
            try:
                yield
            finally:
                self.kill_tap()
                nursery.cancel_scope.cancel()
                self._nursery = None

    async def _tap_outages(self) -> None:
        for start, end in self.tap_faults.down:
            await trio.sleep_until(self._began + start)
            self.kill_tap()
            self.tap_faults.fired["down"] += 1
            await trio.sleep_until(self._began + end)
            await self.start_tap()

    def _down(self, faults: FaultPlan) -> bool:
        since = trio.current_time() - self._began
        down = any(start <= since < end for start, end in faults.down)
        faults.fired["down"] += down
        return down
