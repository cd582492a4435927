"""Serves the API on a Unix socket: who may is the file's mode, who did is the peer.

What goes wrong with one connection ends that connection: a client may break any rule of HTTP,
send half a body, or never read. It rests on hypercorn's inner trio classes (pyproject.toml has the
ceiling): its own serve() neither tells who is calling nor takes listeners that are ready.
"""

import grp
import os
import socket
import stat
import struct
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState, LifespanState
from litestar import Litestar

from ..asking import leaves
from .door import Door
from .problems import HANDLERS, known_query
from .routes import routes

BODY_BYTES_MAX = 8 * 2**20  # 100,000 DIDs are 4 MB
GRACE_S = 5.0  # for requests under way when the daemon stops
CONNECTIONS_MAX = 512  # at once; one more is closed unheard
BODY_S_MAX = 30.0  # between two parts of a body
LINGER_S = 1.0  # for what a client still sends when it was answered already


_LOG = structlog.get_logger("control")


class SocketTaken(Exception):
    """The socket cannot be had; the message says why and what to do."""


class Peer(NamedTuple):
    """Who is at the other end, as the kernel knew at connect()."""

    pid: int
    uid: int
    gid: int


class _Connection(TCPServer):
    """Puts the peer beside each request: request.scope["state"]["peer"]."""

    async def run(self) -> None:
        sock, peer = self.stream.socket, None
        if sock.family == socket.AF_UNIX:
            size = struct.calcsize("3i")
            peer = Peer(
                *struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
            )
        self.state = ConnectionState({**self.state, "peer": peer})
        try:
            await super().run()
        except* Exception as errors:  # noqa: BLE001 - whatever it was, it is this connection's
            _LOG.debug("a connection broke", reason=[repr(one) for one in leaves(errors)])
        finally:
            self.stream.socket.close()


def app(door: Door) -> Litestar:
    """The ASGI application."""
    return Litestar(
        routes(door),
        exception_handlers=HANDLERS,
        openapi_config=None,
        logging_config=None,
        before_request=known_query,
        request_max_body_size=BODY_BYTES_MAX,
    )


def unix_listener(path: Path, mode: int, group: str) -> trio.SocketListener:
    """Listens on `path`, never open wider than `mode`. Raises SocketTaken."""
    _clear(path)
    sock = socket.socket(socket.AF_UNIX)
    before = os.umask(0o777 & ~mode)
    try:
        sock.bind(str(path))
        if group:
            os.chown(path, -1, grp.getgrnam(group).gr_gid)
    except KeyError as error:
        raise SocketTaken(f"control.socket_group: there is no group {group}") from error
    except OSError as error:
        raise SocketTaken(
            f"{path}: {error.strerror or error}. Does its folder exist, and may we write there? "
            "control.socket names another place"
        ) from error
    finally:
        os.umask(before)
    sock.listen(128)
    return trio.SocketListener(trio.socket.from_stdlib_socket(sock))


async def serve(
    application: Litestar,
    listeners: list[trio.SocketListener],
    *,
    stop: trio.Event,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves until `stop`; requests under way have GRACE_S to end. Started when it accepts."""
    config = HypercornConfig()
    config.errorlog = config.accesslog = None
    config.include_server_header = False
    config.keep_alive_max_requests = 1_000_000
    config.graceful_timeout = GRACE_S
    state: LifespanState = {}
    wrapped, context = ASGIWrapper(_Patient(application)), WorkerContext(None)
    streams: set[trio.SocketStream] = set()
    lifespan = Lifespan(wrapped, config, state)
    async with trio.open_nursery() as outer:
        await outer.start(lifespan.handle_lifespan)
        await lifespan.wait_for_startup()
        async with trio.open_nursery() as connections:
            handle: Any = partial(_Connection, wrapped, config, context, ConnectionState(state))
            async with trio.open_nursery() as accepting:
                await accepting.start(
                    partial(_accept, handle, listeners, streams, handler_nursery=connections)
                )
                task_status.started()
                await stop.wait()
                accepting.cancel_scope.cancel()
            await context.terminated.set()  # idle keep-alive connections close at once
            connections.start_soon(_end, streams, connections.cancel_scope)
        await lifespan.wait_for_shutdown()
        outer.cancel_scope.cancel()


async def _accept(
    handle: Any,
    listeners: list[trio.SocketListener],
    streams: set[trio.SocketStream],
    *,
    handler_nursery: trio.Nursery,
    task_status: trio.TaskStatus[Any],
) -> None:
    async def run(stream: trio.SocketStream) -> None:
        if len(streams) >= CONNECTIONS_MAX:
            await trio.aclose_forcefully(stream)
            return
        streams.add(stream)
        try:
            await handle(stream).run()
        finally:
            streams.discard(stream)

    await trio.serve_listeners(
        run, listeners, handler_nursery=handler_nursery, task_status=task_status
    )


async def _end(streams: set[trio.SocketStream], scope: trio.CancelScope) -> None:
    """Gives the open connections their grace, then closes them: hypercorn sends in a shielded
    scope, so that a client which does not read would hold the stop for ever."""
    end = trio.current_time() + GRACE_S
    while streams and trio.current_time() < end:  # noqa: ASYNC110 - many ends, no event for all
        await trio.sleep(0.05)
    for stream in tuple(streams):
        stream.socket.close()
    scope.cancel()


class _Patient:
    """The application, with a limit on how long it waits for the next part of a body, and with
    ears for the parts that it does not ask for."""

    def __init__(self, application: Litestar) -> None:
        self._application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        whole = scope["type"] != "http"

        async def within() -> Any:
            nonlocal whole
            if whole:
                return await receive()
            with trio.fail_after(BODY_S_MAX):
                message = await receive()
            whole = not message.get("more_body", False)
            return message

        async def rest() -> None:
            while not whole:
                await within()

        async def answer(message: Any) -> None:
            last = message["type"] == "http.response.body" and not message.get("more_body", False)
            if whole or not last:
                await send(message)
                return
            # A client that still sends would be cut off before it reads, so it is heard for a
            # while; and hypercorn's close waits for room in the queue of parts that nobody takes.
            await send({**message, "more_body": True})
            with trio.move_on_after(LINGER_S):
                await rest()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(rest)
                await send({"type": "http.response.body", "body": b""})
                nursery.cancel_scope.cancel()

        await self._application(scope, within, answer)


def _clear(path: Path) -> None:
    """Removes a socket that a dead daemon left; asks first whether it is dead."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise SocketTaken(f"{path} is there and is no socket; remove it or name another")
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
        raise SocketTaken(f"{path}: another backfilld answers there; stop it first")
    except FileNotFoundError:
        return
    except ConnectionRefusedError:
        path.unlink()
