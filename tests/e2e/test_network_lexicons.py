"""Lexicons and handles of the network: a real daemon, a DNS server and a PDS on loopback."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest
from support.dns_server import Zone, dns_server
from support.machine import LEXICON, REPOS, STATUS, Machine, until
from support.web_server import CID, SCHEMA, Web, web_server

from backfilld.control.caller.client import Refusal
from backfilld_events.ids import Did

AUTHORITY, ALICE = Did("did:plc:" + "a" * 24), Did("did:plc:" + "b" * 24)
SCORE, SCORE_NAME = "net.example.score", "_lexicon.example.net"
PATH = "/admin/network-lexicons"


def record_lexicon(nsid: str) -> dict[str, object]:
    return {**LEXICON, "id": nsid}


class World(NamedTuple):
    machine: Machine
    zone: Zone
    web: Web


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        zone, web = stack.enter_context(dns_server()), stack.enter_context(web_server())
        identity = (
            f'[identity]\nplc_url = "{web.url}"\ndns_servers = ["{zone.address}"]\n'
            f'allow_hosts = ["{web.host}"]'
        )
        folder = tmp_path_factory.mktemp("network")
        machine = Machine(folder, stack, faults=0, tables=identity)
        until(lambda: machine.control.get("/admin/health"))
        web.knows(AUTHORITY)
        yield World(machine, zone, web)


def published(world: World, nsid: str, lexicon: object | None = None) -> str:
    """Its authority publishes it: the URI of the record."""
    *authority, _ = nsid.split(".")
    world.zone.texts(f"_lexicon.{'.'.join(reversed(authority))}", f"did={AUTHORITY}")
    return world.web.has(AUTHORITY, nsid, lexicon or record_lexicon(nsid))


def added(world: World, **body: object) -> Any:
    answer = world.machine.control.post(PATH, json.dumps(body).encode())
    assert answer.status == 201
    return answer.body


def refused(world: World, **body: object) -> Refusal:
    with pytest.raises(Refusal) as refusal:
        world.machine.control.post(PATH, json.dumps(body).encode())
    return refusal.value


def newest(world: World, kind: str) -> Any:
    (row,) = world.machine.control.lines("/admin/log", tail=1, type=kind)
    return row


def test_a_lexicon_of_the_network_is_taken_in_and_starts_no_job_unasked(world: World) -> None:
    uri = published(world, SCORE)
    answer = added(world, nsid=SCORE, target_collection=None)
    assert (answer["nsid"], answer["authority_did"], answer["revision"]) == (SCORE, AUTHORITY, 1)
    assert (answer["backfill_job_id"], answer["backfill_error"]) == (None, None)
    assert (answer["uri"], answer["cid"]) == (uri, CID)
    shown = world.machine.control.get(f"/admin/lexicons/{SCORE}")
    assert (shown["source"], shown["authority_did"]) == ("network", AUTHORITY)
    assert shown["lexicon_json"] == {"$type": SCHEMA, **record_lexicon(SCORE)}
    assert (shown["backfill"], shown["lexicon_type"]) == (False, "record")
    assert shown["last_fetched_at"] == shown["updated_at"]


def test_it_is_an_event_that_says_who_asked_and_who_published(world: World) -> None:
    published(world, SCORE)
    answer = added(world, nsid=SCORE)
    row = newest(world, "lexicon.fetched")
    assert (row["position"], row["stream"]) == (answer["position"], f"lexicon/{SCORE}")
    assert row["actor"] == f"uid:{os.getuid()}"
    assert row["payload"]["authority"] == AUTHORITY


def test_added_again_it_is_the_next_revision_and_still_201(world: World) -> None:
    published(world, SCORE)
    first, second = added(world, nsid=SCORE), added(world, nsid=SCORE)
    assert second["revision"] == first["revision"] + 1


def test_with_backfill_a_job_starts_and_finds_the_records(world: World) -> None:
    published(world, STATUS)
    job = added(world, nsid=STATUS, backfill=True)["backfill_job_id"]
    path = f"/admin/backfill/{job}"
    until(lambda: world.machine.control.get(path)["status"] == "completed")
    assert world.machine.control.get(path)["total_repos"] == REPOS
    assert added(world, nsid=STATUS, backfill=True)["backfill_job_id"] is None


def test_a_lexicon_without_records_says_that_no_job_follows(world: World) -> None:
    nsid = "net.example.getScores"
    published(world, nsid, {"lexicon": 1, "id": nsid, "defs": {"main": {"type": "query"}}})
    answer = added(world, nsid=nsid, backfill=True)
    assert answer["backfill_job_id"] is None
    assert "this is a query lexicon" in answer["warnings"][0]


def test_the_list_has_those_of_the_network_alone(world: World) -> None:
    published(world, SCORE)
    added(world, nsid=SCORE)
    body = json.dumps({"lexicon_json": record_lexicon("net.example.mine"), "backfill": False})
    world.machine.control.post("/admin/lexicons", body.encode())
    listed = world.machine.control.get(PATH)
    (one,) = [one for one in listed if one["nsid"] == SCORE]
    assert one.keys() == {
        *("nsid", "authority_did", "target_collection", "last_fetched_at", "created_at")
    }
    assert "net.example.mine" not in [one["nsid"] for one in listed]
    with pytest.raises(Refusal, match="network lexicon 'net.example.mine' not found"):
        world.machine.control.delete(f"{PATH}/net.example.mine")
    assert world.machine.control.get("/admin/lexicons/net.example.mine")


def test_a_forgotten_one_is_gone_and_that_is_an_event(world: World) -> None:
    nsid = "net.example.gone"
    published(world, nsid)
    added(world, nsid=nsid)
    assert world.machine.control.delete(f"{PATH}/{nsid}").status == 204
    assert newest(world, "lexicon.deleted")["stream"] == f"lexicon/{nsid}"
    with pytest.raises(Refusal, match=f"network lexicon '{nsid}' not found") as refusal:
        world.machine.control.delete(f"{PATH}/{nsid}")
    assert refusal.value.status == 404


def test_to_resolve_one_shows_it_and_keeps_nothing(world: World) -> None:
    nsid = "net.example.looked"
    uri = published(world, nsid)
    found = world.machine.control.get(f"{PATH}/resolve/{nsid}")
    assert found == {
        "nsid": nsid, "authority_did": AUTHORITY, "type": "record", "uri": uri, "cid": CID,
        "lexicon_json": {"$type": SCHEMA, **record_lexicon(nsid)},
    }  # fmt: skip
    with pytest.raises(Refusal, match="not found"):
        world.machine.control.get(f"/admin/lexicons/{nsid}")


@pytest.mark.parametrize("nsid", ["nonsense", "net.example.*", "net.example.score ", ""])
def test_what_is_no_nsid_is_refused_before_anybody_is_asked(world: World, nsid: str) -> None:
    world.zone.asked.clear()
    refusal = refused(world, nsid=nsid)
    assert (refusal.status, refusal.field, world.zone.asked) == (400, "nsid", [])


def test_what_dns_does_not_know_is_400_with_the_record_to_publish(world: World) -> None:
    refusal = refused(world, nsid="net.nowhere.score")
    assert (refusal.status, refusal.code) == (400, "lexicon-dns-not-found")
    assert "TXT record of _lexicon.nowhere.net" in refusal.hint


def test_a_record_that_is_not_there_is_404(world: World) -> None:
    published(world, SCORE)
    refusal = refused(world, nsid="net.example.missing")
    assert (refusal.status, refusal.code) == (404, "lexicon-record-not-found")
    assert f"at://{AUTHORITY}/{SCHEMA}/net.example.missing" in str(refusal)


def test_a_document_that_is_wrong_is_400_with_its_fault(world: World) -> None:
    published(world, SCORE, {"lexicon": 1, "id": SCORE, "defs": {}})
    refusal = refused(world, nsid=SCORE)
    assert (refusal.status, refusal.field) == (400, "$.defs")
    assert str(refusal) == "failed to parse lexicon: defs must hold a definition"
    published(world, SCORE, record_lexicon("net.example.other"))
    assert refused(world, nsid=SCORE).status == 400


def test_an_authority_that_nobody_knows_is_502(world: World) -> None:
    world.zone.texts("_lexicon.lost.net", "did=did:plc:" + "z" * 24)
    refusal = refused(world, nsid="net.lost.score")
    assert (refusal.status, refusal.code) == (502, "lexicon-did-not-found")


@pytest.mark.parametrize("pds", ["http://127.0.0.1:{port}", "https://localhost", "http://[::1]"])
def test_a_pds_inside_is_not_asked(world: World, pds: str) -> None:
    inner = Did("did:plc:" + "c" * 24)
    world.zone.texts("_lexicon.inner.net", f"did={inner}")
    world.web.knows(inner, pds=pds.format(port=world.web.port))
    world.zone.hosts("localhost", ["127.0.0.1"])
    world.web.asked.clear()
    refusal = refused(world, nsid="net.inner.score")
    assert (refusal.status, refusal.code) == (502, "lexicon-record-not-allowed")
    assert world.web.asked == [f"/{inner}"]


def test_an_account_may_be_named_by_its_handle(world: World) -> None:
    published(world, SCORE)
    added(world, nsid=SCORE)
    world.zone.texts("_atproto.alice.test", f"did={ALICE}")
    world.web.knows(ALICE, handle="alice.test")
    body = json.dumps({"collection": SCORE, "did": "alice.test"}).encode()
    job = world.machine.control.post("/admin/backfill", body).body["id"]
    assert world.machine.control.get(f"/admin/backfill/{job}")["did"] == ALICE


def test_a_handle_that_leads_nowhere_starts_nothing_and_says_why(world: World) -> None:
    body = json.dumps({"dids": [ALICE, "nobody.test"]}).encode()
    with pytest.raises(
        Refusal, match=r"could not resolve 1 account\(s\): nobody.test: "
    ) as refusal:
        world.machine.control.post("/admin/backfill", body)
    assert "DNS has no name _atproto.nobody.test" in str(refusal.value)
