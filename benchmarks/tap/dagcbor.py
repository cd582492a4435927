"""DAG-CBOR and CIDs, as far as repositories need them: no floats. Pure.

Written for this benchmark alone: the daemon never makes a repository, it only reads what Tap says.
"""

import base64
import hashlib
from functools import lru_cache
from typing import Final

_CID_HEAD: Final = b"\x01\x71\x12\x20"  # version 1, dag-cbor, sha-256 of 32 bytes
_BYTES, _TEXT, _LIST, _MAP = 2, 3, 4, 5
_SHORT: Final = [bytes((byte,)) for byte in range(256)]
_CID_TAG: Final = b"\xd8\x2a\x58\x25\x00"  # tag 42, 37 bytes, the multibase byte


class Cid(bytes):
    """A binary CID; as a value it is encoded as a link."""

    def __str__(self) -> str:
        return "b" + base64.b32encode(self).decode().rstrip("=").lower()


def cid_of(block: bytes) -> Cid:
    """The CID of an encoded block."""
    return Cid(_CID_HEAD + hashlib.sha256(block).digest())


def encode(value: object) -> bytes:
    """`value` in its one right form. Raises TypeError for what the data model has not."""
    out = bytearray()
    _put(out, value)
    return bytes(out)


def _put(out: bytearray, value: object) -> None:
    if isinstance(value, str):
        text = value.encode()
        out += _head(_TEXT, len(text))
        out += text
    elif isinstance(value, Cid):
        out += _CID_TAG
        out += value
    elif isinstance(value, bytes):
        out += _head(_BYTES, len(value))
        out += value
    elif value is None or isinstance(value, bool):
        out += {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value]
    elif isinstance(value, int):
        out += _head(0, value) if value >= 0 else _head(1, -1 - value)
    elif isinstance(value, list | tuple):
        out += _head(_LIST, len(value))
        for one in value:
            _put(out, one)
    elif isinstance(value, dict):
        out += _head(_MAP, len(value))
        for key, encoded in _in_order(tuple(value)):
            out += encoded
            _put(out, value[key])
    else:
        raise TypeError(f"{type(value).__name__} is not in the data model")


@lru_cache(maxsize=1024)
def _in_order(keys: tuple[str, ...]) -> list[tuple[str, bytes]]:
    """Keys as maps have them, the shorter first; few shapes are encoded, each very often."""
    by_length = sorted(keys, key=lambda key: (len(key.encode()), key.encode()))
    return [(key, _head(_TEXT, len(key.encode())) + key.encode()) for key in by_length]


def _head(major: int, number: int) -> bytes:
    """The type and the number after it, in as few bytes as it fits."""
    if number < 24:
        return _SHORT[major << 5 | number]
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << (8 * size):
            return bytes((major << 5 | code,)) + number.to_bytes(size, "big")
    raise TypeError(f"{number} does not fit")
