"""Tap's /channel: frames in, acks out. One port, two implementations.

The fast one drives the sans-I/O core of `websockets` on a trio stream and sends any number of acks
with one write; the other is trio-websocket, kept as the measure of the first. Facts of Tap that
bind: it sends no pings and no close frame, frames are unfragmented text of up to several MB, and
to leave is to drop the connection.
"""

import base64
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol, cast
from urllib.parse import urlsplit

import trio
import trio_websocket
from trio_websocket import ConnectionClosed, ConnectionRejected, HandshakeError
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from ...asking import cause_of, leaves
from ...failures import Failure

# A PDS takes records of 1 MB, which JSON may swell sixfold; a CAR may hold larger blocks, and a
# frame above this bound ends the channel each time it comes
FRAME_BYTES_MAX = 64 * 2**20
RECEIVE_BYTES = 256 * 2**10
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


class FastChannel:
    """websockets' protocol core over a trio stream."""

    def __init__(self, stream: trio.abc.Stream, url: str, password: str) -> None:
        self._stream = stream
        self._protocol = ClientProtocol(parse_uri(url), max_size=FRAME_BYTES_MAX)
        self._password = password
        self._parts: list[bytes] = []
        self._ready: list[bytes] = []
        self._pongs = 0
        self._sending = trio.Lock()

    async def open(self) -> None:
        """Shakes hands. Raises Failure."""
        request = self._protocol.connect()
        if self._password:
            request.headers["Authorization"] = _basic(self._password)
        self._protocol.send_request(request)
        await self._flush()
        while self._protocol.state is State.CONNECTING:
            await self._feed()
            if self._protocol.handshake_exc is not None:
                raise _refused(self._protocol.handshake_exc)
        self._sort()  # frames may have come with the handshake

    async def receive(self) -> list[bytes]:
        if not self._ready:
            await self._feed()
            self._sort()
            await self._flush()  # pongs
        frames, self._ready = self._ready, []
        if not frames:
            self._check()
        return frames

    async def send(self, messages: Sequence[bytes]) -> None:
        self._check()
        for message in messages:
            self._protocol.send_text(message)
        await self._flush()

    async def check_alive(self, seconds: float) -> None:
        self._check()
        before = self._pongs
        self._protocol.send_ping(b"")
        with trio.move_on_after(seconds):
            await self._flush()
            while self._pongs == before:
                await self._feed()
                self._sort()
                self._check()
            return
        raise Failure("timeout", f"no sign of life for {seconds:.0f} s")

    def _sort(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                if event.opcode is Opcode.PONG:
                    self._pongs += 1
                elif (text := self._text(event)) is not None:
                    self._ready.append(text)

    def _check(self) -> None:
        if self._protocol.state is not State.OPEN:
            raise Failure("cut", self._goodbye())

    async def _feed(self) -> None:
        try:
            data = await self._stream.receive_some(RECEIVE_BYTES)
        except trio.BrokenResourceError as error:
            raise Failure("cut", f"the channel broke: {error}") from error
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
            if self._protocol.handshake_exc is None and self._protocol.state is State.CONNECTING:
                raise Failure("cut", "the connection ended before the handshake did")

    async def _flush(self) -> None:
        async with self._sending:
            if data := b"".join(self._protocol.data_to_send()):
                try:
                    await self._stream.send_all(data)
                except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                    raise Failure("cut", f"the channel broke: {error}") from error

    def _text(self, frame: Frame) -> bytes | None:
        """The whole message that ends with `frame`, put together if it came in fragments."""
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return None
        if frame.fin and not self._parts:
            return bytes(frame.data)
        self._parts.append(bytes(frame.data))
        if sum(map(len, self._parts)) > FRAME_BYTES_MAX:
            raise Failure("too_large", f"a message of over {FRAME_BYTES_MAX:,} bytes")
        if not frame.fin:
            return None
        whole, self._parts = b"".join(self._parts), []
        return whole

    def _goodbye(self) -> str:
        if self._protocol.close_sent is not None and self._protocol.close_rcvd is None:
            return f"what Tap sent broke the protocol: {self._protocol.close_sent}"
        code = self._protocol.close_code
        return "Tap closed the channel" + (f" ({code})" if code not in (None, 1006) else "")


class TrioWebsocketChannel:
    """trio-websocket, whose own task pumps frames into a queue."""

    def __init__(self, connection: trio_websocket.WebSocketConnection) -> None:
        self._connection = connection

    async def receive(self) -> list[bytes]:
        try:
            message = await self._connection.get_message()
        except ConnectionClosed as error:
            raise Failure("cut", "Tap closed the channel") from error
        return [message.encode() if isinstance(message, str) else message]

    async def send(self, messages: Sequence[bytes]) -> None:
        try:
            for message in messages:
                await self._connection.send_message(message.decode())
        except ConnectionClosed as error:
            raise Failure("cut", "Tap closed the channel") from error

    async def check_alive(self, seconds: float) -> None:
        try:
            with trio.fail_after(seconds):
                await self._connection.ping()
        except trio.TooSlowError as error:
            raise Failure("timeout", f"no sign of life for {seconds:.0f} s") from error
        except ConnectionClosed as error:
            raise Failure("cut", "Tap closed the channel") from error


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
    headers = [(b"Authorization", _basic(password).encode())] if password else []
    rejected: ConnectionRejected | None = None
    async with _dialed(dial, url) as stream:
        try:
            async with trio.open_nursery() as nursery:
                yield TrioWebsocketChannel(await _shaken(nursery, stream, url, headers))
                nursery.cancel_scope.cancel()
        except* ConnectionRejected as group:  # raised in the library's own reader task
            rejected = next(one for one in leaves(group) if isinstance(one, ConnectionRejected))
        if rejected is not None:
            raise _rejected(rejected.status_code)


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


def _basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()


def _refused(error: Exception) -> Failure:
    if isinstance(error, InvalidStatus):
        return _rejected(error.response.status_code)
    if isinstance(error, InvalidHandshake):
        return Failure("bad_answer", f"no WebSocket handshake: {error}")
    return Failure("cut", f"the connection ended before the handshake did: {error}")


def _rejected(status: int) -> Failure:
    if status == 401:
        return Failure("unauthorized", "answered 401 to the channel")
    if status == 400:
        return Failure("refused", "answered 400 to the channel: is Tap in webhook mode?")
    return Failure("server_error" if status >= 500 else "refused", f"answered {status}")
