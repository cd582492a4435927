"""What was written once is read for ever: frozen samples of every event version, and the chain."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backfilld_events import chain, codec
from backfilld_events.catalog import SCHEMAS, TYPES, Event
from backfilld_events.codec import Undecodable
from backfilld_events.row import Row

GOLDEN = Path(__file__).parents[2] / "golden"
SAMPLES = sorted((GOLDEN / "events").glob("*.json"))


def test_every_event_version_has_a_frozen_sample() -> None:
    wanted = {
        f"{name}.v{version}.json"
        for name in TYPES
        for version in range(1, SCHEMAS.get(name, 1) + 1)
    }
    assert {sample.name for sample in SAMPLES} == wanted


def still_says(today: Any, frozen: Any) -> bool:
    """Whether all that a sample said when it was frozen is said today; what later versions added
    comes after it, or under names of its own."""
    if isinstance(frozen, dict):
        return all(name in today and still_says(today[name], frozen[name]) for name in frozen)
    if isinstance(frozen, list):
        return len(today) >= len(frozen) and all(map(still_says, today, frozen))
    return bool(today == frozen)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_a_frozen_sample_still_says_the_same(sample: Path) -> None:
    frozen = json.loads(sample.read_text())
    event = codec.decode(frozen["type"], frozen["schema"], bytes.fromhex(frozen["payload"]))
    said = json.loads(msgspec.json.encode(event))
    assert still_says(said, frozen["says"])
    if frozen["schema"] == SCHEMAS.get(frozen["type"], 1):
        assert codec.encode(event) == (
            frozen["type"],
            frozen["schema"],
            bytes.fromhex(frozen["payload"]),
        )


def test_the_chain_is_what_it_was() -> None:
    previous = chain.GENESIS
    for vector in json.loads((GOLDEN / "chain.json").read_text()):
        columns = {**vector["row"], "payload": bytes.fromhex(vector["row"]["payload"])}
        row = Row(**columns, hash=b"")
        previous = row.linked(previous)
        assert previous.hex() == vector["hash"]


@pytest.mark.parametrize(
    ("name", "schema", "payload"),
    [
        ("job.unheard-of", 1, b"\x80"),
        ("job.picked-up", 2, b"\x80"),
        ("job.picked-up", 0, b"\x80"),
        ("job.batch-handed-off", 1, b"\x80"),
        ("job.picked-up", 1, b"\x81\xa1x\x01"),
        ("job.picked-up", 1, b"\xc1"),
        ("service.started", 1, b"\x81\xa7version\xa1\xff"),
    ],
)
def test_what_cannot_be_read_is_an_error_that_names_it(
    name: str, schema: int, payload: bytes
) -> None:
    with pytest.raises(Undecodable, match=name):
        codec.decode(name, schema, payload)


def test_an_old_payload_is_lifted_when_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "service.started"
    monkeypatch.setitem(SCHEMAS, name, 3)
    monkeypatch.setitem(codec.UPCASTS, (name, 1), lambda old: {"release": old["v"]})
    monkeypatch.setitem(codec.UPCASTS, (name, 2), lambda old: {"version": old["release"]})
    event: Event = codec.decode(name, 1, msgspec.msgpack.encode({"v": "0.0.1"}))
    assert event == TYPES[name](version="0.0.1")  # type: ignore[call-arg]
