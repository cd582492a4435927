"""Tap's messages: frame -> Delivery. Pure; never raises for what a frame holds.

Everything is validated on the way in, and a message that does not fit becomes a DeadDelivery with
its bytes: unread and unacked it would block its repository for ever.

Two ways lead to the same answer. The slow one has every rule in its types, and a reason for each
refusal; the quick one (`_quickly`) knows records alone, and hands back whatever it is not sure of.
"""

import re
from collections.abc import Callable, Iterable
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from backfilld_events.ids import (
    CID_PATTERN,
    DID_CHARS_MAX,
    DID_PATTERN,
    TID_PATTERN,
    Cid,
    Did,
    Nsid,
    Rev,
    Rkey,
    is_did,
    parse_nsid,
    parse_rkey,
)

from ...deliveries import AccountDelivery, DeadDelivery, Delivery, RecordDelivery
from ...failures import clean

T = TypeVar("T")

_ID_FIRST = re.compile(rb'\s*\{\s*"id"\s*:\s*(\d{1,18})\s*[,}]')

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\Z)|[{}\[\]]', re.DOTALL)

_DID = rf"^{DID_PATTERN}\Z"
_NSID = r"^[a-zA-Z][a-zA-Z0-9-]*(\.[a-zA-Z0-9-]+)+\Z"
_RKEY = r"^[a-zA-Z0-9_~.:-]+\Z"
_REV = rf"^{TID_PATTERN}\Z"
_CID = rf"^{CID_PATTERN}\Z"
_ACTIONS = ("create", "update", "delete")
_NSID_CHARS_MAX, _RKEY_CHARS_MAX, _CID_CHARS_MIN, _CID_CHARS_MAX = 317, 512, 8, 256

_Did = Annotated[str, Meta(pattern=_DID, max_length=DID_CHARS_MAX)]
_Nsid = Annotated[str, Meta(pattern=_NSID, max_length=_NSID_CHARS_MAX)]
_Rkey = Annotated[str, Meta(pattern=_RKEY, max_length=_RKEY_CHARS_MAX)]
_Rev = Annotated[str, Meta(pattern=_REV)]
_Cid = Annotated[str, Meta(pattern=_CID)]
_Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Word = Annotated[str, Meta(max_length=64)]
_Name = Annotated[str, Meta(max_length=253)]


class _Record(Struct, gc=False):
    did: _Did
    collection: _Nsid
    rkey: _Rkey
    rev: _Rev
    action: Literal["create", "update", "delete"]
    live: bool
    cid: _Cid | UnsetType = UNSET
    record: Raw | UnsetType = UNSET


class _Identity(Struct, gc=False):
    did: _Did
    handle: _Name
    is_active: bool
    status: _Word


class _Message(Struct, gc=False):
    id: _Number
    type: Literal["record", "identity"]
    record: _Record | UnsetType = UNSET
    identity: _Identity | UnsetType = UNSET


class _QuickRecord(Struct, gc=False):
    """In Tap's order of keys, which msgspec then finds at once; patterns are checked after it."""

    live: bool
    did: str
    rev: str
    collection: str
    rkey: Rkey
    action: Literal["create", "update", "delete"]
    record: Raw | UnsetType = UNSET
    cid: Cid | UnsetType = UNSET


class _QuickMessage(Struct, gc=False):
    id: _Number
    type: Literal["record"]
    record: _QuickRecord
    identity: Raw | UnsetType = UNSET


class _Known(dict[str, T]):
    """Values of one kind that were found right before: each DID comes with hundreds of records.

    It gives the very string that was kept, whose hash is known: what looks it up later is spared
    computing it. When full it begins anew; a bound on memory, not on the values. KeyError: wrong.
    """

    def __init__(self, kind: Callable[[str], T], pattern: str, chars_max: int, most: int) -> None:
        self._kind, self._match = kind, re.compile(pattern).search
        self._chars_max, self._most = chars_max, most

    def __missing__(self, value: str) -> T:
        if len(value) > self._chars_max or not self._match(value):
            raise KeyError(value)
        if len(self) >= self._most:
            self.clear()
        known = self[value] = self._kind(value)
        return known


class _LooseRecord(Struct, frozen=True):
    did: object = None
    collection: object = None
    rkey: object = None
    action: object = None


class _Loose(Struct, frozen=True):
    record: _LooseRecord = _LooseRecord()
    identity: _LooseRecord = _LooseRecord()


_DIDS = _Known(Did, _DID, DID_CHARS_MAX, 20_000)
_NSIDS = _Known(Nsid, _NSID, _NSID_CHARS_MAX, 1_000)
_REVS = _Known(Rev, _REV, 13, 20_000)
_is_rkey = re.compile(_RKEY).search
_is_cid = re.compile(_CID).search

_DECODE = msgspec.json.Decoder(_Message).decode
_DECODE_QUICK = msgspec.json.Decoder(_QuickMessage).decode
_DECODE_LOOSE = msgspec.json.Decoder(_Loose).decode


def decode(frame: bytes) -> Delivery:
    """What one text frame of /channel says."""
    return _quickly(frame) or _slowly(frame)


def decode_all(frames: Iterable[bytes]) -> list[Delivery]:
    """What each of them says."""
    return [_quickly(frame) or _slowly(frame) for frame in frames]


def _quickly(frame: bytes) -> RecordDelivery | None:
    """A record that is right beyond doubt; None: ask `_slowly`."""
    try:
        message = _DECODE_QUICK(frame)
        one = message.record
        did, collection, rev = _DIDS[one.did], _NSIDS[one.collection], _REVS[one.rev]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError):
        return None
    rkey, cid, raw = one.rkey, one.cid, one.record
    if one.action == "delete" or cid is UNSET or raw is UNSET or message.identity is not UNSET:
        return None  # deletes are live and few
    # almost all are letters and digits alone: one test of both at a third of two patterns' price
    if not ((rkey + cid).encode().isalnum() and _may_be(rkey, cid)) and not (
        _is_rkey(rkey) and _is_cid(cid) and len(rkey) <= _RKEY_CHARS_MAX
    ):
        return None
    return RecordDelivery(message.id, did, collection, rkey, rev, cid, bytes(raw), one.live)


def _may_be(rkey: str, cid: str) -> bool:
    """What remains of the rules for letters and digits."""
    return (
        0 < len(rkey) <= _RKEY_CHARS_MAX
        and _CID_CHARS_MIN <= len(cid) <= _CID_CHARS_MAX
        and not cid.startswith("Qmb")
    )


def _slowly(frame: bytes) -> Delivery:
    """The same for any message, and why it cannot be used if so."""
    body: bytes | None = None
    try:
        message = _DECODE(frame)
    except RecursionError:
        try:
            shallow, body = _without_body(frame)
            message = _DECODE(shallow)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
            return _dead(frame, f"too deep to read: {error}")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return _dead(frame, str(error))
    record, identity = message.record, message.identity
    if record is not UNSET and message.type == "record":
        return _record(message.id, record, frame, body)
    if identity is not UNSET and message.type == "identity":
        status = identity.status or ("active" if identity.is_active else "inactive")
        if not identity.is_active and status == "active":
            status = "inactive"
        return AccountDelivery(message.id, Did(identity.did), identity.handle, status)
    return _dead(frame, f"a message of type {message.type} without its {message.type}")


def ack(number: int) -> bytes:
    """The one message Tap understands; anything it cannot read ends the connection."""
    return b'{"type":"ack","id":%d}' % number


def _record(number: int, record: _Record, frame: bytes, deep: bytes | None) -> Delivery:
    if record.action == "delete":
        cid, body = None, None
    elif record.cid is UNSET:
        return _dead(frame, f"a {record.action} without a cid")
    elif record.record is UNSET:
        # Tap leaves the body out when it cannot turn it into JSON: a float, not a map, no CBOR
        return _dead(frame, "the record has no body: Tap could not read it")
    else:
        cid, body = Cid(record.cid), bytes(record.record) if deep is None else deep
    return RecordDelivery(
        number,
        Did(record.did),
        Nsid(record.collection),
        Rkey(record.rkey),
        Rev(record.rev),
        cid,
        body,
        record.live,
    )


def _without_body(frame: bytes) -> tuple[bytes, bytes]:
    """(the frame with an empty body, the body): for bodies nested deeper than any parser goes.

    Neither a PDS nor Tap bounds the depth of a record; 1,000 is seen to pass both. Tap writes the
    body as the second "record" member. Raises ValueError when there is none.
    """
    start = frame.index(b'"record":', frame.index(b'"record":') + 1) + len(b'"record":')
    depth = 0
    for token in _TOKEN.finditer(frame, start):
        depth += {b"{": 1, b"[": 1, b"}": -1, b"]": -1}.get(token[0], 0)
        if depth <= 0:
            return frame[:start] + b"{}" + frame[token.end() :], frame[start : token.end()]
    raise ValueError("its body has no end")


def _dead(frame: bytes, why: str) -> DeadDelivery:
    number = _ID_FIRST.match(frame)
    try:
        loose = _DECODE_LOOSE(frame)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        loose = _Loose()
    did = loose.record.did or loose.identity.did
    collection, rkey = None, None
    try:
        collection = parse_nsid(loose.record.collection)
        rkey = parse_rkey(loose.record.rkey)
    except ValueError:
        pass  # not readable, so not said
    return DeadDelivery(
        None if number is None else int(number[1]),
        clean(why),
        frame,
        Did(str(did)) if is_did(did) else None,
        collection,
        rkey,
        str(loose.record.action) if loose.record.action in _ACTIONS else None,
    )
