"""Tap's HTTP side, asked of the sandbox's Tap and of servers that answer what no Tap would."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import trio
from support.given import NOON, did

from backfilld.failures import Failure
from backfilld.sandbox.http import Answer, Request, Response
from backfilld.sandbox.network import TAP_URL, SandboxNetwork
from backfilld.sandbox.transport import Transport
from backfilld.sandbox.world import World
from backfilld.sources.tap.http import DOCUMENT_BYTES_MAX, REMOVED_AT_ONCE, RepoInfo, TapHttp
from backfilld_events.ids import Nsid

STATUS = Nsid("xyz.statusphere.status")
PDS = {"id": "#atproto_pds", "type": "AtprotoPersonalDataServer"}


@asynccontextmanager
async def network(repos: int = 10) -> AsyncIterator[tuple[SandboxNetwork, TapHttp]]:
    """A sandbox Tap, and our client of it."""
    world = World(5, repos, (STATUS,), 2)
    async with (
        SandboxNetwork(world) as running,
        httpx.AsyncClient(transport=running.transport, timeout=60) as client,
    ):
        yield running, TapHttp(client, TAP_URL, lambda: NOON)


@asynccontextmanager
async def saying(status: int, body: bytes) -> AsyncIterator[TapHttp]:
    """Our client of a server that says this to everything."""

    async def handler(request: Request) -> Answer:
        return Response(status, body)

    async with httpx.AsyncClient(transport=Transport(lambda host, port: handler)) as client:
        yield TapHttp(client, TAP_URL, lambda: NOON)


def document(*services: object, of: str | None = None) -> bytes:
    return json.dumps({"id": of or did(1), "service": services}).encode()


# --- remove -----------------------------------------------------------------------------------


async def test_what_is_removed_is_unknown_to_tap(autojump_clock: object) -> None:
    async with network() as (running, tap):
        dids = running.world.dids(range(10))
        await tap.hand_over(dids)
        await trio.sleep(2)
        await tap.remove([*dids[:5], did(1)])  # nor does one that Tap never had matter
        states = [(await tap.info(one)).state for one in dids]
        assert states == ["unknown"] * 5 + ["active"] * 5


async def test_removing_nobody_asks_nothing(autojump_clock: object) -> None:
    async with network() as (running, tap):
        await tap.remove([])
        assert running.tap_faults.requests == 0


async def test_many_are_removed_in_batches_and_a_failure_leaves_the_first_ones_out(
    autojump_clock: object,
) -> None:
    async with network(3 * REMOVED_AT_ONCE) as (running, tap):
        dids = running.world.dids(range(3 * REMOVED_AT_ONCE))
        await tap.hand_over(dids)
        await trio.sleep(2)
        running.tap_faults.script(None, "500")
        with pytest.raises(Failure) as failure:
            await tap.remove(dids)
        assert failure.value.kind == "server_error"
        assert (await tap.counters()).repo_count == 2 * REMOVED_AT_ONCE
        await tap.remove(dids)
        assert (await tap.counters()).repo_count == 0


# --- info -------------------------------------------------------------------------------------


async def test_tap_says_how_often_it_tried_in_vain(autojump_clock: object) -> None:
    async with network() as (running, tap):
        one = running.world.did(0)
        running.world.set_fate(one, "deactivated")
        await tap.hand_over([one])
        await trio.sleep(130)
        assert (await tap.info(one)).retries == 2
        running.world.set_fate(one, "active")
        await trio.sleep(200)
        assert await tap.info(one) == RepoInfo("active", rev=running.world.rev(0), records=2)


# --- resolve ----------------------------------------------------------------------------------


async def test_a_did_resolves_to_the_host_of_its_pds(autojump_clock: object) -> None:
    async with network() as (running, tap):
        for n in range(10):
            host = await tap.resolve(running.world.did(n))
            assert f"http://{host}" == running.world.host(n)


async def test_a_did_that_is_not_to_be_found_is_a_failure(autojump_clock: object) -> None:
    async with network() as (_, tap):
        with pytest.raises(Failure, match="answered 500 failed to resolve DID") as failure:
            await tap.resolve(did(1))
        assert failure.value.kind == "server_error"


async def test_a_look_up_that_hangs_is_waited_for_a_moment_only(autojump_clock: object) -> None:
    async with network() as (running, tap):
        running.world.set_fate(running.world.did(0), "identity_hangs")
        with pytest.raises(Failure, match="no whole answer within 15 s"):
            await tap.resolve(running.world.did(0))


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://pds.example.com", "pds.example.com"),
        ("https://PDS.example.com:443/", "pds.example.com"),
        ("http://pds.example.com:80", "pds.example.com"),
        ("https://pds.example.com:80", "pds.example.com:80"),
        ("http://127.0.0.1:2583", "127.0.0.1:2583"),
        ("https://user:secret@pds.example.com", "pds.example.com"),
        ("https://pds.example.com:no", None),
        ("https://[::1", None),
        ("https:///xrpc", None),
        ("https://pds.example.com\x1b[2J", None),
        ("https://" + "x" * 300, None),
        ("ftp://pds.example.com", None),
        ("", None),
        (7, None),
        ({"url": "https://pds.example.com"}, None),
    ],
)
async def test_only_an_address_that_can_be_asked_has_a_host(url: object, host: str | None) -> None:
    async with saying(200, document({**PDS, "serviceEndpoint": url})) as tap:
        assert await tap.resolve(did(1)) == host


@pytest.mark.parametrize(
    "body",
    [
        document(),
        b'{"id":"%b"}' % did(1).encode(),
        b'{"id":"%b","service":null}' % did(1).encode(),
        document({"id": "#labeler", "type": "Labeler", "serviceEndpoint": "https://a.example"}),
        document({**PDS, "id": "atproto_pds", "serviceEndpoint": "https://a.example"}),
        document({**PDS, "id": 7, "serviceEndpoint": "https://a.example"}),
    ],
)
async def test_a_document_without_a_pds_has_no_host(body: bytes) -> None:
    async with saying(200, body) as tap:
        assert await tap.resolve(did(1)) is None


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, document(of=did(2)), "bad_answer"),
        (200, b"{}", "bad_answer"),
        (200, b'{"id":7}', "bad_answer"),
        (200, b'{"id":"%b","service":{}}' % did(1).encode(), "bad_answer"),
        (200, b'{"x":' + b"[" * 5000, "bad_answer"),
        (200, b" " * (DOCUMENT_BYTES_MAX + 1), "too_large"),
        (400, b'{"message":"improperly formatted DID"}', "refused"),
        (401, b"", "unauthorized"),
    ],
)
async def test_whatever_else_it_says_of_a_did_is_a_failure(
    status: int, body: bytes, kind: str
) -> None:
    async with saying(status, body) as tap:
        with pytest.raises(Failure) as failure:
            await tap.resolve(did(1))
        assert failure.value.kind == kind
