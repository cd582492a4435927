"""Lexicons over the real door, as a script written for HappyView takes them in."""

import http.client
import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from support.machine import LEXICON, Machine, until

from backfilld.control.caller.client import Answer, Refusal

# the contract's own sample, to the letter
SAMPLE = (
    b'{"lexicon_json":{"lexicon":1,"id":"net.example.score","defs":{"main":{"type":"record",'
    b'"key":"tid","record":{}}}},"backfill":true,"target_collection":null,"action":null,'
    b'"token_cost":null}'
)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, module_port: int) -> Iterator[Machine]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("lexicons")
        machine = Machine(folder, stack, faults=0, port=module_port)
        until(lambda: machine.control.get("/admin/health"))
        yield machine


def uploaded(machine: Machine, nsid: str, **body: Any) -> Answer:
    sent = {"lexicon_json": {**LEXICON, "id": nsid}, **body}
    return machine.control.post("/admin/lexicons", json.dumps(sent).encode())


def refused(machine: Machine, lexicon: object, **body: Any) -> Refusal:
    with pytest.raises(Refusal) as refusal:
        machine.control.post(
            "/admin/lexicons", json.dumps({"lexicon_json": lexicon, **body}).encode()
        )
    return refusal.value


def listed(machine: Machine, nsid: str) -> Any:
    (one,) = [one for one in machine.control.get("/admin/lexicons") if one["id"] == nsid]
    return one


def test_the_sample_of_happyviews_documentation_works_with_a_warning(machine: Machine) -> None:
    answer = machine.control.post("/admin/lexicons", SAMPLE)
    assert (answer.status, answer.body["id"]) == (201, "net.example.score")
    assert answer.body["revision"] == 1
    assert answer.body["backfill_job_id"]
    (warning,) = answer.body["warnings"]
    assert "$.defs.main.record is empty" in warning
    assert listed(machine, "net.example.score")["record_schema"] == {}


def test_a_replacement_is_200_and_what_was_forgotten_is_new_again(machine: Machine) -> None:
    nsid = "net.example.replaced"
    assert uploaded(machine, nsid, backfill=False).status == 201
    again = uploaded(machine, nsid, backfill=False)
    assert (again.status, again.body["revision"]) == (200, 2)
    machine.control.delete(f"/admin/lexicons/{nsid}")
    anew = uploaded(machine, nsid, backfill=False)
    assert (anew.status, anew.body["revision"]) == (201, 3)


def test_a_job_starts_at_the_first_upload_and_when_the_flag_turns_true(machine: Machine) -> None:
    nsid = "net.example.flag"
    assert uploaded(machine, nsid, backfill=False).body["backfill_job_id"] is None
    turned = uploaded(machine, nsid, backfill=True)
    assert (turned.status, turned.body["backfill_error"]) == (200, None)
    assert turned.body["backfill_job_id"]
    assert uploaded(machine, nsid, backfill=True).body["backfill_job_id"] is None


def test_a_key_that_may_start_no_job_takes_the_lexicon_in_and_is_told(machine: Machine) -> None:
    made = machine.control.post(
        "/admin/api-keys", b'{"name":"uploads","permissions":["lexicons:create"]}'
    )
    body = {"lexicon_json": {**LEXICON, "id": "net.example.limited"}, "backfill": True}
    with closing(http.client.HTTPConnection("127.0.0.1", machine.port, timeout=10)) as connection:
        headers = {
            "authorization": f"Bearer {made.body['key']}",
            "content-type": "application/json",
        }
        connection.request("POST", "/admin/lexicons", json.dumps(body), headers)
        answer = connection.getresponse()
        said = json.loads(answer.read())
    assert (answer.status, said["backfill_job_id"]) == (201, None)
    assert "backfill:create" in said["backfill_error"]
    assert "backfillctl start net.example.limited" in said["backfill_error"]


def test_what_is_happyviews_alone_is_taken_with_a_warning_each(machine: Machine) -> None:
    extra = {"script": "return 1", "index_hook": "x", "action": "upsert", "token_cost": 3}
    answer = uploaded(machine, "net.example.extra", backfill=False, **extra)
    assert answer.status == 201
    assert {text.partition(" ")[0] for text in answer.body["warnings"]} == {*extra}
    shown = machine.control.get("/admin/lexicons/net.example.extra")
    assert (shown["script"], shown["index_hook"], shown["action"]) == (None, None, None)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"lexicon": "1"}, "lexicon JSON must have a numeric 'lexicon' field"),
        ({"lexicon": 2}, "unsupported lexicon version: 2"),
        ({"id": 7}, "lexicon JSON must have a string 'id' field"),
    ],
)
def test_a_script_finds_happyviews_own_words(
    machine: Machine, change: dict[str, object], error: str
) -> None:
    refusal = refused(machine, {**LEXICON, **change})
    assert (refusal.status, refusal.body["error"]) == (400, error)
    assert refusal.field == f"$.{next(iter(change))}"
    assert refusal.hint


def test_any_other_fault_is_said_to_be_one_of_parsing(machine: Machine) -> None:
    refusal = refused(machine, {**LEXICON, "defs": {}})
    assert refusal.body["error"] == "failed to parse lexicon: defs must hold a definition"
    assert (refusal.code, refusal.field) == ("bad-lexicon", "$.defs")


def test_an_action_that_happyview_does_not_have_is_refused(machine: Machine) -> None:
    refusal = refused(machine, LEXICON, action="replace")
    assert (refusal.status, refusal.field) == (400, "action")
    assert "'replace': must be create, update, delete, or upsert" in str(refusal)


def test_the_list_has_the_schema_of_records_and_happyviews_words(machine: Machine) -> None:
    uploaded(machine, "net.example.listed", backfill=False)
    record = listed(machine, "net.example.listed")
    assert record["record_schema"] == {"type": "object", "properties": {}}
    assert (record["lexicon_type"], record["source"]) == ("record", "manual")
    assert (record["authority_did"], record["last_fetched_at"]) == (None, None)
    nsid = "net.example.subscribe"
    message = {"schema": {"type": "union", "refs": ["#x"]}}
    main = {"type": "subscription", "message": message}
    defs = {"main": main, "x": {"type": "object", "properties": {}}}
    machine.control.post(
        "/admin/lexicons",
        json.dumps({"lexicon_json": {"lexicon": 1, "id": nsid, "defs": defs}}).encode(),
    )
    other = listed(machine, nsid)
    assert (other["lexicon_type"], other["kind"]) == ("definitions", "subscription")
    assert "record_schema" not in other
    ids = [one["id"] for one in machine.control.get("/admin/lexicons")]
    assert ids == sorted(ids)
    detail = machine.control.get("/admin/lexicons/net.example.listed")
    assert "record_schema" not in detail
    assert detail["lexicon_json"] == {**LEXICON, "id": "net.example.listed"}
