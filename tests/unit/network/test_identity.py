"""A handle is an account's when each names the other; documents come from where they belong."""

import httpx
import pytest
import trio
from support.dns_server import Zone
from support.given import NOON
from support.web_server import Web, document

from backfilld import asking
from backfilld.failures import Busy, Failure
from backfilld.network.dns import Dns
from backfilld.network.handles import AT_ONCE, TURN_WITHIN_S, Handles
from backfilld.network.identity import TTL_S, Identity
from backfilld.network.opened import Network
from backfilld_events.ids import Did

ALICE, BOB = Did("did:plc:" + "a" * 24), Did("did:plc:" + "b" * 24)
HANDLE = "alice.example.com"


async def failed(network: Network, name: str) -> Failure:
    with pytest.raises(Failure) as failure:
        await network.identity.did_of(name)
    return failure.value


async def test_a_handle_in_dns_is_the_did_whose_document_names_it(
    network: Network, zone: Zone, web: Web
) -> None:
    zone.texts(f"_atproto.{HANDLE}", f"did={ALICE}")
    web.knows(ALICE, handle=HANDLE)
    assert await network.identity.did_of(HANDLE.upper()) == ALICE


@pytest.mark.parametrize("named", [None, "other.example.com", f"www.{HANDLE}"])
async def test_a_did_whose_document_names_another_handle_is_not_taken(
    network: Network, zone: Zone, web: Web, named: str | None
) -> None:
    zone.texts(f"_atproto.{HANDLE}", f"did={ALICE}")
    web.knows(ALICE, handle=named)
    failure = await failed(network, HANDLE)
    assert failure.kind == "bad_answer"
    assert (named or "no handle") in failure.message


async def test_two_dids_in_dns_are_none_and_nobody_else_is_asked(
    network: Network, zone: Zone
) -> None:
    zone.texts(f"_atproto.{HANDLE}", f"did={ALICE}", f"did={BOB}")
    assert "2 different DIDs" in (await failed(network, HANDLE)).message
    assert {kind for _, kind, _ in zone.asked} == {"TXT"}


async def test_a_document_that_the_directory_does_not_have_is_not_found(network: Network) -> None:
    with pytest.raises(Failure) as failure:
        await network.identity.document(ALICE)
    assert failure.value.kind == "not_found"


async def test_an_account_that_has_ended_is_not_found(network: Network, web: Web) -> None:
    web.says(f"/{ALICE}", {"message": "DID not available"}, status=410)
    with pytest.raises(Failure) as failure:
        await network.identity.document(ALICE)
    assert failure.value.kind == "not_found"


async def test_the_directory_failing_says_nothing_of_the_account(
    network: Network, web: Web
) -> None:
    web.says(f"/{ALICE}", {}, status=503)
    with pytest.raises(Failure) as failure:
        await network.identity.document(ALICE)
    assert failure.value.kind == "server_error"


async def test_a_did_web_comes_from_its_host(network: Network, web: Web) -> None:
    did = Did(f"did:web:localhost%3A{web.port}")
    web.says("/.well-known/did.json", document(did, "https://pds.example.com", HANDLE))
    assert (await network.identity.document(did)).pds == "https://pds.example.com"


async def test_a_did_web_inside_is_not_asked_for(network: Network, zone: Zone, web: Web) -> None:
    zone.hosts("intranet.example.com", ["127.0.0.1"])
    with pytest.raises(Failure) as failure:
        await network.identity.document(Did("did:web:intranet.example.com"))
    assert (failure.value.kind, web.asked) == ("not_allowed", [])


async def test_a_document_is_kept_for_a_while_and_asked_for_anew_on_demand(
    network: Network, web: Web, autojump_clock: trio.testing.MockClock
) -> None:
    # other tests wait for real sockets: here time stands still but for one jump
    autojump_clock.autojump_threshold = float("inf")
    web.knows(ALICE, pds="https://old.example.com")
    for _ in range(3):
        await network.identity.document(ALICE)
    assert len(web.asked) == 1
    web.knows(ALICE, pds="https://new.example.com")
    assert (await network.identity.document(ALICE)).pds == "https://old.example.com"
    assert (await network.identity.document(ALICE, fresh=True)).pds == "https://new.example.com"
    assert (await network.identity.document(ALICE)).pds == "https://new.example.com"
    autojump_clock.jump(TTL_S)
    await network.identity.document(ALICE)
    assert len(web.asked) == 3


# --- by https: what a host says of itself, in memory, since no test has port 443 ---------------


class Host:
    """The host of a handle: answers by path."""

    def __init__(self, **answers: httpx.Response) -> None:
        self.answers, self.asked = answers, 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        assert request.url.scheme == "https"
        name = request.url.path.rpartition("/")[2].replace("-", "_")
        return self.answers.get(name, httpx.Response(404))


async def said_by(host: Host, zone: Zone, web: Web) -> Did:
    async with (
        asking.client(5) as plc,
        asking.client(5, transport=httpx.MockTransport(host)) as strangers,
    ):
        dns = Dns([zone.address], lifetime_s=1.0)
        identity = Identity(plc, strangers, dns, web.url, frozenset(), lambda: NOON)
        return await identity.did_of(HANDLE)


@pytest.mark.parametrize("status", [200, 203])
async def test_what_dns_does_not_say_the_host_may(zone: Zone, web: Web, status: int) -> None:
    web.knows(ALICE, handle=HANDLE)
    host = Host(atproto_did=httpx.Response(status, text=f" {ALICE}\r\n"))
    assert await said_by(host, zone, web) == ALICE


async def test_the_host_is_asked_when_dns_is_down(zone: Zone, web: Web) -> None:
    web.knows(ALICE, handle=HANDLE)
    zone.fails.add(f"_atproto.{HANDLE}")
    assert await said_by(Host(atproto_did=httpx.Response(200, text=ALICE)), zone, web) == ALICE


async def test_dns_wins(zone: Zone, web: Web) -> None:
    web.knows(ALICE, handle=HANDLE)
    zone.texts(f"_atproto.{HANDLE}", f"did={ALICE}")
    host = Host(atproto_did=httpx.Response(200, text=BOB))
    assert (await said_by(host, zone, web), host.asked) == (ALICE, 0)


async def test_a_few_redirects_are_followed(zone: Zone, web: Web) -> None:
    web.knows(ALICE, handle=HANDLE)
    host = Host(
        atproto_did=httpx.Response(301, headers={"location": "/two"}),
        two=httpx.Response(307, headers={"location": "https://elsewhere.example.com/three"}),
        three=httpx.Response(200, text=ALICE),
    )
    assert await said_by(host, zone, web) == ALICE


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(301, headers={"location": "/.well-known/atproto-did"}), "bad_answer"),
        (httpx.Response(302, headers={"location": "//a[b@evil.example.com/"}), "bad_answer"),
        (httpx.Response(200, text="<html>"), "bad_answer"),
        (httpx.Response(200, text=""), "bad_answer"),
        (httpx.Response(200, text="did:plc:" + "a" * 3000), "too_large"),
        (httpx.Response(404), "not_found"),
        (httpx.Response(503), "server_error"),
    ],
)
async def test_what_the_host_says_wrong_is_refused_and_dns_is_named_too(
    zone: Zone, web: Web, answer: httpx.Response, kind: str
) -> None:
    with pytest.raises(Failure) as failure:
        await said_by(Host(atproto_did=answer), zone, web)
    assert failure.value.kind == kind
    assert f"DNS has no name _atproto.{HANDLE}; by https: " in failure.value.message


# --- many at once ------------------------------------------------------------------------------


async def test_of_many_handles_each_is_a_did_or_a_reason(
    network: Network, zone: Zone, web: Web
) -> None:
    names = [f"user{n}.example.com" for n in range(40)]
    for n, name in enumerate(names):
        did = Did("did:plc:" + "abcdefgh"[n % 8] * 20 + f"{n:04}".translate(_LETTERS))
        zone.texts(f"_atproto.{name}", f"did={did}")
        web.knows(did, handle=name)
    zone.hosts("nobody.example.com", ["127.0.0.1"])
    asked = [*names, names[0], "nobody.example.com", "no handle", "alice.local"]
    found, failed = await network.handles.resolve_all(asked)
    assert list(found) == names
    assert [text.partition(":")[0] for text in failed] == [
        "nobody.example.com",
        "no handle",
        "alice.local",
    ]


class Slow(Identity):
    """Never knows, and counts how many ask at once."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def did_of(self, name: str) -> Did:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await trio.sleep(50)
        finally:
            self.now -= 1
        return ALICE


async def test_only_so_many_are_asked_at_once_and_all_have_one_time_limit(
    autojump_clock: trio.testing.MockClock,
) -> None:
    slow = Slow()
    names = [f"user{n}.example.com" for n in range(AT_ONCE + 1)]
    found, failed = await Handles(slow, within_s=60).resolve_all(names)
    assert slow.most == AT_ONCE
    (late,) = {*names} - {*found}
    assert failed == [f"{late}: not looked up within 60 s"]


async def test_whoever_finds_all_look_ups_taken_is_told_so_within_seconds(
    autojump_clock: trio.testing.MockClock,
) -> None:
    handles = Handles(Slow(), within_s=60)
    async with trio.open_nursery() as nursery:
        names = [f"user{n}.example.com" for n in range(2 * AT_ONCE)]
        nursery.start_soon(handles.resolve_all, names)
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        with pytest.raises(Busy):
            await handles.resolve_all(["alice.example.com"])
        assert trio.current_time() - began == TURN_WITHIN_S
        assert await handles.resolve_all([]) == ({}, [])


_LETTERS = str.maketrans("0123456789", "abcdefghij")
