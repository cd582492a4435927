"""What is asked of records, events, Tap and the log, over the real socket: the contract's samples,
and what is better here."""

import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from support.given import did
from support.machine import Machine, until

from backfilld.control.caller.client import Refusal
from backfilld.deliveries import RecordDelivery
from backfilld.records.sqlite import SqliteStore
from backfilld.records.store import Group
from backfilld_events.ids import Cid, Nsid, Rev, Rkey

SCORE, EMPTY, LARGE = (Nsid(f"net.example.{name}") for name in ("score", "empty", "large"))
ME = f"uid:{os.getuid()}"
LABELS = b'{"$type":"com.atproto.label.defs#selfLabels","values":[{"val":"porn"},{"val":"x"}]}'
SOME = 25


def record(
    n: int, collection: Nsid = SCORE, repo: int = 0, body: bytes = b'{"n":1}'
) -> RecordDelivery:
    return RecordDelivery(
        1, did(repo), collection, Rkey(f"k{n:03}"), Rev("3jzfcijpj2z2a"), Cid("bafyreione"), body,
        False,
    )  # fmt: skip


def filled(machine: Machine, records: Sequence[RecordDelivery]) -> None:
    """The index has these records at the next start; in the order of their coming."""
    with closing(SqliteStore.open(machine.folder / "data" / "records.db", 20)) as store:
        for at in range(0, len(records), 5000):
            store.commit(Group(list(records[at : at + 5000]), [], [], []), 1_800_000_000_000_000)


def lexicon(machine: Machine, nsid: str) -> None:
    main = {"type": "record", "key": "any", "record": {"type": "object", "properties": {}}}
    document = {"lexicon": 1, "id": nsid, "defs": {"main": main}}
    body = json.dumps({"lexicon_json": document, "backfill": False}).encode()
    assert machine.control.post("/admin/lexicons", body).status == 201


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with ExitStack() as stack:
        machine = Machine(tmp_path_factory.mktemp("reads"), stack, faults=0)
        until(lambda: machine.control.get("/admin/health"))
        assert machine.stop() == 0
        labelled = record(900, repo=2, body=b'{"labels":' + LABELS + b"}")
        odd = record(901, repo=2, body=b'{"labels":{"$type":"other","values":[{"val":"x"}]}}')
        one = [record(n, repo=n % 2) for n in range(SOME)]
        filled(machine, [*one, labelled, odd])
        machine.start()
        until(lambda: machine.control.get("/admin/health")["channel"]["connected"])
        lexicon(machine, EMPTY)
        yield machine


def refused(machine: Machine, path: str, method: str = "get") -> Refusal:
    with pytest.raises(Refusal) as refusal:
        getattr(machine.control, method)(path)
    return refusal.value


def pages(machine: Machine, limit: int, **query: Any) -> list[list[dict[str, Any]]]:
    found = []
    cursor = None
    while True:
        page = machine.control.get("/admin/records", limit=limit, cursor=cursor, **query)
        found.append(page["records"])
        if (cursor := page.get("cursor")) is None:
            return found


def test_stats_count_every_collection_and_known_ones_without_records_too(machine: Machine) -> None:
    assert machine.control.get("/admin/stats") == {
        "total_records": SOME + 2,
        "collections": [
            {"collection": EMPTY, "count": 0},
            {"collection": SCORE, "count": SOME + 2},
        ],
    }
    assert machine.control.get("/admin/records/collections") == {"collections": [SCORE]}


def test_records_come_newest_first_in_pages_that_overlap_nowhere(machine: Machine) -> None:
    newest = machine.control.get("/admin/records", collection=SCORE, limit=3)["records"][2]
    assert newest == {
        "uri": f"at://{did(0)}/{SCORE}/k024",
        "did": did(0),
        "collection": SCORE,
        "rkey": "k024",
        "cid": "bafyreione",
        "rev": "3jzfcijpj2z2a",
        "indexed_at": "2027-01-15T08:00:00.000Z",
        "record": {"n": 1},
        "labels": [],
    }
    found = [one["rkey"] for page in pages(machine, 7, collection=SCORE) for one in page]
    assert found[2:] == [f"k{n:03}" for n in reversed(range(SOME))]
    assert len(machine.control.get("/admin/records", collection=SCORE)["records"]) == 20
    assert machine.control.get("/admin/records", collection="net.example.none") == {"records": []}


def test_a_cursor_that_happyview_gave_is_taken(machine: Machine) -> None:
    page = machine.control.get("/admin/records", collection=SCORE, cursor="20", limit=20)
    assert [one["rkey"] for one in page["records"]] == [f"k{n:03}" for n in reversed(range(7))]
    assert "cursor" not in page


def test_the_records_of_one_repository_can_be_asked_for(machine: Machine) -> None:
    found = [one for page in pages(machine, 5, collection=SCORE, did=did(1)) for one in page]
    assert [one["rkey"] for one in found] == [f"k{n:03}" for n in range(SOME - 2, 0, -2)]
    assert {one["did"] for one in found} == {did(1)}


def test_the_labels_that_a_record_gives_itself_are_told(machine: Machine) -> None:
    odd, labelled = machine.control.get("/admin/records", collection=SCORE, limit=2)["records"]
    uri = f"at://{did(2)}/{SCORE}/k900"
    assert labelled["labels"] == [
        {"src": did(2), "uri": uri, "val": val, "cts": ""} for val in ("porn", "x")
    ]
    assert odd["labels"] == []


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/admin/records?collection=nonsense", "collection"),
        (f"/admin/records?collection={SCORE}&limit=101", "limit"),
        (f"/admin/records?collection={SCORE}&limit=0", "limit"),
        (f"/admin/records?collection={SCORE}&cursor=nonsense", "cursor"),
        (f"/admin/records?collection={SCORE}&cursor=k", "cursor"),
        (f"/admin/records?collection={SCORE}&cursor=99999999", "cursor"),
        (f"/admin/records?collection={SCORE}&did=nonsense", "did"),
        ("/admin/events?severity=fatal", "severity"),
        ("/admin/events?before=yesterday", "before"),
        ("/admin/events?after=2026-03-10T09:00:00", "after"),
        ("/admin/events?cursor=x", "cursor"),
        ("/admin/events/count?before=", "before"),
    ],
)
def test_a_question_that_is_not_understood_is_refused_with_the_field(
    machine: Machine, path: str, field: str
) -> None:
    refusal = refused(machine, path)
    assert (refusal.status, refusal.field, bool(refusal.hint)) == (400, field, True)


def test_records_of_no_collection_are_not_asked_for(machine: Machine) -> None:
    refusal = refused(machine, "/admin/records")
    assert (refusal.status, "collection" in str(refusal)) == (400, True)


def test_one_record_is_deleted_by_its_uri_and_the_log_says_by_whom(machine: Machine) -> None:
    uri = f"at://{did(2)}/{SCORE}/k901"
    before = machine.control.get("/admin/log/checkpoint")["position"]
    assert machine.control.delete(f"/admin/records?uri={uri}").status == 204
    event = next(
        row
        for row in machine.control.lines("/admin/log", after=before)
        if row["type"] == "index.records-removed"
    )
    assert (event["actor"], event["payload"]["uri"]) == (ME, uri)
    assert event["payload"]["repos"] == [{"did": did(2), "count": 1}]
    assert machine.control.get("/admin/stats")["total_records"] == SOME + 1
    again = refused(machine, f"/admin/records?uri={uri}", "delete")
    assert (again.status, str(again)) == (404, "record not found")
    for bad in ("at://alice.example/a.b.c/k", "https://x", f"at://{did(2)}/{SCORE}"):
        wrong = refused(machine, f"/admin/records?uri={bad}", "delete")
        assert (wrong.status, wrong.field) == (400, "uri")


def test_a_collection_is_deleted_and_counted(machine: Machine) -> None:
    held = machine.control.get("/admin/stats")["total_records"]
    answer = machine.control.delete(f"/admin/records/collection?collection={SCORE}")
    assert (answer.status, answer.body) == (200, {"deleted": held})
    assert machine.control.get("/admin/records/collections") == {"collections": []}
    answer = machine.control.delete("/admin/records/collection?collection=net.example.none")
    assert (answer.status, answer.body) == (200, {"deleted": 0})
    removed = machine.control.get("/admin/events", event_type="index.records-removed")["events"]
    assert [one["detail"]["deleted"] for one in removed] == [0, held, 1]
    assert {one["actor"] for one in removed} == {ME}


def test_a_large_collection_goes_in_the_background_and_over_a_new_start(tmp_path: Path) -> None:
    with ExitStack() as stack:
        machine = Machine(tmp_path, stack, faults=0)
        until(lambda: machine.control.get("/admin/health"))
        assert machine.stop() == 0
        filled(machine, [record(n, LARGE, repo=n % 900) for n in range(100_001)])
        machine.start()
        until(lambda: machine.control.get("/admin/health"))
        answer = machine.control.delete(f"/admin/records/collection?collection={LARGE}")
        assert (answer.status, answer.body["deleted"]) == (202, None)
        machine.kill()
        machine.start()
        until(lambda: machine.control.get("/admin/stats")["total_records"] == 0)
        until(
            lambda: any(
                row["payload"]["last"]
                for row in machine.control.lines("/admin/log", type="index.records-removed")
            )
        )
        rows = list(machine.control.lines("/admin/log", type="index.records-removed"))
        counted = sum(one["count"] for row in rows for one in row["payload"]["repos"])
        assert counted == 100_001
        assert {row["actor"] for row in rows} == {ME}
        assert {row["payload"]["removal"] for row in rows} == {answer.body["job_id"]}
        assert machine.stop() == 0


def test_events_have_happyviews_names_and_pages_that_skip_nothing(machine: Machine) -> None:
    body = json.dumps({"collection": EMPTY}).encode()
    job = machine.control.post("/admin/backfill", body).body["id"]
    until(lambda: machine.control.get(f"/admin/backfill/{job}")["completed_at"])
    found = machine.control.get("/admin/events", category="backfill", subject=EMPTY)["events"]
    ended, began = found[0], found[-1]
    assert began["event_type"] == "backfill.started"
    assert began["detail"]["job_id"] == job
    assert ended["event_type"] in ("backfill.completed", "backfill.failed")
    assert {
        "id", "event_type", "severity", "actor_did", "subject", "detail", "created_at",
    } <= began.keys()  # fmt: skip
    assert (began["actor_did"], began["actor"]) == (None, ME)
    assert began["created_at"].endswith("Z")

    seen: list[int] = []
    cursor = None
    while True:
        page = machine.control.get("/admin/events", limit=3, cursor=cursor)
        seen += [int(one["id"]) for one in page["events"]]
        if (cursor := page.get("cursor")) is None:
            break
    assert seen == list(range(seen[0], 0, -1))
    assert machine.control.get("/admin/events/count")["count"] >= len(seen)
    assert machine.control.get("/admin/events/count", event_type="backfill.started")["count"] == 1
    whole = machine.control.get("/admin/events", limit=1000)["events"]
    assert len(whole) <= 100
    at = began["created_at"]
    later = machine.control.get("/admin/events", after=at, event_type="backfill.started")
    assert [one["id"] for one in later["events"]] == [began["id"]]
    assert machine.control.get("/admin/events", before=at, category="backfill")["events"] == []


def test_the_log_cannot_be_purged_and_says_why(machine: Machine) -> None:
    with pytest.raises(Refusal) as refusal:
        machine.control.post("/admin/events/purge", b'{"category":"backfill"}')
    assert (refusal.value.status, refusal.value.code) == (409, "append-only")
    assert str(refusal.value).startswith("the log is append-only")
    assert refusal.value.hint


def test_the_checkpoint_is_the_last_event_of_the_log(machine: Machine) -> None:
    checkpoint = machine.control.get("/admin/log/checkpoint")
    (row,) = machine.control.lines("/admin/log", after=checkpoint["position"] - 1, limit=1)
    assert (checkpoint["position"], checkpoint["hash"]) == (row["position"], row["hash"])
    (first,) = machine.control.lines("/admin/log", after=0, limit=1)
    assert first["hash"].startswith(checkpoint["origin"])
    assert checkpoint["line"].startswith(f"backfilld-log 1 {checkpoint['origin']} ")


def test_tap_and_the_relay_are_told_of_with_what_is_not_known(machine: Machine) -> None:
    tap = machine.control.get("/admin/tap")
    assert tap["health"] == {"state": "up", "why": None}
    assert tap["channel"]["connected"]
    assert tap["filters"]["wanted"] == [EMPTY]
    assert tap["filters"]["actual"] is None
    assert tap["filters"]["line"] == f"TAP_COLLECTION_FILTERS={EMPTY}"
    assert tap["child"] is None, "it is not ours"
    stats = machine.control.get("/admin/tap/stats")
    assert {"repo_count", "record_count", "outbox_buffer", "resync_buffer"} <= stats.keys()
    assert stats["cursors"]["list_repos"] == ""
    assert (stats["trend"], stats["age_s"] >= 0) == (None, True)
    (relay,) = machine.control.get("/admin/relay")
    assert (relay["configured"], relay["waiting"], relay["cooling_down_until"]) == (True, [], None)
    version = machine.control.get("/admin/version")
    assert version["version"] == machine.control.get("/admin/health")["version"]


def test_when_tap_is_down_its_last_numbers_come_with_the_refusal(tmp_path: Path) -> None:
    with ExitStack() as stack:
        machine = Machine(tmp_path, stack, faults=0)
        until(lambda: machine.control.get("/admin/tap/stats"))
        assert machine.stop() == 0
        config = machine.folder / "config.toml"
        up = config.read_text()
        address = next(line for line in up.splitlines() if line.startswith("url = "))
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
        config.write_text(up.replace(address, f'url = "http://127.0.0.1:{port}"'))
        machine.start()
        until(lambda: machine.control.get("/admin/health"))
        refusal = refused(machine, "/admin/tap/stats")
        assert (refusal.status, refusal.body["last"]) == (502, None)
        assert str(refusal).startswith("tap HTTP request failed: ")
        assert machine.control.get("/admin/tap")["health"]["state"] == "down"
        assert machine.control.get("/admin/health")["status"] == "degraded"
