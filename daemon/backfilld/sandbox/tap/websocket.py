"""The server's side of WebSocket as gorilla/websocket does it, without I/O. Pure.

Tap's library neither checks text for UTF-8 nor limits messages, and answers a broken frame with
close code 1002 and its own words; a message Tap cannot read ends in a bare end of stream.
"""

import base64
import binascii
import hashlib
import json
import re
from typing import NamedTuple, NoReturn

from ..http import Request

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_PLAIN_ACK = re.compile(rb'\{"type":"ack","id":(0|[1-9]\d{0,17})\}')
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_PROTOCOL_ERROR = 1002
_CLOSE_CODES = (*range(1000, 1004), *range(1007, 1014), *range(3000, 5000))
_NUMBER_MAX = 2**64 - 1


def accept_headers(request: Request) -> dict[str, str] | None:
    """The headers of a 101; None: this is no handshake."""
    key = request.headers.get("sec-websocket-key", "").strip()
    if (
        "upgrade" not in _tokens(request, "connection")
        or "websocket" not in _tokens(request, "upgrade")
        or "13" not in _tokens(request, "sec-websocket-version")
        or not _is_key(key)
    ):
        return None
    digest = hashlib.sha1(key.encode() + _MAGIC, usedforsecurity=False).digest()
    return {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": base64.b64encode(digest).decode(),
    }


class Acked(NamedTuple):
    """The client acks a number."""

    number: int


class Reply(NamedTuple):
    """A control frame to send back."""

    frame: bytes


class Over(NamedTuple):
    """The connection ends, after this frame if there is one. Nothing is read after it."""

    frame: bytes = b""


class Reader:
    """Bytes in, what they mean to Tap out."""

    def __init__(self) -> None:
        self._buffer = b""
        self._parts: list[bytes] | None = None  # of a message in fragments

    def feed(self, data: bytes) -> list[Acked | Reply | Over]:
        """What `data` completes; `Over` comes last."""
        buffer, at = self._buffer + data, 0
        said: list[Acked | Reply | Over] = []
        while len(buffer) - at >= 2 and not (said and isinstance(said[-1], Over)):
            first, second = buffer[at], buffer[at + 1]
            if (error := self._protocol_error(first, second)) is not None:
                said.append(Over(_close(_PROTOCOL_ERROR, error)))
                break
            start, length = at + 6, second & 127
            if length == 126:
                start, length = at + 8, int.from_bytes(buffer[at + 2 : at + 4], "big")
            elif length == 127:
                start, length = at + 14, int.from_bytes(buffer[at + 2 : at + 10], "big")
            if len(buffer) < start + length:
                break
            payload = _unmasked(buffer[start - 4 : start], buffer[start : start + length])
            at = start + length
            if (meaning := self._meaning(first, payload)) is not None:
                said.append(meaning)
        self._buffer = buffer[at:]
        return said

    def _protocol_error(self, first: int, second: int) -> str | None:
        opcode, final, errors = first & 15, bool(first & 128), []
        errors += [f"RSV{n} set" for n, bit in ((1, 64), (2, 32), (3, 16)) if first & bit]
        if opcode in (_CLOSE, _PING, _PONG):
            errors += ["len > 125 for control"] if second & 127 > 125 else []
            errors += [] if final else ["FIN not set on control"]
        elif opcode in (_TEXT, _BINARY):
            errors += [] if self._parts is None else ["data before FIN"]
        elif opcode == _CONTINUATION:
            errors += ["continuation after FIN"] if self._parts is None else []
        else:
            errors.append(f"bad opcode {opcode}")
        errors += [] if second & 128 else ["bad MASK"]
        return ", ".join(errors) or None

    def _meaning(self, first: int, payload: bytes) -> Acked | Reply | Over | None:
        opcode = first & 15
        if opcode == _PING:
            return Reply(bytes((0x80 | _PONG, len(payload))) + payload)
        if opcode == _CLOSE:
            return _closing(payload)
        if opcode == _PONG:
            return None
        if first & 128 and self._parts is None:
            return _message(payload)
        self._parts = [*(self._parts or ()), payload]
        if not first & 128:
            return None
        whole, self._parts = b"".join(self._parts), None
        return _message(whole)


def _message(text: bytes) -> Acked | Over | None:
    """What Tap makes of a message: an ack, nothing, or the end. As Go's decoder sees it: the
    first JSON value counts, keys in any case, the last of a key wins."""
    if (plain := _PLAIN_ACK.fullmatch(text)) is not None:
        return Acked(int(plain[1]))
    try:
        value, _ = _DECODER.raw_decode(text.decode(errors="replace").lstrip(" \t\r\n"))
    except (ValueError, RecursionError):
        return Over()
    if value is None:
        return None
    if not isinstance(value, _Object):
        return Over()
    kind: object = ""
    number: object = 0
    for key, found in value.pairs:
        if key.lower() == "type" and found is not None:
            kind = found
        elif key.lower() == "id" and found is not None:
            number = found
        if not isinstance(kind, str) or type(number) is not int or number > _NUMBER_MAX:
            return Over()
    return Acked(number) if kind == "ack" and isinstance(number, int) else None


class _Object(NamedTuple):
    pairs: list[tuple[str, object]]


def _integer(text: str) -> object:
    return int(text) if text.isdecimal() and len(text) <= 20 else text.encode()


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_Object, parse_int=_integer, parse_constant=_no_constant
)


def _closing(payload: bytes) -> Over:
    if len(payload) < 2:
        return Over(_close(None))
    code = int.from_bytes(payload[:2], "big")
    if code not in _CLOSE_CODES:
        return Over(_close(_PROTOCOL_ERROR, f"bad close code {code}"))
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        return Over(_close(_PROTOCOL_ERROR, "invalid utf8 payload in close frame"))
    return Over(_close(code))


def _close(code: int | None, why: str = "") -> bytes:
    payload = b"" if code is None else code.to_bytes(2, "big") + why.encode()
    return bytes((0x80 | _CLOSE, len(payload))) + payload


def _unmasked(key: bytes, payload: bytes) -> bytes:
    length = len(payload)
    mask = (key * (length // 4 + 1))[:length]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(length, "big")


def _tokens(request: Request, name: str) -> list[str]:
    return [token.strip().lower() for token in request.headers.get(name, "").split(",")]


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 16
    except binascii.Error:
        return False
