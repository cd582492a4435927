"""The fast channel: websockets' sans-I/O core on a trio stream, and a way around it for the bulk.

The one rule: the library does whatever is rare (handshake, ping, close, fragments, errors), so
that the protocol is its business; `wire` does the text frames and the acks, which are all the
rest and cost a tenth there.
"""

import base64
from collections.abc import Sequence

import trio
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from ...failures import Failure
from . import wire

# A PDS takes records of 1 MB, which JSON may swell sixfold; a CAR may hold larger blocks, and a
# frame above this bound ends the channel each time it comes
FRAME_BYTES_MAX = 64 * 2**20
RECEIVE_BYTES = 128 * 2**10  # some 200 records: 1 ms of the loop, then others have their turn
_HEADERS_END = b"\r\n\r\n"


class FastChannel:
    """A Channel; see the port for what its methods promise."""

    def __init__(self, stream: trio.abc.Stream, url: str, password: str) -> None:
        self._stream = stream
        self._protocol = ClientProtocol(parse_uri(url), max_size=FRAME_BYTES_MAX)
        self._password = password
        self._splitter = wire.Splitter(FRAME_BYTES_MAX)
        self._tail = b""  # of the handshake: its end may come in two reads
        self._parts: list[bytes] = []
        self._ready: list[bytes] = []
        self._pongs = 0
        self._sending = trio.Lock()

    async def open(self) -> None:
        """Shakes hands. Raises Failure."""
        request = self._protocol.connect()
        if self._password:
            request.headers["Authorization"] = basic(self._password)
        self._protocol.send_request(request)
        await self._flush()
        while self._protocol.state is State.CONNECTING:
            await self._feed()
            if self._protocol.handshake_exc is not None:
                raise _refused(self._protocol.handshake_exc)

    async def receive(self) -> list[bytes]:
        """See the port."""
        if not self._ready:
            self._check()  # it may have ended behind what was given last, and nothing more come
            await self._feed()
            await self._flush()  # pongs
        frames, self._ready = self._ready, []
        if not frames:
            self._check()
        return frames

    async def send(self, messages: Sequence[bytes]) -> None:
        """See the port."""
        self._check()
        if messages:
            async with self._sending:
                await self._send_all(wire.masked(messages))

    async def check_alive(self, seconds: float) -> None:
        """See the port."""
        self._check()
        before = self._pongs
        self._protocol.send_ping(b"")
        with trio.move_on_after(seconds):
            await self._flush()
            while self._pongs == before:
                await self._feed()
                self._check()
            return
        raise Failure("timeout", f"no sign of life for {seconds:.0f} s")

    async def _feed(self) -> None:
        try:
            data = await self._stream.receive_some(RECEIVE_BYTES)
        except trio.BrokenResourceError as error:
            raise Failure("cut", f"the channel broke: {error}") from error
        if not data:
            self._protocol.receive_eof()
            if self._protocol.handshake_exc is None and self._protocol.state is State.CONNECTING:
                raise Failure("cut", "the connection ended before the handshake did")
        elif self._protocol.state is State.CONNECTING:
            self._shake(bytes(data))
        else:
            self._take(bytes(data))

    def _shake(self, data: bytes) -> None:
        """Gives the library the handshake's answer and no more: frames may come in one segment
        with it, and are ours."""
        seen = self._tail + data
        end = seen.find(_HEADERS_END)
        cut = len(data) if end < 0 else end + len(_HEADERS_END) - len(self._tail)
        self._tail = seen[1 - len(_HEADERS_END) :]
        self._protocol.receive_data(data[:cut])
        if self._protocol.state is State.OPEN:
            self._take(data[cut:])
        elif data[cut:]:  # a refusal, and why
            self._protocol.receive_data(data[cut:])

    def _take(self, data: bytes) -> None:
        """Sorts out what came. A frame's place among the others is kept, whoever reads it."""
        self._splitter.add(data)
        while self._protocol.state is State.OPEN:
            self._ready += self._splitter.texts()
            rest = self._splitter.others()
            if not rest:
                return
            self._protocol.receive_data(rest)
            self._sort()

    def _sort(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                if event.opcode is Opcode.PONG:
                    self._pongs += 1
                elif (text := self._text(event)) is not None:
                    self._ready.append(text)

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

    async def _flush(self) -> None:
        async with self._sending:
            if data := b"".join(self._protocol.data_to_send()):
                await self._send_all(data)

    async def _send_all(self, data: bytes) -> None:
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise Failure("cut", f"the channel broke: {error}") from error

    def _check(self) -> None:
        if self._protocol.state is not State.OPEN:
            raise Failure("cut", self._goodbye())

    def _goodbye(self) -> str:
        if self._protocol.close_sent is not None and self._protocol.close_rcvd is None:
            return f"what Tap sent broke the protocol: {self._protocol.close_sent}"
        code = self._protocol.close_code
        return "Tap closed the channel" + (f" ({code})" if code not in (None, 1006) else "")


def basic(password: str) -> str:
    """The Authorization of Tap's one user."""
    return "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()


def refusal(status: int) -> Failure:
    """What a handshake's status means."""
    if status == 401:
        return Failure("unauthorized", "answered 401 to the channel")
    if status == 400:
        return Failure("refused", "answered 400 to the channel: is Tap in webhook mode?")
    return Failure("server_error" if status >= 500 else "refused", f"answered {status}")


def _refused(error: Exception) -> Failure:
    if isinstance(error, InvalidStatus):
        return refusal(error.response.status_code)
    if isinstance(error, InvalidHandshake):
        return Failure("bad_answer", f"no WebSocket handshake: {error}")
    return Failure("cut", f"the connection ended before the handshake did: {error}")
