"""Tap's messages: frame -> Delivery. Pure; never raises for what a frame holds.

Everything is validated on the way in, and a message that does not fit becomes a DeadDelivery with
its bytes: unread and unacked it would block its repository for ever.
"""

import re
from typing import Annotated, Literal

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

_ID_FIRST = re.compile(rb'\s*\{\s*"id"\s*:\s*(\d{1,18})\s*[,}]')

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\Z)|[{}\[\]]', re.DOTALL)

_Did = Annotated[str, Meta(pattern=rf"^{DID_PATTERN}\Z", max_length=DID_CHARS_MAX)]
_Nsid = Annotated[str, Meta(pattern=r"^[a-zA-Z][a-zA-Z0-9-]*(\.[a-zA-Z0-9-]+)+\Z", max_length=317)]
_Rkey = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_~.:-]+\Z", max_length=512)]
_Rev = Annotated[str, Meta(pattern=rf"^{TID_PATTERN}\Z")]
_Cid = Annotated[str, Meta(pattern=rf"^{CID_PATTERN}\Z")]
_Word = Annotated[str, Meta(max_length=64)]
_Name = Annotated[str, Meta(max_length=253)]


class _Record(Struct):
    did: _Did
    collection: _Nsid
    rkey: _Rkey
    rev: _Rev
    action: Literal["create", "update", "delete"]
    live: bool
    cid: _Cid | UnsetType = UNSET
    record: Raw | UnsetType = UNSET


class _Identity(Struct):
    did: _Did
    handle: _Name
    is_active: bool
    status: _Word


class _Message(Struct):
    id: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    type: Literal["record", "identity"]
    record: _Record | UnsetType = UNSET
    identity: _Identity | UnsetType = UNSET


class _LooseRecord(Struct, frozen=True):
    did: object = None
    collection: object = None
    rkey: object = None


class _Loose(Struct, frozen=True):
    record: _LooseRecord = _LooseRecord()
    identity: _LooseRecord = _LooseRecord()


_DECODE = msgspec.json.Decoder(_Message).decode
_DECODE_LOOSE = msgspec.json.Decoder(_Loose).decode


def decode(frame: bytes) -> Delivery:
    """What one text frame of /channel says."""
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
    )
