"""The identifiers of the AT Protocol: parse them, pack DIDs, put them on the wire's terms.

The one rule: whatever came from outside is parsed here before anything else sees it. Rules and
limits are those of atproto.com/specs (did, nsid, record-key, tid, cid, handle); the tests hold
them to the official interop vectors.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NewType, TypeGuard

Did = NewType("Did", str)
Nsid = NewType("Nsid", str)
Rkey = NewType("Rkey", str)
Rev = NewType("Rev", str)
Cid = NewType("Cid", str)
Handle = NewType("Handle", str)

SHOWN_CHARS_MAX = 80  # of a bad value inside an error: enough to recognise it, never a flood

# for whole values: anchored with ^ and \Z where a library searches ($ also matches before a
# final newline)
DID_PATTERN = r"did:[a-z]+:[a-zA-Z0-9._:%-]*[a-zA-Z0-9._-]"
TID_PATTERN = r"[2-7a-j][2-7a-z]{12}"
CID_PATTERN = r"(?!Qmb)[a-zA-Z0-9+=]{8,256}"

_DID = re.compile(DID_PATTERN, re.ASCII)
_PLC = re.compile(r"did:plc:[a-z2-7]{24}", re.ASCII)
_NSID = re.compile(
    r"[a-zA-Z](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)+"
    r"\.[a-zA-Z][a-zA-Z0-9]{0,62}",
    re.ASCII,
)
_HANDLE = re.compile(
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.)+"
    r"[a-zA-Z](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?",
    re.ASCII,
)
_RKEY = re.compile(r"[a-zA-Z0-9_~.:-]{1,512}", re.ASCII)
_TID = re.compile(TID_PATTERN, re.ASCII)
_CID = re.compile(CID_PATTERN, re.ASCII)

_PLC_PREFIX = "did:plc:"
_PLC_BYTES = 15
_PLC_CHARS = 24
_ALL_PLC = re.compile(r"(?:did:plc:[a-z2-7]{24})*+", re.ASCII)
_FILLER = Did(_PLC_PREFIX + "a" * _PLC_CHARS)  # where another DID stands among did:plc

DID_CHARS_MAX = 2048
NSID_CHARS_MAX = 317  # the one limit on the authority too: an official vector goes over its 253
HANDLE_CHARS_MAX = 253
NO_HANDLE = "handle.invalid"  # in place of one that leads not back: atproto.com/specs/handle


class BadId(ValueError):
    """A value that is not the identifier it should be; the message names kind, value and rule."""

    def __init__(self, kind: str, value: object, rule: str) -> None:
        super().__init__(f"{shown(value)} is not {kind}: {rule}")


def shown(value: object) -> str:
    """`value` for an error message: quoted, escaped, cut to `SHOWN_CHARS_MAX`."""
    text = value if isinstance(value, str) else _repr(value)
    text = text[: SHOWN_CHARS_MAX + 1]
    if not text.isprintable():
        text = ascii(text)[1:-1]
    return f"'{text}'" if len(text) <= SHOWN_CHARS_MAX else f"'{text[:SHOWN_CHARS_MAX]}…'"


def _repr(value: object) -> str:
    try:
        return repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits; a deep nest
        return f"a {type(value).__name__}"


def parse_did(value: object) -> Did:
    """Raises BadId unless `value` is a DID by syntax; the method may be any."""
    if not isinstance(value, str) or len(value) > DID_CHARS_MAX or not _DID.fullmatch(value):
        raise BadId(
            "a DID", value, "expected did:METHOD:ID, such as did:plc:ewvi7nxzyoun6zhxrhs64oiz"
        )
    return Did(value)


def is_did(value: object) -> TypeGuard[Did]:
    """Whether `value` is a DID by syntax; `parse_did` without the cost of an error's text."""
    return (
        isinstance(value, str) and len(value) <= DID_CHARS_MAX and _DID.fullmatch(value) is not None
    )


def all_plc(values: Sequence[object]) -> TypeGuard[Sequence[Did]]:
    """Whether each is a did:plc; one match of all of them takes a tenth of one each."""
    try:
        joined = "".join(values)  # type: ignore[arg-type]
    except TypeError:
        return False
    # of 32 characters each, or a short and a long one might pass for two
    return {*map(len, values)} <= {len(_FILLER)} and _ALL_PLC.fullmatch(joined) is not None  # type: ignore[arg-type]


def parse_nsid(value: object) -> Nsid:
    """Raises BadId unless `value` is a full NSID (no wildcard, no fragment).

    The authority is lowered (it is a domain name); the name keeps its case, which counts.
    """
    if not isinstance(value, str) or len(value) > NSID_CHARS_MAX or not _NSID.fullmatch(value):
        raise BadId("an NSID", value, "expected at least three segments, such as net.example.score")
    authority, _, name = value.rpartition(".")
    return Nsid(f"{authority.lower()}.{name}")


def parse_handle(value: object) -> Handle:
    """Raises BadId unless `value` is a handle; the answer is in lower case."""
    if isinstance(value, str) and value.lower() == NO_HANDLE:
        raise BadId("a handle", value, "it stands for one that leads to no account: take the DID")
    if not isinstance(value, str) or len(value) > HANDLE_CHARS_MAX or not _HANDLE.fullmatch(value):
        raise BadId("a handle", value, "expected a domain name, such as alice.example.com")
    return Handle(value.lower())


def parse_rkey(value: object) -> Rkey:
    """Raises BadId unless `value` is a record key."""
    if not isinstance(value, str) or not _RKEY.fullmatch(value) or value in (".", ".."):
        raise BadId("a record key", value, "expected 1 to 512 of A-Z a-z 0-9 _ ~ . : -")
    return Rkey(value)


def parse_rev(value: object) -> Rev:
    """Raises BadId unless `value` is a TID. String order of TIDs is time order."""
    if not isinstance(value, str) or not _TID.fullmatch(value):
        raise BadId("a TID", value, "expected 13 characters of base32-sortable")
    return Rev(value)


def parse_cid(value: object) -> Cid:
    """Raises BadId unless `value` is a CID by syntax."""
    if not isinstance(value, str) or not _CID.fullmatch(value):
        raise BadId("a CID", value, "expected 8 to 256 characters of a multibase text")
    return Cid(value)


# --- packing -------------------------------------------------------------------------------
# 20 million DIDs must cost hundreds of MB in the log, not GB: a did:plc is 24 characters of
# base32, exactly 15 bytes. Any other DID stands in a table in front, by its ordinal.

_BASE32 = b"abcdefghijklmnopqrstuvwxyz234567"
_TO_BASE32HEX = bytes.maketrans(_BASE32, b"0123456789abcdefghijklmnopqrstuv")
_FROM_FIVE_BITS = bytes.maketrans(bytes(range(32)), _BASE32)


def pack(dids: Sequence[Did]) -> bytes:
    """`dids` in their order: a table of those that are no did:plc, then 15 bytes each."""
    others: list[tuple[int, bytes]] = []
    if not all_plc(dids):
        others = [(at, did.encode()) for at, did in enumerate(dids) if not _PLC.fullmatch(did)]
        held = {at for at, _ in others}
        dids = [_FILLER if at in held else did for at, did in enumerate(dids)]
    table = b"".join(
        at.to_bytes(4, "big") + len(text).to_bytes(2, "big") + text for at, text in others
    )
    # one big number: int() reads base 32 in C, base64.b32decode loops in Python
    chars = "".join(dids).replace(_PLC_PREFIX, "").encode().translate(_TO_BASE32HEX)
    body = int(chars or b"0", 32).to_bytes(_PLC_BYTES * len(dids), "big")
    return len(others).to_bytes(4, "big") + table + body


def unpack(packed: bytes) -> list[Did]:
    """What `pack` packed. Raises ValueError when `packed` is no such thing.

    A cut by whole DIDs cannot be seen here: whoever keeps packed DIDs keeps their count.
    """
    others, body = _split(packed)
    chars = _base32(body)
    dids = [Did(_PLC_PREFIX + chars[i : i + _PLC_CHARS]) for i in range(0, len(chars), _PLC_CHARS)]
    for ordinal, did in others.items():
        dids[ordinal] = did
    return dids


def _base32(data: bytes) -> str:
    """Base 32 of 5, 10, 15 ... bytes, all at once: base64.b32encode takes thirty times as long.

    Each 5 bytes go into a lane of 8; three times the upper half of a lane's bits is moved to the
    upper half of the lane, for all lanes by one shift of one big number: 8 x 5 bits are left.
    """
    lanes = len(data) // 5
    spread = bytearray(8 * lanes)
    for byte in range(5):
        spread[3 + byte :: 8] = data[byte::5]
    bits = int.from_bytes(spread, "big")
    for lower, shift in _masks(lanes):
        low = bits & lower
        bits = low | (bits ^ low) << shift
    return bits.to_bytes(8 * lanes, "big").translate(_FROM_FIVE_BITS).decode()


@lru_cache(maxsize=8)  # pages come in few sizes
def _masks(lanes: int) -> Sequence[tuple[int, int]]:
    """(the lower halves, how far the upper halves move) for lanes of 64, 32 and 16 bits."""
    return tuple(
        (
            int.from_bytes(((1 << bits) - 1).to_bytes(size, "big") * (8 * lanes // size), "big"),
            shift,
        )
        for bits, size, shift in ((20, 8, 12), (10, 4, 6), (5, 2, 3))
    )


def unpack_keys(packed: bytes) -> list[bytes]:
    """The same as database keys (`pack_one`), without the way over text. Raises ValueError."""
    others, body = _split(packed)
    keys = [body[i : i + _PLC_BYTES] for i in range(0, len(body), _PLC_BYTES)]
    for ordinal, did in others.items():
        keys[ordinal] = pack_one(did)
    return keys


def keys_at(packed: bytes, ordinals: Sequence[int]) -> list[bytes]:
    """Some of them alone, at the cost of those. Raises ValueError."""
    others, body = _split(packed)
    return [
        pack_one(others[i]) if i in others else body[i * _PLC_BYTES : (i + 1) * _PLC_BYTES]
        for i in ordinals
    ]


def _split(packed: bytes) -> tuple[dict[int, Did], bytes]:
    """The table in front, by ordinal, and the 15-byte rows behind it."""
    others: dict[int, Did] = {}
    at = 4
    for _ in range(int.from_bytes(packed[:4], "big")):
        length = int.from_bytes(packed[at + 4 : at + 6], "big")
        text = packed[at + 6 : at + 6 + length]
        others[int.from_bytes(packed[at : at + 4], "big")] = Did(text.decode())
        at += 6 + length
        if at > len(packed):  # here, not after the loop: broken bytes may say billions
            break
    count, rest = divmod(len(packed) - at, _PLC_BYTES)
    if count < 0 or rest or any(ordinal >= count for ordinal in others):
        raise ValueError("packed DIDs are cut short")
    return others, packed[at:]


def pack_one(did: Did) -> bytes:
    """A DID as a database key: 15 bytes for a did:plc, its text (always longer) for any other."""
    if _PLC.fullmatch(did):
        return int(did[8:].encode().translate(_TO_BASE32HEX), 32).to_bytes(_PLC_BYTES, "big")
    return did.encode() if len(did) > _PLC_BYTES else did.encode().ljust(_PLC_BYTES + 1, b"\0")


def unpack_one(key: bytes) -> Did:
    """The DID of a key made by `pack_one`."""
    if len(key) == _PLC_BYTES:
        return Did(_PLC_PREFIX + _base32(key))
    return Did(key.rstrip(b"\0").decode())
