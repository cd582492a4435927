"""Tap's /channel: frames in, acks out. One port, two implementations: `fast` and `stock`.

Facts of Tap that bind: it sends no pings and no close frame, frames are unfragmented text of up
to several MB, and to leave is to drop the connection.
"""

import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol, cast
from urllib.parse import urlsplit

import trio
import trio_websocket
from trio_websocket import ConnectionClosed, ConnectionRejected, HandshakeError

from ...asking import cause_of, leaves
from ...failures import Failure
from .fast import FRAME_BYTES_MAX, FastChannel, basic, refusal
from .stock import TrioWebsocketChannel

CONNECT_S_MAX = 20.0

Dial = Callable[[str, int], AbstractAsyncContextManager[trio.abc.Stream]]
"""(host, port) -> an open stream; raises OSError."""


class Channel(Protocol):
    """An open channel. After any error it is of no more use."""

    async def receive(self) -> list[bytes]:
        """Text frames, in order; none when only control frames came. Raises Failure when it
        ended. Cancelling it loses nothing."""

    async def send(self, messages: Sequence[bytes]) -> None:
        """Sends text messages. Raises Failure when it ended."""

    async def check_alive(self, seconds: float) -> None:
        """Pings, and waits so long for the pong; not while another task is in `receive`.
        Raises Failure when there is none."""


@asynccontextmanager
async def dial_tcp(host: str, port: int) -> AsyncIterator[trio.abc.Stream]:
    """A TCP connection. Raises OSError."""
    stream = await trio.open_tcp_stream(host, port)
    try:
        yield stream
    finally:
        await trio.aclose_forcefully(stream)


@asynccontextmanager
async def _dialed(dial: Dial, url: str) -> AsyncIterator[trio.abc.Stream]:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    async with AsyncExitStack() as stack:
        try:
            with trio.fail_after(CONNECT_S_MAX):
                stream = await stack.enter_async_context(dial(parts.hostname or "", port))
        except trio.TooSlowError as error:
            raise Failure("timeout", f"no connection within {CONNECT_S_MAX:.0f} s") from error
        except OSError as error:
            raise Failure("unreachable", f"cannot connect: {cause_of(error)}") from error
        if parts.scheme == "https":
            context = ssl.create_default_context()
            stream = trio.SSLStream(stream, context, server_hostname=parts.hostname)
        yield stream


@asynccontextmanager
async def open_fast(url: str, password: str, dial: Dial = dial_tcp) -> AsyncIterator[Channel]:
    """The fast channel of the Tap at `url` (http or https). Raises Failure."""
    async with _dialed(dial, url) as stream:
        channel = FastChannel(stream, _ws_url(url), password)
        with trio.move_on_after(CONNECT_S_MAX) as scope:
            await channel.open()
        if scope.cancelled_caught:
            raise Failure("timeout", f"no handshake within {CONNECT_S_MAX:.0f} s")
        yield channel


@asynccontextmanager
async def open_trio_websocket(
    url: str, password: str, dial: Dial = dial_tcp
) -> AsyncIterator[Channel]:
    """The same through trio-websocket. Raises Failure."""
    headers = [(b"Authorization", basic(password).encode())] if password else []
    rejected: ConnectionRejected | None = None
    async with _dialed(dial, url) as stream:
        try:
            async with trio.open_nursery() as nursery:
                yield TrioWebsocketChannel(await _shaken(nursery, stream, url, headers))
                nursery.cancel_scope.cancel()
        except* ConnectionRejected as group:  # raised in the library's own reader task
            rejected = next(one for one in leaves(group) if isinstance(one, ConnectionRejected))
        if rejected is not None:
            raise refusal(rejected.status_code)


async def _shaken(
    nursery: trio.Nursery,
    stream: trio.abc.Stream,
    url: str,
    headers: list[tuple[bytes, bytes]],
) -> trio_websocket.WebSocketConnection:
    try:
        with trio.fail_after(CONNECT_S_MAX):
            return await trio_websocket.wrap_client_stream(
                nursery,
                cast(trio.SocketStream, stream),
                urlsplit(url).netloc,
                "/channel",
                extra_headers=headers,
                max_message_size=FRAME_BYTES_MAX,
            )
    except trio.TooSlowError as error:
        raise Failure("timeout", f"no handshake within {CONNECT_S_MAX:.0f} s") from error
    except (HandshakeError, ConnectionClosed) as error:
        raise Failure("cut", f"no handshake: {error}") from error


def _ws_url(url: str) -> str:
    return "ws" + url.removeprefix("http") + "/channel"
