"""Which events name an account: by its key, in a list that is packed, or in a text. Pure.

The one rule: it knows no event by name, so that none is ever forgotten.
"""

import re
from typing import Any

from msgspec import Struct

from ..codec import Undecodable
from ..ids import Did, pack_one, unpack_keys
from ..row import Row

_CHARS = "A-Za-z0-9_:%-"  # of a DID, but for its dots: one may end a sentence


class Named:
    """Tells whether events name the account `did`."""

    def __init__(self, did: Did) -> None:
        self.did, self.key = did, pack_one(did)
        self._raw = did.encode()
        whole = rf"(?<![{_CHARS}.]){re.escape(did)}(?![{_CHARS}]|\.[{_CHARS}])"
        self._text = re.compile(whole, re.ASCII)

    def may_be_in(self, payload: bytes) -> bool:
        """Whether its bytes are there; most payloads do not have them, and that is seen at once."""
        return self.key in payload or self._raw in payload

    def is_in(self, row: Row) -> bool:
        """Whether the row's event names it; so it may be, if that has its bytes and cannot be
        read."""
        if not self.may_be_in(row.payload):
            return False
        try:
            return self._within(row.event)
        except Undecodable:
            return True

    def _within(self, value: Any) -> bool:
        match value:
            case bytes():
                return value == self.key or (self.may_be_in(value) and self.key in _keys(value))
            case str():
                return self._text.search(value) is not None
            case list() | tuple():
                return any(map(self._within, value))
            case dict():
                return any(self._within(part) for pair in value.items() for part in pair)
            case Struct():
                return any(self._within(getattr(value, name)) for name in value.__struct_fields__)
        return False


def _keys(packed: bytes) -> list[bytes]:
    try:
        return unpack_keys(packed)
    except ValueError:  # it is something else
        return []
