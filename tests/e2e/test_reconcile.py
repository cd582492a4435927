"""Rows compared with the server of their repository: a real daemon, over sockets."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from support.jobs import started
from support.machine import LEXICON, STATUS, Machine, until
from support.web_server import Web, web_server

from backfilld.control.caller.client import Refusal
from backfilld_events.ids import Did

PATH = "/admin/reconcile"


class World(NamedTuple):
    machine: Machine
    web: Web
    did: Did
    records: list[dict[str, Any]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        web = stack.enter_context(web_server())
        identity = f'[identity]\nplc_url = "{web.url}"\nallow_hosts = ["{web.host}"]'
        machine = Machine(tmp_path_factory.mktemp("rows"), stack, faults=0, tables=identity)
        body = json.dumps({"lexicon_json": LEXICON, "backfill": False}).encode()
        until(lambda: machine.control.post("/admin/lexicons", body))
        job = started(machine, collection=STATUS)
        path = f"/admin/backfill/{job}"
        until(lambda: machine.control.get(path)["sync"]["state"].startswith("synced"))
        newest = machine.control.get("/admin/records", collection=STATUS)["records"]
        did = Did(newest[0]["did"])
        web.knows(did)
        query = {"collection": STATUS, "did": did, "limit": 100}
        records = machine.control.get("/admin/records", **query)["records"]
        yield World(machine, web, did, records)


def serves(world: World, records: list[dict[str, Any]]) -> None:
    """As the PDS of the account."""
    query = {"repo": world.did, "collection": STATUS, "limit": "100", "reverse": "true"}
    listed = [{"uri": one["uri"], "cid": one["cid"], "value": {}} for one in records]
    world.web.says(f"/xrpc/com.atproto.repo.listRecords?{urlencode(query)}", {"records": listed})
    query = {"did": world.did}
    rev = records[0]["rev"]
    world.web.says(f"/xrpc/com.atproto.sync.getLatestCommit?{urlencode(query)}", {"rev": rev})


def compared(world: World, **body: Any) -> Any:
    asked = json.dumps({"collection": STATUS, **body}).encode()
    begun = world.machine.control.post(PATH, asked)
    assert begun.status == 201
    path = f"{PATH}/{begun.body['id']}"
    until(lambda: world.machine.control.get(path)["state"] == "ended")
    return world.machine.control.get(path)


def test_rows_that_are_as_the_server_has_them_agree_to_the_record(world: World) -> None:
    serves(world, world.records)
    told = compared(world, dids=[world.did])
    n = len(world.records)
    assert told["sentence"] == (
        f"1 repository compared with its server: 1 agrees to the record ({n} records)"
    )
    assert (told["agreeing"], told["records"], told["differing"]) == (1, n, 0)


def test_what_differs_is_told_and_stands_in_the_log(world: World) -> None:
    first, *rest = world.records
    new = {**first, "uri": f"at://{world.did}/{STATUS}/3zzzzzzzzzzz2"}
    serves(world, [*rest, new])
    told = compared(world, dids=[world.did])
    (one,) = told["differences"]
    assert (one["did"], one["missing"], one["extra"]) == (world.did, 1, 1)
    assert f"{world.did} -1 +1 ~0 (backfillctl repo {world.did})" in told["sentence"]
    (row,) = world.machine.control.lines("/admin/log", tail=1, type="reconcile.compared")
    assert row["payload"]["differing"][0]["did"] == world.did
    assert row["cause"] == told["position"]


def test_a_sample_is_by_chance_and_who_cannot_be_read_is_named(world: World) -> None:
    told = compared(world, sample=3, seed="s")
    assert told["scope"].startswith("3 by chance (seed s) of the ")
    assert told["compared"] == 3
    assert {one["kind"] for one in told["unreadable"]} <= {"not_found"}
    assert told["unread"] >= 2


def test_all_that_a_job_found_can_be_compared_and_one_broken_off(world: World) -> None:
    asked = json.dumps({"job": "last", "all": True}).encode()
    begun = world.machine.control.post(PATH, asked).body
    assert re.fullmatch(r"all [1-9]\d* repositories of job \S+", begun["scope"])
    assert (begun["state"], begun["total"]) == ("running", None)
    ended = world.machine.control.delete(f"{PATH}/{begun['id'][:8]}").body
    assert (ended["state"], ended["why"]) == ("broken_off", f"uid:{os.getuid()} broke it off")
    with pytest.raises(Refusal) as refusal:
        world.machine.control.delete(f"{PATH}/{begun['id']}")
    assert refusal.value.status == 409


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"dids": ["did:plc:" + "a" * 24], "sample": 3}, 400, "sample"),
        ({"all": True, "sample": 3}, 400, "sample"),
        ({"sample": 0}, 422, "sample"),
        ({"method": "guess"}, 422, "method"),
        ({"collection": "nonsense"}, 400, "collection"),
        ({"dids": ["nonsense"]}, 400, "dids"),
        ({"job": "nope"}, 404, None),
        ({"job": ""}, 422, "job"),
    ],
)
def test_a_wrong_question_is_refused_with_its_field(
    world: World, body: dict[str, Any], status: int, field: str | None
) -> None:
    with pytest.raises(Refusal) as refusal:
        world.machine.control.post(PATH, json.dumps(body).encode())
    assert (refusal.value.status, refusal.value.field) == (status, field)


@pytest.mark.parametrize("run", ["nope", "*", "%2A"])
def test_what_is_no_comparison_is_404(world: World, run: str) -> None:
    with pytest.raises(Refusal) as refusal:
        world.machine.control.get(f"{PATH}/{run}")
    assert refusal.value.status == 404
