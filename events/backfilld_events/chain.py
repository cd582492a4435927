"""The hash chain: each row's hash covers the row and the hash before it.

The one rule: the encoding below never changes. It is pinned by golden vectors; a log written by
any version verifies with any other.
"""

import hashlib

import msgspec

GENESIS = bytes(32)  # stands where the hash before the first row would

_ENCODER = msgspec.msgpack.Encoder()


def link(
    previous: bytes,
    position: int,
    stream: str,
    version: int,
    name: str,
    schema: int,
    recorded_at: int,
    actor: str,
    cause: int | None,
    payload: bytes,
) -> bytes:
    """SHA-256 over `previous` and the msgpack array of all other columns, in this order.

    msgpack says every length, so no two different rows encode alike.
    """
    columns = (position, stream, version, name, schema, recorded_at, actor, cause, payload)
    return hashlib.sha256(previous + _ENCODER.encode(columns)).digest()
