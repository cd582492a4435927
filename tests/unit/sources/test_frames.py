"""Tap's messages: everything is validated, nothing that cannot be used is lost."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfilld.deliveries import AccountDelivery, DeadDelivery, RecordDelivery
from backfilld.sources.tap import frames

DID = "did:plc:sy7merns2crk6pjz7wbep5l3"
CID = "bafyreicpfuf6ndri6ga6jgj7qqjqvr3yw27a3u6asffbmmc6nlxdtu7po4"
# as captured from a real Tap, key order and all
CREATE = (
    b'{"id":3,"type":"record","record":{"live":false,"did":"did:plc:sy7merns2crk6pjz7wbep5l3",'
    b'"rev":"3n32whm55fc2n","collection":"xyz.statusphere.status","rkey":"r0","action":"create",'
    b'"record":{"$type":"xyz.statusphere.status","status":"a\\u0000\\u003c"},'
    b'"cid":"bafyreicpfuf6ndri6ga6jgj7qqjqvr3yw27a3u6asffbmmc6nlxdtu7po4"}}'
)
DELETE = (
    b'{"id":411,"type":"record","record":{"live":true,"did":"did:plc:tlzl4ih73q63wg2b6ejtaib6",'
    b'"rev":"3n32wnhrfsi2i","collection":"xyz.statusphere.status","rkey":"live1",'
    b'"action":"delete"}}'
)
IDENTITY = (
    b'{"id":421,"type":"identity","identity":{"did":"did:plc:ud3wvqyjpgm5s54b5bt4lvr7",'
    b'"handle":"handle.invalid","is_active":false,"status":"deleted"}}'
)


def changed(frame: bytes, **fields: Any) -> bytes:
    message = json.loads(frame)
    inner = message[message["type"]]
    for name, value in fields.items():
        if value is None:
            inner.pop(name, None)
        else:
            inner[name] = value
    return json.dumps(message).encode()


def test_a_record_keeps_the_bytes_of_its_body() -> None:
    one = frames.decode(CREATE)
    assert isinstance(one, RecordDelivery)
    assert (one.ack, one.did, one.rkey, one.cid, one.live) == (3, DID, "r0", CID, False)
    assert one.body == b'{"$type":"xyz.statusphere.status","status":"a\\u0000\\u003c"}'


def test_a_delete_has_neither_cid_nor_body() -> None:
    one = frames.decode(DELETE)
    assert isinstance(one, RecordDelivery)
    assert (one.cid, one.body, one.live) == (None, None, True)


def test_an_identity_says_how_the_account_stands() -> None:
    one = frames.decode(IDENTITY)
    assert one == AccountDelivery(421, one.did, "handle.invalid", "deleted")  # type: ignore[arg-type]


def test_an_inactive_account_is_never_called_active() -> None:
    one = frames.decode(changed(IDENTITY, status="active"))
    assert isinstance(one, AccountDelivery)
    assert one.status == "inactive"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"record": None}, "no body"),
        ({"cid": None}, "without a cid"),
        ({"did": "nonsense"}, "did"),
        ({"did": DID + "\n"}, "did"),
        ({"collection": "status"}, "collection"),
        ({"rkey": "a/b"}, "rkey"),
        ({"rev": "yesterday"}, "rev"),
        ({"action": "upsert"}, "action"),
        ({"live": "no"}, "live"),
        ({"cid": "x"}, "cid"),
    ],
)
def test_what_does_not_fit_becomes_a_dead_letter_that_can_be_acked(
    fields: dict[str, Any], why: str
) -> None:
    frame = changed(CREATE, **fields)
    one = frames.decode(frame)
    assert isinstance(one, DeadDelivery)
    assert one.ack == 3
    assert why in one.why
    assert one.raw == frame
    if "did" not in fields:
        assert one.did == DID


@pytest.mark.parametrize(
    "frame",
    [b"", b"hello", b"\xff\xfe", b"[]", b"null", b'{"id":"7"}', b'{"id":-1,"type":"record"}'],
)
def test_a_message_without_a_readable_number_is_kept_and_not_acked(frame: bytes) -> None:
    one = frames.decode(frame)
    assert isinstance(one, DeadDelivery)
    assert one.ack is None


@pytest.mark.parametrize("depth", [500, 1000, 5000, 100_000])
def test_a_record_nested_deeper_than_any_parser_goes_is_kept_whole(depth: int) -> None:
    body = b'{"a":[' * depth + b'"}]\\""' + b"]}" * depth
    one = frames.decode(CREATE.replace(b'"status":"a\\u0000\\u003c"', b'"deep":' + body))
    assert isinstance(one, RecordDelivery)
    assert one.body == b'{"$type":"xyz.statusphere.status","deep":' + body + b"}"
    assert (one.ack, one.cid) == (3, CID)


def test_a_deep_message_without_an_end_is_kept_and_acked() -> None:
    one = frames.decode(CREATE.replace(b'"a\\u0000\\u003c"', b"[" * 5000))
    assert isinstance(one, DeadDelivery)
    assert one.ack == 3


def test_an_endless_string_costs_no_time_and_what_it_says_is_shortened() -> None:
    frame = CREATE.replace(b'"a\\u0000\\u003c"', b"[" * 3000 + b'"' + b'\\"' * 200_000)
    one = frames.decode(frame)
    assert isinstance(one, DeadDelivery)
    loud = frames.decode(CREATE.replace(b'"type":"record"', b'"type":"' + b"x" * 100_000 + b'"'))
    assert isinstance(loud, DeadDelivery)
    assert len(loud.why) < 320


def test_an_ack_is_what_tap_understands() -> None:
    assert frames.ack(41) == b'{"type":"ack","id":41}'


@given(st.binary(max_size=400))
def test_no_bytes_raise(frame: bytes) -> None:
    frames.decode(frame)


@given(st.integers(0, len(CREATE) - 1), st.integers(0, 255))
def test_no_changed_byte_raises(place: int, byte: int) -> None:
    one = frames.decode(CREATE[:place] + bytes([byte]) + CREATE[place + 1 :])
    if isinstance(one, DeadDelivery) and place > 7:  # the number itself and what ends it are whole
        assert one.ack == 3, "it blocks its repository unless it is acked"


ODD = [
    {"did": "did:web:a.example"}, {"did": "did:plc:" + "x" * 2100}, {"did": DID + ":"},
    {"rkey": "self"}, {"rkey": "a:b~c.d_e-f"}, {"rkey": ""}, {"rkey": "x" * 512},
    {"rkey": "x" * 513}, {"rkey": "ä"}, {"rkey": "a\n"}, {"cid": "zQmb+="}, {"cid": "Qmb" + CID},
    {"cid": "b" * 7}, {"cid": "b" * 257}, {"cid": CID + "\n"}, {"cid": "ä" * 9}, {"cid": ""},
    {"rev": "3n32whm55fc2n\n"}, {"rev": "zn32whm55fc2n"}, {"rev": ""}, {"live": True},
    {"collection": "a.b.c" + "." + "d" * 320}, {"collection": "a..b"}, {"action": "delete"},
    {"action": "delete", "cid": None, "rkey": "x" * 513}, {"record": [1]}, {"record": 1.5},
]  # fmt: skip


@pytest.mark.parametrize("fields", ODD, ids=str)
def test_the_quick_way_is_as_strict_as_the_slow_one(fields: dict[str, Any]) -> None:
    for base in (CREATE, DELETE):
        frame = changed(base, **fields)
        slow = frames._slowly(frame)
        for _ in range(2):  # the second time from what it has learned
            assert frames._quickly(frame) in (None, slow)
            assert frames.decode(frame) == slow


def test_the_quick_way_is_the_one_that_is_taken() -> None:
    assert frames._quickly(CREATE) is not None
    assert frames._quickly(IDENTITY) is None
    both = CREATE[:-1] + b',"identity":{"did":7}}'
    assert frames.decode(both) == frames._slowly(both)


@given(
    st.sampled_from([CREATE, DELETE, IDENTITY]), st.integers(0, 400), st.binary(max_size=3)
)  # fmt: skip
def test_whatever_is_changed_both_ways_agree(frame: bytes, place: int, new: bytes) -> None:
    place %= len(frame)
    odd = frame[:place] + new + frame[place + 1 :]
    assert frames._quickly(odd) in (None, frames._slowly(odd))
