"""Serves the API on a Unix socket: who may is the file's mode, who did is the peer.

It rests on hypercorn's inner trio classes (the ceiling in pyproject.toml says so), because its own
serve() neither tells who is calling nor takes listeners that are ready.
"""

import grp
import os
import socket
import stat
import struct
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState, LifespanState
from litestar import Litestar

from .door import Door
from .problems import HANDLERS
from .routes import routes

BODY_BYTES_MAX = 8 * 2**20  # 100,000 DIDs are 4 MB
GRACE_S = 5.0  # for requests under way when the daemon stops


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
        await super().run()


def app(door: Door) -> Litestar:
    """The ASGI application."""
    return Litestar(
        routes(door),
        exception_handlers=HANDLERS,
        openapi_config=None,
        logging_config=None,
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
            f"{path}: {error.strerror}. Does its folder exist, and may we write there? "
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
    wrapped, context = ASGIWrapper(application), WorkerContext(None)  # type: ignore[arg-type]
    lifespan = Lifespan(wrapped, config, state)
    async with trio.open_nursery() as outer:
        await outer.start(lifespan.handle_lifespan)
        await lifespan.wait_for_startup()
        async with trio.open_nursery() as connections:
            handle: Any = partial(_Connection, wrapped, config, context, ConnectionState(state))
            async with trio.open_nursery() as accepting:
                await accepting.start(
                    partial(_accept, handle, listeners, handler_nursery=connections)
                )
                task_status.started()
                await stop.wait()
                accepting.cancel_scope.cancel()
            await context.terminated.set()  # idle keep-alive connections close at once
            connections.cancel_scope.deadline = trio.current_time() + GRACE_S
        await lifespan.wait_for_shutdown()
        outer.cancel_scope.cancel()


async def _accept(
    handle: Any,
    listeners: list[trio.SocketListener],
    *,
    handler_nursery: trio.Nursery,
    task_status: trio.TaskStatus[Any],
) -> None:
    async def run(stream: trio.SocketStream) -> None:
        await handle(stream).run()

    await trio.serve_listeners(
        run, listeners, handler_nursery=handler_nursery, task_status=task_status
    )


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
