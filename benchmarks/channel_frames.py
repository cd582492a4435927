"""Tap's frames, made up in bulk: the shape and size of real ones, and no two alike.

The one rule: making them must cost far less than taking them in, and they are made before the
clock starts.
"""

import random
from collections.abc import Iterator

from msgspec import Struct

from backfilld_events.ids import Nsid

COLLECTION = Nsid("net.example.score")
REV = "3n32whm55fc2n"
FIRST_ID = 1_000_001  # ids of one width: acks can be counted by their bytes
REPO_RECORDS = 700
IN_FLIGHT = 8  # repositories that Tap delivers side by side
FRAME_BYTES = 600

_BASE32 = bytes(b"abcdefghijklmnopqrstuvwxyz234567"[n % 32] for n in range(256))
_SORTABLE = bytes(b"234567abcdefghijklmnopqrstuvwxyz"[n % 32] for n in range(256))

_FRAME = (
    b'{"id":%d,"type":"record","record":{"live":%b,"did":"%b","rev":"%b","collection":"%b",'
    b'"rkey":"%b","action":"create","record":%b,"cid":"%b"}}'
)
_BODY = (
    b'{"$type":"%b","createdAt":"2026-03-14T15:09:26.535Z","game":{"cid":"%b",'
    b'"uri":"at://did:plc:sy7merns2crk6pjz7wbep5l3/net.example.game/3n32whm55fc2n"},'
    b'"note":"%b","points":%d}'
)
_NOTE = b"as good as it gets \\u003c3 "


class Made(Struct, frozen=True):
    """One record, before it is put in a frame."""

    did: bytes
    rkey: bytes
    cid: bytes
    body: bytes


def records(count: int, *, seed: int, repo_records: int = REPO_RECORDS) -> Iterator[Made]:
    """`count` records of random repositories, `IN_FLIGHT` of which come mixed."""
    dice = random.Random(seed)
    left = count
    while left > 0:
        batch: list[Made] = []
        for _ in range(IN_FLIGHT):
            did = b"did:plc:" + dice.randbytes(24).translate(_BASE32)
            batch += [_record(dice, did) for _ in range(repo_records)]
        dice.shuffle(batch)
        yield from batch[:left]
        left -= len(batch)


def _record(dice: random.Random, did: bytes) -> Made:
    noise = dice.randbytes(64)
    rkey = b"3" + noise[:12].translate(_SORTABLE)
    cid = b"bafyrei" + noise[12:].translate(_BASE32)
    body = _BODY % (COLLECTION.encode(), cid, _NOTE * 4, noise[0])
    return Made(did, rkey, cid, body)


def payload(number: int, one: Made, *, live: bool = False, rev: bytes = REV.encode()) -> bytes:
    """The message that Tap sends for it."""
    said = b"true" if live else b"false"
    return _FRAME % (
        number, said, one.did, rev, COLLECTION.encode(), one.rkey, one.body, one.cid
    )  # fmt: skip


def text_frame(content: bytes) -> bytes:
    """A message as one unmasked WebSocket text frame."""
    if len(content) < 126:
        return b"\x81" + bytes((len(content),)) + content
    if len(content) < 2**16:
        return b"\x81\x7e" + len(content).to_bytes(2, "big") + content
    return b"\x81\x7f" + len(content).to_bytes(8, "big") + content
