"""Event <-> (type name, schema version, msgpack payload).

The one rule: what was written once can be read for ever. An unknown type, a schema from the
future or a payload that does not fit is an error that names it, never skipped.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from .catalog import SCHEMAS, TYPES, Event
from .upcasts import UPCASTS

_encode = msgspec.msgpack.Encoder().encode
_DECODERS: dict[str, msgspec.msgpack.Decoder[Event]] = {
    name: msgspec.msgpack.Decoder(event_type) for name, event_type in TYPES.items()
}
_NAMES: dict[type[Event], str] = {event_type: name for name, event_type in TYPES.items()}


UNFIT = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a reader raises of a payload that is not what it reads: of a bad string, of one too deep."""


class Undecodable(ValueError):
    """A row of the log that this version cannot read; the message says type and reason."""


def encode(event: Event) -> tuple[str, int, bytes]:
    """(type name, schema version, payload) as the log keeps them."""
    name = _NAMES[type(event)]
    return name, SCHEMAS.get(name, 1), _encode(event)


def decode(name: str, schema: int, payload: bytes) -> Event:
    """The event of a row. Raises Undecodable."""
    return Readers().decode(name, schema, payload)


class Readers(dict[tuple[str, int], Callable[[bytes], Event]]):
    """What reads the payloads of a (type, schema), looked up once for many rows."""

    def __missing__(self, key: tuple[str, int]) -> Callable[[bytes], Event]:
        found = self[key] = _reader(*key)
        return found

    def decode(self, name: str, schema: int, payload: bytes) -> Event:
        """The event of a row. Raises Undecodable."""
        try:
            return self[name, schema](payload)
        except UNFIT as error:
            raise Undecodable(f"{name!r} schema {schema}: {error}") from error


def _reader(name: str, schema: int) -> Callable[[bytes], Event]:
    current = SCHEMAS.get(name, 1)
    decoder = _DECODERS.get(name)
    if decoder is None or not 1 <= schema <= current:
        raise Undecodable(
            f"{name!r} schema {schema} is not known to this version; it was written by another, "
            "probably newer one: read the log with that"
        )
    return decoder.decode if schema == current else partial(_lifted, name, schema, current)


def _lifted(name: str, schema: int, current: int, payload: bytes) -> Event:
    fields: dict[str, Any] = msgspec.msgpack.decode(payload)
    for version in range(schema, current):
        fields = UPCASTS[name, version](fields)
    return msgspec.convert(fields, TYPES[name])
