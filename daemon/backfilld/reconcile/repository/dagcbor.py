"""Reads DAG-CBOR, strictly: what could be written in two ways is refused. Pure.

Source: atproto.com/specs/data-model; ipld.io/specs/codecs/dag-cbor. Floats, which the data model
leaves out, are refused too.
"""

import base64
from typing import Final

DEPTH_MAX: Final = 64  # what we read, commits and nodes, has 3
CID_BYTES: Final = 36
CID_HEADS: Final = (b"\x01\x71\x12\x20", b"\x01\x55\x12\x20")  # version 1; cbor or raw; sha-256

_SIMPLE: Final = {20: False, 21: True, 22: None}
_LINK: Final = 42


class Bad(ValueError):
    """The bytes are not what they should be; the message says how."""


class Link(bytes):
    """A binary CID inside a value."""


def decode(data: bytes) -> object:
    """The one value in `data`. Raises Bad."""
    value, end = _value(data, 0, 0)
    if end != len(data):
        raise Bad("something follows the value")
    return value


def without(data: bytes, key: str) -> bytes:
    """The map in `data`, encoded again without one of its entries. Raises Bad."""
    major, count, at = _head(data, 0)
    if major != 5 or count >= 24:
        raise Bad("not a small map")
    kept = [bytes((5 << 5 | count - 1,))]
    for _ in range(count):
        name, value = _value(data, at, 1)
        _, end = _value(data, value, 1)
        if name != key:
            kept.append(data[at:end])
        at = end
    if len(kept) != count:
        raise Bad(f"no entry {key}")
    return b"".join(kept)


def text_of(cid: bytes) -> str:
    """A binary CID as text."""
    return "b" + base64.b32encode(cid).decode().rstrip("=").lower()


def _value(data: bytes, at: int, depth: int) -> tuple[object, int]:
    if depth > DEPTH_MAX:
        raise Bad("nested too deep")
    major, number, at = _head(data, at)
    match major:
        case 0:
            return number, at
        case 1:
            return -1 - number, at
        case 2:
            return _piece(data, at, number), at + number
        case 3:
            return _text(_piece(data, at, number)), at + number
        case 4:
            return _list(data, at, number, depth)
        case 5:
            return _map(data, at, number, depth)
        case 6:
            return _link(data, at, number, depth)
    if number not in _SIMPLE:
        raise Bad("a float, or no value of the data model")
    return _SIMPLE[number], at


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """The kind, the number after it, and where that ends."""
    if at >= len(data):
        raise Bad("cut short")
    major, number = data[at] >> 5, data[at] & 31
    at += 1
    if number < 24 or major == 7:
        return major, number, at
    if number > 27:
        raise Bad("of no definite length")
    size = 1 << (number - 24)
    number = int.from_bytes(_piece(data, at, size), "big")
    if number < (24 if size == 1 else 1 << (4 * size)):
        raise Bad("a number longer than it need be")
    return major, number, at + size


def _piece(data: bytes, at: int, length: int) -> bytes:
    piece = data[at : at + length]
    if len(piece) != length:
        raise Bad("cut short")
    return piece


def _text(piece: bytes) -> str:
    try:
        return piece.decode()
    except UnicodeDecodeError as error:
        raise Bad("a text that is no UTF-8") from error


def _list(data: bytes, at: int, count: int, depth: int) -> tuple[object, int]:
    if count > len(data) - at:
        raise Bad("cut short")
    values: list[object] = []
    for _ in range(count):
        value, at = _value(data, at, depth + 1)
        values.append(value)
    return values, at


def _map(data: bytes, at: int, count: int, depth: int) -> tuple[object, int]:
    if count > len(data) - at:
        raise Bad("cut short")
    values: dict[str, object] = {}
    before = (-1, b"")
    for _ in range(count):
        begin = at
        name, at = _value(data, at, depth + 1)
        if not isinstance(name, str):
            raise Bad("a key that is no text")
        order = (at - begin, data[begin:at])  # the shorter first: its head says so too
        if order <= before:
            raise Bad("keys out of order")
        before = order
        values[name], at = _value(data, at, depth + 1)
    return values, at


def _link(data: bytes, at: int, tag: int, depth: int) -> tuple[object, int]:
    piece, at = _value(data, at, depth + 1)
    fits = isinstance(piece, bytes) and len(piece) == 1 + CID_BYTES and piece[:1] == b"\0"
    if tag != _LINK or not isinstance(piece, bytes) or not fits:
        raise Bad("a tag that is no link")
    if piece[1:5] not in CID_HEADS:
        raise Bad("a link that is no CID of this protocol")
    return Link(piece[1:]), at
