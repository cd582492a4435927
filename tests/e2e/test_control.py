"""The API over the real socket, as curl and scripts use it."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.machine import LEXICON, STATUS, Machine, until

from backfilld.control.caller.client import Refusal

LEXICONS = Path(__file__).parents[1] / "interop" / "lexicons"
BROKEN = json.loads((LEXICONS / "broken" / "index.json").read_text())


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with ExitStack() as stack:
        machine = Machine(tmp_path_factory.mktemp("e2e"), stack, faults=0)
        until(lambda: machine.control.get("/admin/health"))
        yield machine


def refused(machine: Machine, path: str, body: bytes) -> Refusal:
    with pytest.raises(Refusal) as refusal:
        machine.control.post(path, body)
    return refusal.value


def test_the_daemon_says_that_it_is_there(machine: Machine) -> None:
    assert machine.control.get("/health") == b"ok"


def test_a_whole_backfill_as_a_script_of_happyview_drives_it(machine: Machine) -> None:
    body = json.dumps({"lexicon_json": LEXICON, "backfill": True}).encode()
    answer = machine.control.post("/admin/lexicons", body)
    assert answer.status == 201
    assert answer.body["revision"] == 1
    job = answer.body["backfill_job_id"]

    def ended() -> Any:
        (row,) = machine.control.get("/admin/backfill/status")
        return row if row["status"] in ("completed", "failed") else None

    row = until(ended)
    assert (row["id"], row["status"], row["collection"]) == (job, "completed", STATUS)
    assert row["total_repos"] == row["processed_repos"] == 400
    assert (row["did"], row["error"], row["stage"]) == (None, None, "completed")
    until(lambda: machine.control.get(f"/admin/backfill/{job}")["sync"]["state"] == "synced")
    stats = machine.control.get("/admin/stats")
    assert stats["collections"] == [{"collection": STATUS, "count": stats["total_records"]}]
    detail = machine.control.get(f"/admin/backfill/{job[:8]}")
    assert detail["total_records"] == stats["total_records"]
    # Tap deletes what was acked in batches, or every ten seconds
    until(lambda: machine.control.get("/admin/tap/stats")["outbox_buffer"] == 0)
    assert machine.control.get("/admin/tap/stats")["repo_count"] == 400
    assert machine.control.post("/admin/lexicons", body).status == 200


def test_records_are_paged_to_the_last(machine: Machine) -> None:
    seen, cursor = set(), None
    while True:
        page = machine.control.get("/admin/records", collection=STATUS, limit=100, cursor=cursor)
        uris = {record["uri"] for record in page["records"]}
        assert not uris & seen
        seen |= uris
        if (cursor := page.get("cursor")) is None:
            break
    assert len(seen) == machine.control.get("/admin/stats")["total_records"]


def test_the_log_tells_who_did_it_and_what_came_of_it(machine: Machine) -> None:
    rows = list(machine.control.lines("/admin/log", after=0))
    assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
    uploaded = next(row for row in rows if row["type"] == "lexicon.uploaded")
    started = next(row for row in rows if row["type"] == "job.started")
    assert uploaded["actor"] == f"uid:{os.getuid()}"
    assert started["cause"] == uploaded["position"]
    tail = list(machine.control.lines("/admin/log", tail=2))
    assert tail == rows[-2:]


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_broken_lexicon_is_refused_with_the_reason(machine: Machine, name: str) -> None:
    text = (LEXICONS / "broken" / name).read_bytes()
    answer = refused(machine, "/admin/lexicons", b'{"lexicon_json":' + text + b"}")
    assert answer.status == 400
    assert answer.body["code"] in ("bad-lexicon", "bad-request")
    assert answer.hint


@pytest.mark.parametrize("path", sorted((LEXICONS / "valid").glob("*.json")), ids=lambda p: p.stem)
def test_a_real_lexicon_is_taken_and_given_back(machine: Machine, path: Path) -> None:
    body = b'{"backfill":false,"lexicon_json":' + path.read_bytes() + b"}"
    assert machine.control.post("/admin/lexicons", body).status in (200, 201)
    shown = machine.control.get(f"/admin/lexicons/{path.stem}")
    assert shown["lexicon_json"] == json.loads(path.read_bytes())
    assert path.stem in [one["id"] for one in machine.control.get("/admin/lexicons")]
    if path.stem != STATUS:
        assert machine.control.delete(f"/admin/lexicons/{path.stem}").status == 204
        with pytest.raises(Refusal, match="not found"):
            machine.control.get(f"/admin/lexicons/{path.stem}")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"{", 400, None),
        (b"", 400, None),
        (b"[]", 422, None),
        (b'"x"', 422, None),
        (b"\xff", 400, None),
        (b'{"collection":7}', 422, "collection"),
        (b'{"collection":"nonsense"}', 400, "collection"),
        (b'{"collection":"a.b.*"}', 400, "collection"),
        (b'{"did":"nonsense"}', 400, "did"),
        (b'{"dids":["", " "]}', 400, "dids"),
        (b'{"dids":["did:plc:x", 7]}', 422, "dids[1]"),
        (b'{"colection":"a.b.c"}', 422, "colection"),
        (b"[" * 100_000, 422, None),
    ],
)
def test_a_bad_body_is_refused_with_code_field_and_hint(
    machine: Machine, body: bytes, status: int, field: str | None
) -> None:
    answer = refused(machine, "/admin/backfill", body)
    assert (answer.status, answer.field) == (status, field)
    assert answer.code.startswith("bad-")
    assert answer.hint


def test_a_job_for_an_unknown_collection_is_answered_as_failed(machine: Machine) -> None:
    answer = machine.control.post("/admin/backfill", b'{"collection":"net.example.nope"}')
    assert answer.status == 201
    assert (answer.body["status"], answer.body["state"]) == ("failed", "failed")
    assert "net.example.nope" in answer.body["error"]


def test_what_is_not_there_is_a_404_with_a_hint(machine: Machine) -> None:
    for path in ("/admin/backfill/zzz", "/admin/users", "/nope"):
        with pytest.raises(Refusal) as refusal:
            machine.control.get(path)
        assert (refusal.value.status, bool(refusal.value.hint)) == (404, True)


def test_a_body_beyond_the_limit_is_refused(machine: Machine) -> None:
    answer = refused(machine, "/admin/backfill", b" " * (9 * 2**20))
    assert answer.status == 413


def test_the_socket_is_for_its_owner_and_group_alone(machine: Machine) -> None:
    assert (machine.folder / "control.sock").stat().st_mode & 0o777 == 0o660
