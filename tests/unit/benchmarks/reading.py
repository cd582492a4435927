"""Reads CARs, for the tests: written apart from what writes them, and as strict as need be."""

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple


class Link(bytes):
    """A CID inside a value."""


class Car(NamedTuple):
    root: bytes
    blocks: dict[bytes, bytes]


def car(data: bytes) -> Car:
    """Every block fits its CID, or this fails."""
    parts = list(_parts(data))
    header = decode(parts[0])
    assert header["version"] == 1
    (root,) = header["roots"]
    blocks = {part[:36]: part[36:] for part in parts[1:]}
    for cid, block in blocks.items():
        assert cid == b"\x01\x71\x12\x20" + hashlib.sha256(block).digest()
    return Car(root, blocks)


def walk(blocks: dict[bytes, bytes], node: bytes) -> Iterator[tuple[str, Any]]:
    """("node", CID) of every node, and ("leaf", (key, CID)) of every leaf, in order."""
    yield "node", node
    value = decode(blocks[node])
    if value["l"] is not None:
        yield from walk(blocks, value["l"])
    key = b""
    for entry in value["e"]:
        key = key[: entry["p"]] + entry["k"]
        yield "leaf", (key, entry["v"])
        if entry["t"] is not None:
            yield from walk(blocks, entry["t"])


def decode(data: bytes) -> Any:
    """The one value in `data`."""
    value, end = _value(data, 0)
    assert end == len(data)
    return value


def _parts(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        length = shift = 0
        while True:
            byte, at = data[at], at + 1
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        assert at + length <= len(data)
        yield data[at : at + length]
        at += length


def _value(data: bytes, at: int) -> tuple[Any, int]:
    major, number, at = data[at] >> 5, data[at] & 31, at + 1
    if major == 7:
        return {20: False, 21: True, 22: None}[number], at
    if number > 23:
        size = {24: 1, 25: 2, 26: 4, 27: 8}[number]
        number, at = int.from_bytes(data[at : at + size], "big"), at + size
    if major in (0, 1):
        return number if major == 0 else -1 - number, at
    if major in (2, 3):
        piece = data[at : at + number]
        return piece if major == 2 else piece.decode(), at + number
    if major == 6:
        assert number == 42
        piece, at = _value(data, at)
        return Link(piece[1:]), at
    values = []
    for _ in range(number * (2 if major == 5 else 1)):
        value, at = _value(data, at)
        values.append(value)
    return (dict(zip(values[::2], values[1::2], strict=True)) if major == 5 else values), at
