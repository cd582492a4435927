"""Dead letters over the real socket, from their list to what became of them; and what is told of
accounts that are hidden."""

import base64
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from support.given import did
from support.machine import STATUS, Machine, until

from backfilld.control.caller.client import Refusal
from backfilld.deliveries import AccountDelivery, DeadDelivery, RecordDelivery
from backfilld.records.sqlite import SqliteStore
from backfilld.records.store import Group
from backfilld_events.ids import Cid, Nsid, Rev, Rkey

ME, PATH = f"uid:{os.getuid()}", "/admin/dead-letters"
LIKE = Nsid("net.example.like")
CID = Cid("bafyreifmakho22lbmkhmiy2eeofjjqiedzvbzu5mvutsvyuqmzofzjtpn4")
REV = Rev("3jzfcijpj2z2a")


def frame(rkey: str) -> bytes:
    return (
        b'{"id":1,"type":"record","record":{"live":false,"did":"%s","rev":"%s","collection":"%s",'
        b'"rkey":"%s","action":"create","record":{"status":"\\ud83d\\udc22"},"cid":"%s"}}'
        % (did(0).encode(), REV.encode(), STATUS.encode(), rkey.encode(), CID.encode())
    )


def filled(folder: Path) -> None:
    """An older backfilld could not read some messages, and an account was deactivated."""
    letters = [
        DeadDelivery(1, "not known then", frame(f"k{n}"), did(0), STATUS, Rkey(f"k{n}"), "create")
        for n in range(5)
    ]
    letters.append(DeadDelivery(2, "no body", b'{"\xff', did(0), LIKE, Rkey("a"), "update"))
    letters.append(DeadDelivery(None, "not JSON", b"x" * 100, None, None, None))
    shown, hidden = (
        RecordDelivery(1, did(n), STATUS, Rkey("r"), REV, CID, b"{}", False) for n in (1, 2)
    )
    away = AccountDelivery(1, did(2), "", "deactivated")
    with closing(SqliteStore.open(folder / "data" / "records.db", dead_letter_max=400)) as store:
        store.commit(Group([shown, hidden], [away], letters, []), 1_800_000_000_000_000)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """For all tests here: the last one settles the letters."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("letters")
        machine = Machine(folder, stack, faults=0)
        until(lambda: machine.control.get("/admin/health"))
        assert machine.stop() == 0
        filled(folder)
        machine.start()
        main = {"type": "record", "key": "any", "record": {"type": "object", "properties": {}}}
        lexicon = {"lexicon": 1, "id": STATUS, "defs": {"main": main}}
        body = json.dumps({"lexicon_json": lexicon, "backfill": False}).encode()
        until(lambda: machine.control.post("/admin/lexicons", body).status == 201)
        yield machine


def post(machine: Machine, path: str, body: Any = None) -> Any:
    sent = b"" if body is None else json.dumps(body).encode()
    return machine.control.post(f"{PATH}/{path}", sent).body


def refused(machine: Machine, path: str, body: Any = None) -> Refusal:
    with pytest.raises(Refusal) as refusal:
        post(machine, path, body)
    return refusal.value


def handled(machine: Machine) -> list[tuple[str, dict[str, Any]]]:
    rows = machine.control.lines("/admin/log", type="dead-letters.handled")
    return [(row["actor"], row["payload"]) for row in rows]


def test_a_record_of_a_hidden_account_is_neither_shown_nor_counted(machine: Machine) -> None:
    get = machine.control.get
    assert [one["did"] for one in get("/admin/records", collection=STATUS)["records"]] == [did(1)]
    assert get("/admin/records", collection=STATUS, did=did(2)) == {"records": []}
    assert get("/admin/stats")["total_records"] == 1
    with machine.reader("records.db") as db:
        assert db.execute("SELECT count(*) FROM record").fetchone() == (2,)


def test_what_is_asked_wrongly_is_refused_with_the_field(machine: Machine) -> None:
    assert refused(machine, "x/retry").status == 404
    assert refused(machine, f"{'9' * 30}/dismiss").status == 404
    assert refused(machine, "99/reindex").code == "dead-letter-not-found"
    for body in ({}, {"ids": ["1"], "all": True}):
        refusal = refused(machine, "bulk/retry", body)
        assert (refusal.status, str(refusal)) == (400, "must provide 'ids' or 'all: true'")
    assert refused(machine, "bulk/retry", {"all": True, "collection": "x"}).field == "collection"
    assert refused(machine, "bulk/retry", {"all": True, "cursor": "x"}).field == "cursor"
    for query in ({"resolved": "maybe"}, {"cursor": "x"}, {"limit": "101"}, {"collection": "x"}):
        with pytest.raises(Refusal) as refusal:
            machine.control.get(PATH, **query)
        assert refusal.value.field == next(iter(query))


def test_letters_are_found_shown_and_settled_and_the_log_says_by_whom(machine: Machine) -> None:
    get = machine.control.get
    newest = get(PATH, limit=3)
    assert [one["id"] for one in newest["dead_letters"]] == ["7", "6", "5"]
    assert newest["dead_letters"][2] == {
        "id": "5", "lexicon_id": STATUS, "uri": f"at://{did(0)}/{STATUS}/k4", "did": did(0),
        "collection": STATUS, "rkey": "k4", "action": "create", "error": "not known then",
        "attempts": 1, "created_at": "2027-01-15T08:00:00.000Z",
        "raw_bytes": len(frame("k4")), "kept_bytes": len(frame("k4")),
    }  # fmt: skip
    rest = get(PATH, limit=100, cursor=newest["cursor"])
    assert [one["id"] for one in rest["dead_letters"]] == ["4", "3", "2", "1"]
    assert "cursor" not in rest
    one = get(f"{PATH}/1")
    assert (one["record"], base64.b64decode(one["raw_base64"])) == ({"status": "🐢"}, frame("k0"))
    assert get(f"{PATH}/6")["record"] is None
    assert get(f"{PATH}/count", collection=STATUS) == {"count": 5}

    assert post(machine, "1/retry") == {"ok": True}
    assert post(machine, "2/dismiss") == {"ok": True}
    assert get(f"{PATH}/count") == {"count": 5}
    assert get("/admin/health")["dead_letters"] == 5
    settled = get(PATH, resolved="true")["dead_letters"]
    assert [(one["id"], one["resolution"]) for one in settled] == [("2", "dismiss"), ("1", "retry")]
    assert all(one["resolved_at"].endswith("Z") for one in settled)
    assert len(get(PATH, resolved="all")["dead_letters"]) == 7
    assert get(PATH, resolved="all", collection=LIKE, limit=1)["dead_letters"][0]["id"] == "6"

    cannot = refused(machine, "6/retry")
    assert (cannot.status, cannot.code) == (409, "dead-letter-not-settled")
    assert "reindex" in (cannot.hint or "")
    assert get(f"{PATH}/6")["attempts"] == 2
    answer = post(machine, "bulk/retry", {"all": True, "collection": STATUS})
    assert answer == {"ok": True, "done": 3, "failed": []}
    answer = post(machine, "bulk/dismiss", {"ids": ["6", "7", "99"]})
    assert (answer["done"], [one["id"] for one in answer["failed"]]) == (2, ["99"])

    assert handled(machine) == [
        (ME, {"action": "retry", "ids": [1], "failed": []}),
        (ME, {"action": "dismiss", "ids": [2], "failed": []}),
        (ME, {"action": "retry", "ids": [], "failed": [6]}),
        (ME, {"action": "retry", "ids": [3, 4, 5], "failed": []}),
        (ME, {"action": "dismiss", "ids": [6, 7], "failed": []}),
    ]
    found = get("/admin/records", collection=STATUS)["records"]
    assert sorted(one["rkey"] for one in found) == ["k0", "k2", "k3", "k4", "r"]
