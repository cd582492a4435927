"""Event <-> (type name, schema version, msgpack payload).

The one rule: what was written once can be read for ever. An unknown type, a schema from the
future or a payload that does not fit is an error that names it, never skipped.
"""

from typing import Any

import msgspec

from .catalog import SCHEMAS, TYPES, Event
from .upcasts import UPCASTS

_ENCODER = msgspec.msgpack.Encoder()
_DECODERS: dict[str, msgspec.msgpack.Decoder[Event]] = {
    name: msgspec.msgpack.Decoder(event_type) for name, event_type in TYPES.items()
}
_NAMES: dict[type[Event], str] = {event_type: name for name, event_type in TYPES.items()}


class Undecodable(ValueError):
    """A row of the log that this version cannot read; the message says type and reason."""


def encode(event: Event) -> tuple[str, int, bytes]:
    """(type name, schema version, payload) as the log keeps them."""
    name = _NAMES[type(event)]
    return name, SCHEMAS.get(name, 1), _ENCODER.encode(event)


def decode(name: str, schema: int, payload: bytes) -> Event:
    """The event of a row. Raises Undecodable."""
    current = SCHEMAS.get(name, 1)
    decoder = _DECODERS.get(name)
    if decoder is None or not 1 <= schema <= current:
        raise Undecodable(
            f"{name!r} schema {schema} is not known to this version; it was written by another, "
            "probably newer one: read the log with that"
        )
    try:
        if schema == current:
            return decoder.decode(payload)
        fields: dict[str, Any] = msgspec.msgpack.decode(payload)
        for version in range(schema, current):
            fields = UPCASTS[name, version](fields)
        return msgspec.convert(fields, TYPES[name])
    except msgspec.MsgspecError as error:
        raise Undecodable(f"{name!r} schema {schema}: {error}") from error
