"""From a lexicon's name to its document, and each step at which that ends."""

import json
from collections.abc import Callable

import pytest
import trio
import trio.testing
from support.dns_server import Zone
from support.web_server import CID, SCHEMA, Web, record_path

from backfilld.failures import Busy
from backfilld.lexicons import LexiconFault
from backfilld.network import fetch
from backfilld.network.fetch import AT_ONCE, RECORD_BYTES_MAX, NotFetched
from backfilld.network.opened import Network
from backfilld_events.ids import Did, Nsid

AUTHORITY = Did("did:plc:cd5e52h3qq47nr5aasnjcnwz")
SCORE, NAME = Nsid("net.example.score"), "_lexicon.example.net"
LEXICON = {
    "lexicon": 1,
    "id": SCORE,
    "defs": {"main": {"type": "record", "key": "tid", "record": {"type": "object"}}},
}


@pytest.fixture
def published(zone: Zone, web: Web) -> str:
    """The lexicon is out there, as it should be: its URI."""
    zone.texts(NAME, f"did={AUTHORITY}")
    web.knows(AUTHORITY)
    return web.has(AUTHORITY, SCORE, LEXICON)


async def failed(network: Network, nsid: Nsid = SCORE) -> NotFetched:
    with pytest.raises(NotFetched) as failure:
        await network.lexicons.find(nsid)
    return failure.value


async def test_a_published_lexicon_is_found_with_who_says_so(
    network: Network, published: str
) -> None:
    found = await network.lexicons.find(SCORE)
    assert (found.document.id, found.document.kind) == (SCORE, "record")
    assert json.loads(found.document.text) == {"$type": SCHEMA, **LEXICON}
    assert (found.authority, found.uri, found.cid) == (AUTHORITY, published, CID)


async def test_the_document_is_kept_byte_for_byte(
    network: Network, web: Web, published: str
) -> None:
    value = json.dumps({"$type": SCHEMA, **LEXICON}, indent=3).encode()
    body = b'{ "value":%s , "uri":"%s","cid":"%s"}' % (value, published.encode(), CID.encode())
    web.says(record_path(AUTHORITY, SCORE), body)
    assert (await network.lexicons.find(SCORE)).document.text == value


async def test_a_change_in_dns_and_of_the_pds_counts_at_once(
    network: Network, zone: Zone, web: Web, published: str
) -> None:
    await network.lexicons.find(SCORE)
    other = Did("did:plc:" + "b" * 24)
    zone.texts(NAME, f"did={other}")
    web.knows(other)
    web.has(other, SCORE, LEXICON)
    assert (await network.lexicons.find(SCORE)).authority == other
    web.knows(other, pds="https://moved.example.com")
    assert (await failed(network)).step == "record"


async def test_neither_a_parent_nor_a_child_speaks_for_an_authority(
    network: Network, zone: Zone, published: str
) -> None:
    zone.texts("_lexicon.sub.example.net", "did=did:plc:" + "c" * 24)
    failure = await failed(network, Nsid("net.example.deeper.score"))
    assert (failure.step, failure.kind) == ("dns", "not_found")
    assert zone.asked == [("_lexicon.deeper.example.net", "TXT", "udp")]


Set = Callable[[Zone, Web], object]
URI = f"at://{AUTHORITY}/{SCHEMA}/{SCORE}"


def _record(**members: object) -> Set:
    body = {"uri": URI, "cid": CID, "value": {"$type": SCHEMA, **LEXICON}, **members}
    return lambda _, web: web.says(record_path(AUTHORITY, SCORE), body)


def _answers(status: int, body: object) -> Set:
    return lambda _, web: web.says(record_path(AUTHORITY, SCORE), body, status)


@pytest.mark.parametrize(
    ("set_up", "step", "kind"),
    [
        (lambda zone, _: zone.texts(NAME, "v=spf1"), "dns", "not_found"),
        (lambda zone, _: zone.texts(NAME, "did=x"), "dns", "bad_answer"),
        (lambda zone, _: zone.fails.add(NAME), "dns", "server_error"),
        (lambda zone, _: zone.texts(NAME, "did=did:plc:" + "z" * 24), "did", "not_found"),
        (lambda _, web: web.says(f"/{AUTHORITY}", b"<html>"), "did", "bad_answer"),
        (lambda _, web: web.says(f"/{AUTHORITY}", {"id": AUTHORITY}), "did", "not_found"),
        (lambda _, web: web.says(f"/{AUTHORITY}", {}, 500), "did", "server_error"),
        (
            lambda _, web: web.knows(AUTHORITY, pds="http://169.254.169.254"),
            "record",
            "not_allowed",
        ),
        (lambda _, web: web.knows(AUTHORITY, pds="https://localhost:1"), "record", "not_allowed"),
        (_answers(400, {"error": "RecordNotFound", "message": "x"}), "record", "not_found"),
        (
            _answers(
                400, {"error": "InvalidRequest", "message": f"Could not locate record: {URI}"}
            ),
            "record",
            "not_found",
        ),
        (_answers(404, b"<html>"), "record", "not_found"),
        (_answers(400, {"error": "RepoDeactivated"}), "record", "refused"),
        (_answers(500, b""), "record", "server_error"),
        (_answers(429, b"<html>"), "record", "rate_limited"),
        (_answers(200, b"{"), "record", "bad_answer"),
        (_record(uri=URI.replace("score", "other")), "record", "bad_answer"),
        (_record(uri=URI.replace(AUTHORITY, "did:plc:" + "b" * 24)), "record", "bad_answer"),
        (_record(cid=""), "record", "bad_answer"),
        (_record(value=LEXICON), "document", "bad_answer"),
        (_record(value={**LEXICON, "$type": 7}), "document", "bad_answer"),
        (
            _record(value={**LEXICON, "$type": SCHEMA, "id": "net.example.other"}),
            "document",
            "bad_answer",
        ),
        (
            _record(
                value={
                    "$type": SCHEMA,
                    **LEXICON,
                    "defs": {"main": {"type": "record", "key": "tid", "record": {}}},
                }
            ),
            "document",
            "bad_answer",
        ),
    ],
)
async def test_what_is_wrong_on_the_way_is_said_with_the_step(
    network: Network, zone: Zone, web: Web, published: str, set_up: Set, step: str, kind: str
) -> None:
    set_up(zone, web)
    failure = await failed(network)
    assert (failure.step, failure.kind) == (step, kind)
    assert failure.message


# httpx leaves its inner iterators to the collector when a body is not read whole
@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
async def test_an_endless_record_is_not_read_to_its_end(
    network: Network, web: Web, published: str
) -> None:
    web.says(record_path(AUTHORITY, SCORE), b" " * (RECORD_BYTES_MAX + 1))
    failure = await failed(network)
    assert (failure.step, failure.kind) == ("record", "too_large")


@pytest.mark.parametrize(
    "value", [None, [], "x", {"$type": SCHEMA}, {"$type": SCHEMA, "lexicon": 2, "id": SCORE}]
)
async def test_a_document_that_is_no_lexicon_is_refused_as_an_upload_is(
    network: Network, web: Web, published: str, value: object
) -> None:
    web.says(record_path(AUTHORITY, SCORE), {"uri": URI, "cid": CID, "value": value})
    with pytest.raises(LexiconFault):
        await network.lexicons.find(SCORE)


async def test_whoever_finds_all_look_ups_taken_is_told_so_soon_and_holds_no_place(
    network: Network, zone: Zone, published: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "TURN_WITHIN_S", 0.01)
    zone.silent.add("_lexicon.silent.example.net")
    slots = network.lexicons._slots
    async with trio.open_nursery() as others:
        for n in range(AT_ONCE):
            others.start_soon(
                failed, network, Nsid(f"net.example.silent.name{'abcdefghijklmnop'[n]}")
            )
        await trio.testing.wait_all_tasks_blocked()
        assert slots.borrowed_tokens == AT_ONCE
        with pytest.raises(Busy):
            await network.lexicons.find(SCORE)
        others.cancel_scope.cancel()
    assert (await network.lexicons.find(SCORE)).uri == published
