"""Serves a world on loopback: answers that are ready before anybody asks, a thread a connection.

It shares its cores with what is measured, so it does next to nothing for a request: one look into
a dict, one send. What HTTP needs beyond that (bodies, pipelining, errors) its only visitors, Tap
and backfilld, do not use.
"""

import base64
import hashlib
import socket
import threading
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from .limits import Limit

ASKED: Final = "/asked"  # how often it was asked for a repository, for the benchmark

_PAGE_MAX: Final = 2000
_PAGE_DEFAULT: Final = 500
_HEAD_BYTES_MAX: Final = 65_536
_XRPC: Final = "/xrpc/com.atproto.sync."
_WEBSOCKET_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_PING, _PONG, _CLOSE = 0x9, 0xA, 0x8


def response(status: str, kind: str, body: bytes) -> bytes:
    """A whole HTTP answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


_NOT_FOUND: Final = response("404 Not Found", "application/json", b'{"message":"not here"}')
_TOO_MANY: Final = response(
    "429 Too Many Requests", "application/json", b'{"error":"RateLimitExceeded"}'
)


class Answers:
    """All that can be asked for. `limit`: what the PDS bears of it."""

    def __init__(self, collection: str, limit: Limit) -> None:
        self._collection, self._limit = collection, limit
        self._dids: list[str] = []
        self._documents: dict[str, bytes] = {}
        self._cars: dict[str, bytes] = {}

    def add(self, did: str, document: bytes, car: bytes) -> None:
        """One more repository."""
        self._dids.append(did)
        self._documents[did] = response("200 OK", "application/did+ld+json", document)
        self._cars[did] = response("200 OK", "application/vnd.ipld.car", car)

    def to(self, target: str) -> bytes:
        """The answer to GET `target`."""
        if target == ASKED:
            counted = {"asked": self._limit.asked, "refused": self._limit.refused}
            return response("200 OK", "application/json", msgspec.json.encode(counted))
        if not target.startswith(_XRPC):
            return self._documents.get(unquote(target.removeprefix("/")), _NOT_FOUND)
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        match parts.path.removeprefix(_XRPC):
            case "getRepo":
                if self._limit.refuses():
                    return _TOO_MANY
                return self._cars.get(query.get("did", ""), _NOT_FOUND)
            case "listReposByCollection":
                return response("200 OK", "application/json", self._page(query))
        return _NOT_FOUND

    def _page(self, query: dict[str, str]) -> bytes:
        """A page as the relay's; its cursor is how many came before."""
        if query.get("collection") != self._collection:
            return b'{"repos":[]}'
        first = int(query.get("cursor", 0))
        upto = first + min(int(query.get("limit", _PAGE_DEFAULT)), _PAGE_MAX)
        page: dict[str, object] = {"repos": [{"did": did} for did in self._dids[first:upto]]}
        if upto < len(self._dids):
            page["cursor"] = str(upto)
        return msgspec.json.encode(page)


class Server:
    """Has its address before it has its answers: the documents name it."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def start(self, answers: Answers) -> None:
        """Serves from now on, in threads that end with the process."""

        def accept() -> None:
            while True:
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=_visit, args=(connection, answers), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()


def _visit(connection: socket.socket, answers: Answers) -> None:
    """One connection, request after request, until the visitor leaves."""
    held = b""
    with connection:
        try:
            while True:
                while b"\r\n\r\n" not in held:
                    more = connection.recv(_HEAD_BYTES_MAX)
                    if not more or len(held) > _HEAD_BYTES_MAX:
                        return
                    held += more
                head, _, held = held.partition(b"\r\n\r\n")
                target = head.split(b" ", 2)[1].decode()
                if target.startswith(_XRPC + "subscribeRepos"):
                    _silent_firehose(connection, head, held)
                    return
                connection.sendall(answers.to(target))
        except (ConnectionError, IndexError, ValueError):
            return  # it left, or it spoke no HTTP


def _silent_firehose(connection: socket.socket, head: bytes, held: bytes) -> None:
    """Shakes hands and says nothing more, but for pongs: a visitor that misses them hangs up."""
    headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    key = next(value for name, value in headers.items() if name.lower() == b"sec-websocket-key")
    accept = base64.b64encode(hashlib.sha1(key + _WEBSOCKET_GUID).digest())  # as the RFC has it
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    stream = connection.makefile("rb")
    if held:
        return  # nobody speaks before the handshake is answered
    while len(start := stream.read(6)) == 6:  # two bytes of head, four of mask: all are short
        opcode, length, mask = start[0] & 15, start[1] & 127, start[2:6]
        payload = bytes(byte ^ mask[n % 4] for n, byte in enumerate(stream.read(length)))
        if opcode == _CLOSE:
            return
        if opcode == _PING:
            connection.sendall(bytes((0x80 | _PONG, length)) + payload)
