"""A record as its server has it, with a rev that is never newer than what was found."""

from urllib.parse import urlencode

import pytest
from support.web_server import CID, Web

from backfilld.failures import Failure
from backfilld.network.opened import Network
from backfilld.network.record import RecordNow
from backfilld_events.ids import Did, Nsid, Rev, Rkey

ALICE = Did("did:plc:cd5e52h3qq47nr5aasnjcnwz")
SCORE, RKEY = Nsid("net.example.score"), Rkey("3jzfcijpj2z2a")
URI = f"at://{ALICE}/{SCORE}/{RKEY}"
REV = Rev("3jzfcijpj2z2b")
LATEST = f"/xrpc/com.atproto.sync.getLatestCommit?{urlencode({'did': ALICE})}"
RECORD = "/xrpc/com.atproto.repo.getRecord?" + urlencode(
    {"repo": ALICE, "collection": SCORE, "rkey": RKEY}
)


@pytest.fixture
def pds(web: Web) -> Web:
    """Alice's server, with her record."""
    web.knows(ALICE)
    web.says(LATEST, {"cid": CID, "rev": REV})
    web.says(RECORD, b'{"value":{"b":1, "a":2.5},"uri":"%s","cid":"%s"}'
             % (URI.encode(), CID.encode()))  # fmt: skip
    return web


async def test_a_record_is_found_byte_for_byte_with_the_rev_of_before(
    network: Network, pds: Web
) -> None:
    found = await network.records.now(ALICE, SCORE, RKEY)
    assert found == RecordNow(REV, CID, b'{"b":1, "a":2.5}')
    assert [path for path in pds.asked if path.startswith("/xrpc/")] == [LATEST, RECORD]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": "RecordNotFound"}),
        (400, {"error": "InvalidRequest", "message": f"Could not locate record: {URI}"}),
        (404, b"<html>"),
    ],
)
async def test_a_record_that_is_not_there_is_gone_as_of_that_rev(
    network: Network, pds: Web, status: int, body: object
) -> None:
    pds.says(RECORD, body, status)
    assert await network.records.now(ALICE, SCORE, RKEY) == RecordNow(REV, None, None)


async def test_of_an_account_that_its_server_does_not_show_nothing_is_known(
    network: Network, pds: Web
) -> None:
    pds.says(LATEST, {"error": "RepoDeactivated", "message": "not now"}, 400)
    pds.says(RECORD, {"error": "RecordNotFound"}, 400)
    with pytest.raises(Failure, match="RepoDeactivated"):
        await network.records.now(ALICE, SCORE, RKEY)


@pytest.mark.parametrize(
    "body",
    [
        {"uri": URI + "x", "cid": CID, "value": {}},
        {"uri": URI, "cid": "x", "value": {}},
        {"uri": URI, "value": {}},
        {"uri": URI, "cid": CID, "value": [1]},
        {"uri": URI, "cid": CID},
        b"[" * 5000,
    ],
)
async def test_an_answer_that_is_none_is_not_taken_in(
    network: Network, pds: Web, body: object
) -> None:
    pds.says(RECORD, body)
    with pytest.raises(Failure) as failure:
        await network.records.now(ALICE, SCORE, RKEY)
    assert failure.value.kind == "bad_answer"


async def test_a_record_that_is_no_text_is_not_taken_in(network: Network, pds: Web) -> None:
    said = b'{"value":{"a":"\xff"},"uri":"%s","cid":"%s"}' % (URI.encode(), CID.encode())
    pds.says(RECORD, said)
    with pytest.raises(Failure, match="no JSON object"):
        await network.records.now(ALICE, SCORE, RKEY)
