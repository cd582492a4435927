"""Identifiers made from numbers: DIDs, TIDs, CIDs, and the numbers that look like chance. Pure.

A world of ten million repositories keeps none of them: every name is computed from an ordinal,
and a DID gives its ordinal back, so no table stands behind it.
"""

import hashlib
import re
from collections.abc import Iterable

from backfilld_events.ids import Cid, Did, Rev

_64 = 2**64 - 1
_DID_BYTES = 12
_DID_BITS = 8 * _DID_BYTES
# sixteen of the 32 letters of base32: then the digits are those of bytes.hex, which is C
_LETTERS = b"acegikmoqsuwy246"
_HEX = b"0123456789abcdef"
_TO_LETTERS = bytes.maketrans(_HEX, _LETTERS)
_TO_HEX = bytes.maketrans(_LETTERS, _HEX)
_WORLD_DID = re.compile(r"did:plc:[acegikmoqsuwy246]{24}", re.ASCII)

_TID_CHARS = "234567abcdefghijklmnopqrstuvwxyz"
_TID_PAIRS = [a + b for a in _TID_CHARS for b in _TID_CHARS]
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_BASE32_TRIPLES = [a + b + c for a in _BASE32 for b in _BASE32 for c in _BASE32]
_CID_PREFIX = bytes((1, 0x71, 0x12, 0x20))  # CIDv1, dag-cbor, sha-256 of 32 bytes


def mix(number: int) -> int:
    """64 bits that look random and are always the same for `number` (splitmix64's finaliser)."""
    z = (number + 0x9E3779B97F4A7C15) & _64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _64
    return z ^ (z >> 31)


class DidMap:
    """Ordinal -> did:plc and back: n -> n * odd + offset modulo 2^96, which is invertible."""

    def __init__(self, seed: int) -> None:
        digest = hashlib.sha256(b"did:%d" % seed).digest()
        self._odd = int.from_bytes(digest[:_DID_BYTES], "big") | 1
        self._offset = int.from_bytes(digest[_DID_BYTES : 2 * _DID_BYTES], "big")
        self._back = pow(self._odd, -1, 1 << _DID_BITS)

    def did(self, ordinal: int) -> Did:
        return self.dids((ordinal,))[0]

    def dids(self, ordinals: Iterable[int]) -> list[Did]:
        """Many at once, for pages: under a microsecond each."""
        odd, offset, mask = self._odd, self._offset, (1 << _DID_BITS) - 1
        numbers = [((n * odd + offset) & mask).to_bytes(_DID_BYTES, "big") for n in ordinals]
        text = b"".join(numbers).hex().encode().translate(_TO_LETTERS).decode()
        return [Did("did:plc:" + text[at : at + 24]) for at in range(0, len(text), 24)]

    def ordinal(self, did: str) -> int | None:
        """The ordinal `did` was made from; any number below 2^96 for a DID of this form."""
        if not _WORLD_DID.fullmatch(did):
            return None
        number = int(did[8:].encode().translate(_TO_HEX), 16)
        return (number - self._offset) * self._back % (1 << _DID_BITS)


def tid(micros: int, clock: int) -> Rev:
    """A TID: 53 bits of microseconds since 1970, 10 bits of clock id; it sorts by time."""
    n, pairs = (micros << 10 | clock & 1023), _TID_PAIRS
    return Rev(
        _TID_CHARS[n >> 60]
        + pairs[n >> 50 & 1023]
        + pairs[n >> 40 & 1023]
        + pairs[n >> 30 & 1023]
        + pairs[n >> 20 & 1023]
        + pairs[n >> 10 & 1023]
        + pairs[n & 1023]
    )


def cid_of(body: bytes) -> Cid:
    """A CID in the form of a record's. It is of the JSON, not of DAG-CBOR: it tells bodies
    apart, and nobody who has only the JSON can check more."""
    n = int.from_bytes(_CID_PREFIX + hashlib.sha256(body).digest(), "big") << 2
    triples = _BASE32_TRIPLES
    text = "".join([triples[n >> shift & 32767] for shift in range(270, -1, -15)])
    return Cid("b" + _BASE32[n >> 285] + text)
