"""Tap's events as the bytes of WebSocket frames, in the order of keys of its Go structs. Pure."""

import json

from ..bodies import go_json
from ..changes import Status, Write

_FIN_TEXT = 0x81


def text_frame(payload: bytes) -> bytes:
    """One unfragmented, unmasked text frame."""
    length = len(payload)
    if length < 126:
        return bytes((_FIN_TEXT, length)) + payload
    if length < 2**16:
        return bytes((_FIN_TEXT, 126)) + length.to_bytes(2, "big") + payload
    return bytes((_FIN_TEXT, 127)) + length.to_bytes(8, "big") + payload


def record_frame(number: int, did: str, rev: str, write: Write, *, live: bool) -> bytes:
    """An event of one record. A create or update without a body: Tap could not read it."""
    content = b""
    if write.record is not None:
        if write.record.body is not None:
            content = b',"record":' + write.record.body
        content += b',"cid":"%b"' % write.record.cid.encode()
    head = (
        f'{{"id":{number},"type":"record","record":{{"live":{"true" if live else "false"},'
        f'"did":"{did}","rev":"{rev}","collection":"{write.collection}","rkey":"{write.rkey}",'
        f'"action":"{write.action}"'
    )
    return text_frame(head.encode() + content + b"}}")


def identity_frame(number: int, did: str, handle: str, status: Status) -> bytes:
    """An event that tells an account's handle and status."""
    active = json.dumps(status == "active")
    return text_frame(
        b'{"id":%d,"type":"identity","identity":{"did":%b,"handle":%b,"is_active":%b,"status":"%b"}}'
        % (number, go_json(did), go_json(handle), active.encode(), status.encode())
    )
