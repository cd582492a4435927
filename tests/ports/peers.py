"""The peers of the contract tests: the sandbox's in memory, or real ones named in the environment.

BACKFILLD_REAL_RELAY, BACKFILLD_REAL_TAP: their addresses; BACKFILLD_REAL_COLLECTION: a collection
that relay lists; BACKFILLD_REAL_TAP_RETRY_TIMEOUT: what that Tap was started with, such as 2s;
BACKFILLD_REAL_ODD: accounts in trouble by the sandbox's names, as `pds_500=did:… did:…,no_pds=…`
(`limited` are those of one server that answers some fetches 429; that Tap waits 10s for a fetch).
"""

import json
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import trio

from backfilld.sandbox.relay import PATH
from backfilld_events.ids import Nsid

REAL_RELAY = os.environ.get("BACKFILLD_REAL_RELAY", "")
REAL_TAP = os.environ.get("BACKFILLD_REAL_TAP", "")
COLLECTION = Nsid(os.environ.get("BACKFILLD_REAL_COLLECTION", "xyz.statusphere.status"))
RETRY_TIMEOUT_S = float(os.environ.get("BACKFILLD_REAL_TAP_RETRY_TIMEOUT", "2s").rstrip("s"))
REAL_ODD = {
    name: dids.split()
    for name, _, dids in (
        entry.partition("=") for entry in os.environ.get("BACKFILLD_REAL_ODD", "").split(",")
    )
}
FETCH_TIMEOUT_S = 10.0
PATIENCE_S = 15.0

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
Json = dict[str, object]
Connect = Callable[[], AbstractAsyncContextManager[trio.abc.Stream]]


class Ended(Exception):
    """The connection ended; `farewell` is the payload of a close frame, None if there was none."""

    def __init__(self, farewell: bytes | None) -> None:
        super().__init__(farewell)
        self.farewell = farewell


class Event(NamedTuple):
    """A frame of /channel."""

    number: int
    kind: str
    did: str
    content: Json
    raw: bytes

    @property
    def path(self) -> str:
        return f"{self.content['collection']}/{self.content['rkey']}"


def frame(payload: bytes, opcode: int = TEXT, *, final: bool = True, masked: bool = True) -> bytes:
    """A client's frame; its mask is zeros, so that it can be read."""
    length = len(payload)
    bit = 0x80 if masked else 0
    size = bytes((bit | length & 127,))
    if length >= 2**16:
        size = bytes((bit | 127,)) + length.to_bytes(8, "big")
    elif length >= 126:
        size = bytes((bit | 126,)) + length.to_bytes(2, "big")
    return bytes((0x80 * final | opcode,)) + size + b"\0\0\0\0" * masked + payload


def ack(number: object) -> bytes:
    """The frame that acks."""
    return frame(b'{"type":"ack","id":%b}' % str(number).encode())


class Channel:
    """A WebSocket after its handshake, with nothing hidden."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._buffer = b""

    async def shake_hands(self, headers: Sequence[str] = (), more: bytes = b"") -> str:
        """The head of the answer. `more` is sent without waiting for it."""
        lines = [
            "GET /channel HTTP/1.1",
            "Host: tap",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {KEY}",
            "Sec-WebSocket-Extensions: permessage-deflate",
            *headers,
        ]
        await self.stream.send_all("\r\n".join([*lines, "", ""]).encode() + more)
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += await self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head.decode()

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def receive(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame. Raises Ended."""
        while (found := self._whole()) is None:
            self._buffer += await self._more()
        opcode, payload = found
        if opcode == CLOSE:
            assert await self.stream.receive_some() == b""
            raise Ended(payload)
        return found

    async def event(self) -> Event:
        """The next event. Raises Ended."""
        opcode, raw = await self.receive()
        assert opcode == TEXT
        return parsed(raw)

    async def _more(self) -> bytes:
        try:
            data = bytes(await self.stream.receive_some(2**18))
        except trio.BrokenResourceError:
            data = b""
        if not data:
            raise Ended(None)
        return data

    def _whole(self) -> tuple[int, bytes] | None:
        if len(self._buffer) < 2:
            return None
        assert self._buffer[0] & 0x70 == 0, "compressed"
        assert self._buffer[0] & 0x80, "in fragments"
        at, length = 2, self._buffer[1]
        if length in (126, 127):
            wide = 2 if length == 126 else 8
            at, length = 2 + wide, int.from_bytes(self._buffer[2 : 2 + wide], "big")
        if len(self._buffer) < at + length:
            return None
        payload, opcode = self._buffer[at : at + length], self._buffer[0] & 15
        self._buffer = self._buffer[at + length :]
        return opcode, payload


def parsed(raw: bytes) -> Event:
    """A frame's text, read."""
    value = json.loads(raw)
    content = value[value["type"]]
    return Event(value["id"], value["type"], content["did"], content, raw)


class TapPeer:
    """A Tap, and DIDs that nobody has given it yet; what a test added is removed after it."""

    def __init__(self, http: httpx.AsyncClient, connect: Connect, fresh: Iterator[str]) -> None:
        self.http, self._connect, self._fresh = http, connect, fresh
        self.mine: list[str] = []

    async def post(self, path: str, dids: Sequence[str]) -> httpx.Response:
        self.mine += dids if path == "/repos/add" else ()
        return await self.http.post(path, json={"dids": list(dids)})

    async def info(self, did: str) -> Json:
        answer = await self.http.get(f"/info/{did}")
        return dict(answer.json()) if answer.status_code == 200 else {"state": "unknown"}

    async def settled(self, did: str) -> Json:
        """What /info says once the repository is neither waiting nor being fetched."""
        with trio.fail_after(PATIENCE_S):
            while (info := await self.info(did))["state"] in ("pending", "resyncing"):
                await trio.sleep(0.05)
        return info

    async def added(self, records_min: int = 2, records_max: int = 1000) -> Json:
        """Gives Tap a repository it can fetch; what /info says of it then."""
        while True:
            did = next(self._fresh)
            await self.post("/repos/add", [did])
            info = await self.settled(did)
            if info["state"] == "active" and (
                records_min <= int(str(info["records"])) <= records_max
            ):
                return info
            await self.post("/repos/remove", [did])

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[Channel]:
        """An open channel."""
        async with self._connect() as stream:
            channel = Channel(stream)
            assert (await channel.shake_hands()).startswith("HTTP/1.1 101")
            yield channel

    async def events(
        self, channel: Channel, info: Json, *, acked: bool = True, records: int | None = None
    ) -> list[Event]:
        """The events of a repository by number, once all its records came; those of others are
        acked. Redelivery, which a reader's absence causes, can turn the order of arrival over."""
        found: dict[int, Event] = {}
        wanted = int(str(info["records"])) if records is None else records
        with trio.fail_after(PATIENCE_S):
            while sum(event.kind == "record" for event in found.values()) < wanted:
                event = await channel.event()
                mine = event.did == info["did"]
                if mine:
                    found[event.number] = event
                if acked or not mine:
                    await channel.send(ack(event.number))
        return [found[number] for number in sorted(found)]

    async def quiet(self, channel: Channel, did: str, seconds: float) -> None:
        """Nothing of `did` comes for so long."""
        with trio.move_on_after(seconds):
            while True:
                event = await channel.event()
                assert event.did != did, event.raw
                await channel.send(ack(event.number))


@asynccontextmanager
async def dial(url: str) -> AsyncIterator[trio.abc.Stream]:
    """A TCP connection to a real server."""
    parts = urlsplit(url)
    async with await trio.open_tcp_stream(parts.hostname or "", parts.port or 80) as stream:
        yield stream


def listed(relay: str, collection: str) -> list[str]:
    """The DIDs that a real relay lists, the last ones first: fewer tests use those."""
    answer = httpx.get(relay + PATH, params={"collection": collection, "limit": 10_000})
    return re.findall(r'"did":"([^"]+)"', answer.text)[::-1]
