"""The port of the channel: the same promises of both implementations, on the same wire.

The server here is websockets' own protocol core, driven by hand, so that each frame is chosen.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
import trio
import trio.testing
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from backfilld.failures import Failure
from backfilld.sources.tap.channel import Channel, open_fast, open_trio_websocket

Opener = Callable[..., AbstractAsyncContextManager[Channel]]
pytestmark = pytest.mark.parametrize("opener", [open_fast, open_trio_websocket])


class Server:
    """Tap's end of one connection."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream, self.protocol = stream, ServerProtocol(max_size=None)
        self.received: list[bytes] = []
        self.asked: Request | None = None

    async def accept(self, status: int | None = None) -> None:
        """Shakes hands, or refuses with `status`."""
        while self.asked is None:
            self.protocol.receive_data(await self.stream.receive_some(65536))
            for event in self.protocol.events_received():
                if isinstance(event, Request):
                    self.asked = event
        if status is None:
            self.protocol.send_response(self.protocol.accept(self.asked))
        else:
            self.protocol.send_response(self.protocol.reject(status, "no\n"))
        await self.flush()

    async def flush(self) -> None:
        await self.stream.send_all(b"".join(self.protocol.data_to_send()))

    async def read(self) -> bool:
        """Takes in what the client sends next; False at the end."""
        data = await self.stream.receive_some(65536)
        self.protocol.receive_data(data) if data else self.protocol.receive_eof()
        for event in self.protocol.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self.received.append(bytes(event.data))
        if self.protocol.state is State.OPEN:
            await self.flush()
        return bool(data)

    async def send(self, *texts: bytes) -> None:
        for text in texts:
            self.protocol.send_text(text)
        await self.flush()


@asynccontextmanager
async def connected(opener: Opener, password: str = "") -> AsyncIterator[tuple[Channel, Server]]:
    ours, theirs = trio.testing.memory_stream_pair()
    server = Server(theirs)

    @asynccontextmanager
    async def dial(host: str, port: int) -> AsyncIterator[trio.abc.Stream]:
        assert (host, port) == ("tap.test", 2480)
        yield ours

    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.accept)
        async with opener("http://tap.test:2480", password, dial) as channel:
            yield channel, server
        nursery.cancel_scope.cancel()


async def receive(channel: Channel, count: int) -> list[bytes]:
    found: list[bytes] = []
    with trio.fail_after(10):
        while len(found) < count:
            found += await channel.receive()
    return found


async def test_frames_come_whole_and_in_order(opener: Opener) -> None:
    async with connected(opener) as (channel, server):
        sizes = (0, 1, 125, 126, 65535, 65536, 900_304, 6_000_000)
        texts = [b"x" * size for size in sizes]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.send, *texts)
            assert await receive(channel, len(texts)) == texts


async def test_a_frame_that_comes_with_the_handshake_is_not_kept_waiting(opener: Opener) -> None:
    ours, theirs = trio.testing.memory_stream_pair()

    @asynccontextmanager
    async def dial(host: str, port: int) -> AsyncIterator[trio.abc.Stream]:
        yield ours

    async def greet() -> None:
        server = Server(theirs)
        while server.asked is None:
            server.protocol.receive_data(await theirs.receive_some(65536))
            server.asked = next(iter(server.protocol.events_received()), None)  # type: ignore[assignment]
        server.protocol.send_response(server.protocol.accept(server.asked))
        server.protocol.send_text(b"first")
        await server.flush()  # one segment

    async with trio.open_nursery() as nursery:
        nursery.start_soon(greet)
        async with opener("http://tap.test", "", dial) as channel:
            assert await receive(channel, 1) == [b"first"]
        nursery.cancel_scope.cancel()


async def test_a_message_in_fragments_is_put_together(opener: Opener) -> None:
    async with connected(opener) as (channel, server):
        server.protocol.send_text(b'{"id":', fin=False)
        server.protocol.send_ping(b"between")
        server.protocol.send_continuation(b"1", fin=False)
        server.protocol.send_continuation(b"}", fin=True)
        await server.flush()
        await server.send(b"next")
        assert await receive(channel, 2) == [b'{"id":1}', b"next"]


async def test_control_frames_and_fragments_between_texts_change_no_order(
    opener: Opener,
) -> None:
    async with connected(opener) as (channel, server):
        server.protocol.send_text(b"one")
        server.protocol.send_ping(b"?")
        server.protocol.send_text(b"two" * 100)
        server.protocol.send_text(b"th", fin=False)
        server.protocol.send_pong(b"")
        server.protocol.send_continuation(b"ree", fin=True)
        server.protocol.send_text(b"four" * 20_000)
        await server.flush()  # one segment
        expected = [b"one", b"two" * 100, b"three", b"four" * 20_000]
        assert await receive(channel, 4) == expected


async def test_what_breaks_the_protocol_ends_the_channel_after_what_came_before(
    opener: Opener,
) -> None:
    with pytest.RaisesGroup(Failure, allow_unwrapped=True, flatten_subgroups=True):
        async with connected(opener) as (channel, server):
            masked = Frame(Opcode.TEXT, b"x").serialize(mask=True)
            await server.stream.send_all(Frame(Opcode.TEXT, b"ok").serialize(mask=False) + masked)
            assert await receive(channel, 1) == [b"ok"]
            with trio.fail_after(10):
                while True:
                    await channel.receive()


async def test_acks_go_out_each_as_a_message_of_its_own(opener: Opener) -> None:
    async with connected(opener) as (channel, server):
        acks = [b'{"type":"ack","id":%d}' % number for number in range(500)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(channel.send, acks)
            while len(server.received) < len(acks):
                assert await server.read()
        assert server.received == acks


async def test_the_password_goes_with_the_handshake(opener: Opener) -> None:
    async with connected(opener, "hunter2") as (_, server):
        assert server.asked is not None
        assert server.asked.path == "/channel"
        assert server.asked.headers["Authorization"] == "Basic YWRtaW46aHVudGVyMg=="


@pytest.mark.parametrize(
    ("status", "kind"), [(401, "unauthorized"), (400, "refused"), (503, "server_error")]
)
async def test_a_refused_handshake_says_why(opener: Opener, status: int, kind: str) -> None:
    ours, theirs = trio.testing.memory_stream_pair()

    @asynccontextmanager
    async def dial(host: str, port: int) -> AsyncIterator[trio.abc.Stream]:
        yield ours

    with pytest.RaisesGroup(Failure, allow_unwrapped=True, flatten_subgroups=True) as caught:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Server(theirs).accept, status)
            async with opener("http://tap.test", "", dial):
                pass
    failure: BaseException = caught.value
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    assert isinstance(failure, Failure)
    assert failure.kind == kind


@pytest.mark.parametrize("politely", [True, False])
async def test_the_end_of_the_channel_is_a_failure(opener: Opener, politely: bool) -> None:
    with pytest.RaisesGroup(Failure, allow_unwrapped=True, flatten_subgroups=True):
        async with connected(opener) as (channel, server):
            await server.send(b"last")
            assert await receive(channel, 1) == [b"last"]
            if politely:
                server.protocol.send_close(1000)
                await server.flush()
            await server.stream.aclose()
            with trio.fail_after(10):
                while True:
                    await channel.receive()


async def test_a_peer_that_answers_is_alive_and_nothing_is_lost_by_asking(opener: Opener) -> None:
    async with connected(opener) as (channel, server):
        await server.send(b"one")

        async def answer() -> None:
            while await server.read():
                pass

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            await channel.check_alive(5)
            nursery.cancel_scope.cancel()
        assert await receive(channel, 1) == [b"one"]


async def test_a_peer_that_does_not_answer_is_given_up(
    opener: Opener, autojump_clock: trio.testing.MockClock
) -> None:
    with pytest.RaisesGroup(Failure, allow_unwrapped=True, flatten_subgroups=True) as caught:
        async with connected(opener) as (channel, _):
            await channel.check_alive(20)
    assert "no sign of life" in str(caught.value.exceptions if isinstance(
        caught.value, BaseExceptionGroup) else caught.value)  # fmt: skip


async def test_cancelling_a_receive_loses_nothing(
    opener: Opener, autojump_clock: trio.testing.MockClock
) -> None:
    async with connected(opener) as (channel, server):
        for _ in range(5):
            with trio.move_on_after(1):
                await channel.receive()
        await server.send(b"one", b"two")
        assert await receive(channel, 2) == [b"one", b"two"]
