"""The HTTP edge, seen as bytes."""

import httpx
import pytest
import trio
from trio.testing import memory_stream_pair

from backfilld.sandbox import http
from backfilld.sandbox.http import Answer, Cut, Garbage, Hang, Request, Response
from backfilld.sandbox.transport import Transport

HOST = b"Host: x\r\n\r\n"
WHOLE = Response(200, b"0123456789", "text/plain")


async def exchange(answer: Answer, sent: bytes, seconds: float = 5) -> bytes:
    """All that comes back until the end, or for so long."""
    ours, theirs = memory_stream_pair()
    asked: list[Request] = []

    async def handler(request: Request) -> Answer:
        asked.append(request)
        return answer

    received = b""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(http.serve, handler, theirs)
        await ours.send_all(sent)
        with trio.move_on_after(seconds):
            while data := await ours.receive_some():
                received += bytes(data)
        nursery.cancel_scope.cancel()
    return received


async def test_a_connection_bears_one_request_after_the_other(autojump_clock: object) -> None:
    got = await exchange(WHOLE, b"GET / HTTP/1.1\r\n" + HOST + b"GET / HTTP/1.1\r\n" + HOST)
    assert got.count(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n") == 2
    assert got.count(b"Content-Length: 10\r\n\r\n0123456789") == 2


async def test_a_client_that_closes_is_let_go(autojump_clock: object) -> None:
    got = await exchange(WHOLE, b"GET / HTTP/1.1\r\nConnection: close\r\n" + HOST, seconds=60)
    assert got.endswith(b"0123456789")


async def test_large_bodies_are_chunked_as_go_does(autojump_clock: object) -> None:
    body = b"x" * 2049
    got = await exchange(Response(200, body), b"GET / HTTP/1.1\r\n" + HOST)
    assert b"Transfer-Encoding: chunked" in got
    assert b"Content-Length" not in got
    assert b"801\r\n" + body + b"\r\n0\r\n\r\n" in got


async def test_an_empty_body_has_a_length_and_no_type(autojump_clock: object) -> None:
    got = await exchange(Response(200), b"POST / HTTP/1.1\r\nContent-Length: 0\r\n" + HOST)
    assert b"Content-Length: 0\r\n" in got
    assert b"Content-Type" not in got


async def test_a_cut_comes_before_or_within_the_answer(autojump_clock: object) -> None:
    assert await exchange(Cut(), b"GET / HTTP/1.1\r\n" + HOST) == b""
    got = await exchange(Cut(WHOLE), b"GET / HTTP/1.1\r\n" + HOST)
    assert got.endswith(b"Content-Length: 10\r\n\r\n01234")


async def test_garbage_is_sent_as_it_is(autojump_clock: object) -> None:
    assert await exchange(Garbage(b"\0no"), b"GET / HTTP/1.1\r\n" + HOST) == b"\0no"


async def test_a_hanging_server_keeps_the_connection_open(autojump_clock: object) -> None:
    start = trio.current_time()
    assert await exchange(Hang(), b"GET / HTTP/1.1\r\n" + HOST, seconds=500) == b""
    assert trio.current_time() - start == pytest.approx(500)


@pytest.mark.parametrize("sent", [b"\xff\xfe\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n", b""])
async def test_what_is_no_request_gets_no_answer(autojump_clock: object, sent: bytes) -> None:
    assert await exchange(WHOLE, sent) == b""


async def test_a_body_without_end_is_not_read_without_end(autojump_clock: object) -> None:
    head = b"POST / HTTP/1.1\r\nContent-Length: 999999999\r\n" + HOST
    assert await exchange(WHOLE, head + b"x" * (http.BODY_BYTES_MAX + 1)) == b""


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Cut(), httpx.RemoteProtocolError),
        (Cut(WHOLE), httpx.RemoteProtocolError),
        (Garbage(), httpx.RemoteProtocolError),
        (Hang(), httpx.ReadTimeout),
    ],
)
async def test_the_transport_without_sockets_fails_as_a_real_connection_does(
    answer: Answer, error: type[Exception]
) -> None:
    async def handler(request: Request) -> Answer:
        return answer

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:

        async def serve(stream: trio.abc.Stream) -> None:
            await http.serve(handler, stream)

        nursery.start_soon(trio.serve_listeners, serve, listeners)
        for transport in (None, Transport(lambda host, port: handler)):
            limit = httpx.Timeout(30, read=0.05 if isinstance(answer, Hang) else 30)
            async with httpx.AsyncClient(transport=transport, timeout=limit) as client:
                with pytest.raises(error):
                    await client.get(f"http://127.0.0.1:{port}/")
        nursery.cancel_scope.cancel()


async def test_nobody_listening_is_a_connection_error() -> None:
    async with httpx.AsyncClient(transport=Transport(lambda host, port: None)) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("http://tap.test/")
