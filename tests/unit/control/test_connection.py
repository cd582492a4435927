"""A client that keeps us waiting loses its connection, and nobody else's time."""

import math
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from trio.testing import MockClock

from backfilld.control.serving.connection import UNREAD_S_MAX, Connection
from backfilld.control.serving.server import HEAD_S_MAX, settings

SLACK_S = 1.0
REQUEST = b"GET / HTTP/1.1\r\nhost: d\r\n\r\n"
App = Callable[[Any, Any, Any], Awaitable[None]]


@pytest.fixture
def virtual_time() -> MockClock:
    """Jumps when nothing has moved for a moment: the kernel's sockets are real."""
    return MockClock(autojump_threshold=0.02)


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[tuple[trio.SocketStream, trio.Event]]:
    """A client's end of a connection to `app`, and whether the other end is over."""
    ours, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    over = trio.Event()
    connection = Connection(
        ASGIWrapper(app), settings(), WorkerContext(None), ConnectionState({}),
        trio.SocketStream(trio.socket.from_stdlib_socket(theirs)),
    )  # fmt: skip

    async def run() -> None:
        await connection.run()
        over.set()

    client = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        async with client:
            yield client, over
        nursery.cancel_scope.cancel()


async def heard_until(client: trio.SocketStream, end: bytes | None) -> bytes:
    """What comes, up to `end`; None: until the connection is over."""
    heard = b""
    while (end is None or not heard.endswith(end)) and (part := await client.receive_some(1000)):
        heard += part
    return heard


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Answers with who is at the other end."""
    assert scope["state"]["peer"].uid >= 0
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    )
    await send({"type": "http.response.body", "body": b"ok"})


def streams(heard: list[str], parts: float) -> App:
    """Sends so many parts, or until it hears that the client has gone."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        async with trio.open_nursery() as nursery:

            async def listen() -> None:
                heard.append((await receive())["type"])
                nursery.cancel_scope.cancel()

            nursery.start_soon(listen)
            sent = 0
            while sent < parts:
                await send(
                    {"type": "http.response.body", "body": b"x" * 300_000, "more_body": True}
                )
                await trio.lowlevel.checkpoint()
                sent += 1
            await send({"type": "http.response.body", "body": b""})

    return app


@pytest.mark.parametrize("sent", [b"", b"GET /health HTTP/1.1\r\nhost: d\r\nx: "])
async def test_a_head_that_does_not_come_is_not_waited_for(
    virtual_time: MockClock, sent: bytes
) -> None:
    async with served(hello) as (client, over):
        await client.send_all(sent) if sent else None
        await over.wait()
        assert trio.current_time() <= HEAD_S_MAX + SLACK_S


async def test_a_head_that_drips_is_not_waited_for(virtual_time: MockClock) -> None:
    async with served(hello) as (client, over):
        await client.send_all(b"GET /health HTTP/1.1\r\nhost: d\r\nx: ")
        while not over.is_set():
            with trio.move_on_after(1):
                await over.wait()
            try:
                await client.send_all(b"y")
            except trio.BrokenResourceError:
                break
        assert trio.current_time() <= HEAD_S_MAX + 2 * SLACK_S


async def test_a_client_that_reads_nothing_is_let_go(virtual_time: MockClock) -> None:
    heard: list[str] = []
    async with served(streams(heard, math.inf)) as (client, over):
        await client.send_all(b"GET / HTTP/1.1\r\nhost: d\r\n\r\n")
        await over.wait()
        assert UNREAD_S_MAX <= trio.current_time() <= UNREAD_S_MAX + SLACK_S
    assert heard == ["http.disconnect"]


async def test_a_client_that_reads_slowly_is_served(virtual_time: MockClock) -> None:
    heard: list[str] = []
    async with served(streams(heard, math.inf)) as (client, over):
        await client.send_all(b"GET / HTTP/1.1\r\nhost: d\r\n\r\n")
        for _ in range(20):
            await trio.sleep(UNREAD_S_MAX / 3)
            for _ in range(3):
                assert await client.receive_some(65_536)
        assert not over.is_set()
        assert trio.current_time() > 6 * UNREAD_S_MAX


async def test_an_answer_that_is_streamed_ends_with_its_connection_if_that_was_asked_for(
    virtual_time: MockClock,
) -> None:
    async with served(streams([], 2)) as (client, over):
        await client.send_all(b"GET / HTTP/1.1\r\nhost: d\r\nconnection: close\r\n\r\n")
        assert (await heard_until(client, None)).endswith(b"\r\n0\r\n\r\n")
        await over.wait()
        assert trio.current_time() < SLACK_S


async def test_a_request_between_two_others_waits_for_nobody(virtual_time: MockClock) -> None:
    async with served(hello) as (client, _):
        for _ in range(3):
            await client.send_all(b"GET / HTTP/1.1\r\nhost: d\r\n\r\n")
            assert (await heard_until(client, b"ok")).startswith(b"HTTP/1.1 200")
            await trio.sleep(HEAD_S_MAX / 2)


async def test_whoever_leaves_with_the_answer_holds_no_place_any_longer(
    virtual_time: MockClock,
) -> None:
    async def told_late(scope: Any, receive: Any, send: Any) -> None:
        """Ends when its client has left already."""
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
        )
        await send({"type": "http.response.body", "body": b"ok", "more_body": True})
        await client.aclose()
        await send({"type": "http.response.body", "body": b""})

    async with served(told_late) as (client, over):
        await client.send_all(REQUEST)
        await over.wait()
        assert trio.current_time() < SLACK_S


async def test_requests_that_are_sent_all_at_once_are_all_answered(virtual_time: MockClock) -> None:
    async def slowly(scope: Any, receive: Any, send: Any) -> None:
        await trio.sleep(HEAD_S_MAX / 2)
        await hello(scope, receive, send)

    async with served(slowly) as (client, _):
        await client.send_all(REQUEST * 3)
        heard = b""
        while heard.count(b"ok") < 3:
            part = await client.receive_some(1000)
            assert part, heard
            heard += part


@pytest.mark.parametrize("leaves", [True, False])
async def test_whoever_asks_behind_an_answer_without_end_is_let_go(
    virtual_time: MockClock, leaves: bool
) -> None:
    heard: list[str] = []

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        heard.append((await receive())["type"])

    async with served(endless) as (client, over):
        await client.send_all(REQUEST * 2)
        if leaves:
            await client.aclose()
        await over.wait()
        assert trio.current_time() <= HEAD_S_MAX + SLACK_S
    assert heard == ["http.disconnect"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00garbage\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nhost: d\r\nx: " + b"y" * 40_000, b"431"),
        (b"POST / HTTP/1.1\r\nhost: d\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", b"400"),
    ],
)
async def test_what_is_no_http_is_told_so_in_the_envelope(
    virtual_time: MockClock, sent: bytes, status: bytes
) -> None:
    async with served(hello) as (client, over):
        await client.send_all(sent)
        answer = await heard_until(client, None)
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert b'"code":"bad-request","hint":"' in answer
        await over.wait()


@pytest.mark.parametrize(
    "sent",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04" * 9,
        b"GET / HTTP/1.1\r\nhost: d\r\nupgrade: h2c\r\nhttp2-settings: AAAA\r\n"
        b"connection: upgrade, http2-settings\r\n\r\n",
    ],
)
async def test_only_http_1_1_is_spoken(virtual_time: MockClock, sent: bytes) -> None:
    async with served(hello) as (client, over):
        await client.send_all(sent)
        answer = await heard_until(client, None)
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"101" not in answer
        await over.wait()
