"""Serves the API where it listens: on a Unix socket, and over TCP if that is configured.

What goes wrong with one connection ends that connection: a client may break any rule of HTTP,
send half a body, or never read. Who may come over TCP is everybody on this machine, so each way
in has connections of its own: one that is full keeps nobody out of the other.
"""

import socket
from collections.abc import Sequence
from functools import partial
from typing import Any

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState, LifespanState
from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.types import ControllerRouterHandler

from ..door import Door
from ..problems import HANDLERS
from ..routes import routes
from .connection import Connection
from .guard import Guard, before

BODY_BYTES_MAX = 8 * 2**20  # 100,000 DIDs are 4 MB
GRACE_S = 5.0  # for requests under way when the daemon stops
SOCKET_CONNECTIONS_MAX = 512  # at once; one more is closed unheard
TCP_CONNECTIONS_MAX = 256  # together they stay below the 1,024 files that a process usually has
HEAD_S_MAX = 10.0  # for the whole head of a request, and between two requests
BODY_S_MAX = 30.0  # between two parts of a body
LINGER_S = 1.0  # for what a client still sends when it was answered already


def app(door: Door, pages: Sequence[ControllerRouterHandler] = ()) -> Litestar:
    """The routes, and those of `pages`, as an ASGI application that expects the guard before it."""
    origins = list(door.config().control.cors_origins)
    cors = CORSConfig(
        allow_origins=origins,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "Last-Event-ID",
            "Prefer",
        ],
        expose_headers=["Link"],
    )
    return Litestar(
        [*routes(door), *pages],
        cors_config=cors if origins else None,
        exception_handlers=HANDLERS,
        openapi_config=None,
        logging_config=None,
        before_request=before(door),
        state=State({"verification": door.verification}, deep_copy=False),
        request_max_body_size=BODY_BYTES_MAX,
    )


def settings() -> HypercornConfig:
    """What hypercorn's classes are told."""
    config = HypercornConfig()
    config.errorlog = config.accesslog = None
    config.include_server_header = False
    config.keep_alive_max_requests = 1_000_000
    config.keep_alive_timeout = HEAD_S_MAX
    config.graceful_timeout = GRACE_S
    return config


async def serve(
    door: Door,
    listeners: list[trio.SocketListener],
    pages: Sequence[ControllerRouterHandler] = (),
    *,
    stop: trio.Event,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves until `stop`; requests under way have GRACE_S to end. Started when it accepts."""
    config, state = settings(), LifespanState({})
    wrapped, context = ASGIWrapper(_Patient(Guard(app(door, pages), door))), WorkerContext(None)
    streams: set[trio.SocketStream] = set()
    lifespan = Lifespan(wrapped, config, state)
    async with trio.open_nursery() as outer:
        await outer.start(lifespan.handle_lifespan)
        await lifespan.wait_for_startup()
        async with trio.open_nursery() as connections:
            handle: Any = partial(Connection, wrapped, config, context, ConnectionState(state))
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
        family = stream.socket.family
        most = SOCKET_CONNECTIONS_MAX if family == socket.AF_UNIX else TCP_CONNECTIONS_MAX
        if sum(one.socket.family == family for one in streams) >= most:
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

    def __init__(self, application: Any) -> None:
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
