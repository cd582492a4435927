"""Whatever a peer answers, it is a Failure: no answer of a stranger ends the daemon."""

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from support.given import NOON, POSTS, did

from backfilld import asking
from backfilld.discovery.relay import Relay
from backfilld.failures import Failure
from backfilld.sources.tap.http import TapHttp

DEEP = b"[" * 5000
BOMB = gzip.compress(gzip.compress(b"\0" * 10_000_000))


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    head = [b"HTTP/1.1 " + status, b"content-length: %d" % len(body), *headers]
    return b"\r\n".join([*head, b"", body])


@asynccontextmanager
async def serving(
    *segments: bytes, pause_s: float = 0.0
) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """A server that says `segments` to every request; gives its address."""

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            try:
                while await stream.receive_some(65536):
                    for segment in segments:
                        await stream.send_all(segment)
                        await trio.sleep(pause_s)
            except trio.BrokenResourceError:
                pass  # it had enough

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        port = listeners[0].socket.getsockname()[1]
        yield f"http://127.0.0.1:{port}"  # type: ignore[misc]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "said",
    [
        answer(b'{"repos":[],"x":' + DEEP),
        answer(DEEP, status=b"500 no"),
        answer(b"", b"retry-after: " + "\xa0".encode("latin-1") * 12 + b"5", status=b"429 slow"),
        answer(b"", b"location: mailto:x", status=b"301 moved"),
        answer(b"", b"location: data:[", status=b"301 moved"),
        answer(b"{}", b"set-cookie: \xff=\xff"),
        answer(BOMB, b"content-encoding: gzip, gzip"),
        answer(b"{}", b"content-encoding: br"),
        answer(b'{"repos":[{"did":"\xff"}]}'),
        answer(b'{"repos":' + b"9" * 5000 + b"}"),
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_an_answer_that_is_none_is_a_failure(said: bytes) -> None:
    async with serving(said) as url, asking.client(1) as client:
        for _ in range(2):  # what the first left behind must not spoil the second
            with pytest.raises(Failure):
                await Relay(client, lambda: NOON, 0.5).list_page(str(url), POSTS, None, 1000)
        with pytest.raises(Failure):
            await TapHttp(client, str(url), lambda: NOON).hand_over([did(1)]) if (
                b"200" not in said[:15]
            ) else await TapHttp(client, str(url), lambda: NOON).outbox_buffer()


@pytest.mark.parametrize(
    "body",
    [
        b'{"state":"active","records":9223372036854775808}',
        b'{"state":"active","records":1000000000000000000000000000000}',
        b'{"state":"active","records":-1}',
        b'{"state":"\\u001b[2J","records":1}',
        b'{"state":"' + b"x" * 1000 + b'","records":1}',
        b'{"state":"active","rev":"' + b"z" * 7000 + b'"}',
        b'{"state":"active","rev":"3n32whm55fc2n\\n"}',
        b'{"state":7}',
        b'{"x":' + DEEP,
        b"null",
    ],
)
async def test_what_tap_says_of_a_repository_is_bounded(body: bytes) -> None:
    async with serving(answer(body)) as url, asking.client(5) as client:
        with pytest.raises(Failure):
            await TapHttp(client, str(url), lambda: NOON).info(did(1))


async def test_an_answer_that_drips_ends_in_time() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n"
    async with serving(head, *[b"x"] * 200, pause_s=0.05) as url, asking.client(5) as client:
        with pytest.raises(Failure) as failure:
            await Relay(client, lambda: NOON, 0.5).list_page(str(url), POSTS, None, 1000)
    assert failure.value.kind == "timeout"


async def test_a_peers_cookies_are_not_kept() -> None:
    said = answer(b'{"repos":[]}', b"set-cookie: a=b; path=/")
    async with serving(said) as url, asking.client(30) as client:
        await Relay(client, lambda: NOON, 30.0).list_page(str(url), POSTS, None, 1000)
        assert not client.cookies
