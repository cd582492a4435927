"""The relay and the Tap that the contract tests ask."""

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial

import httpx
import pytest
from ports import peers
from ports.peers import (
    COLLECTION,
    FETCH_TIMEOUT_S,
    REAL_ODD,
    REAL_RELAY,
    REAL_TAP,
    RETRY_TIMEOUT_S,
    TapPeer,
)
from trio.testing import MockClock

from backfilld.clock import system
from backfilld.sandbox.network import RELAY_URL, TAP_URL, SandboxNetwork
from backfilld.sandbox.seeded import Fate
from backfilld.sandbox.tap import TapSettings
from backfilld.sandbox.world import World
from backfilld.sources.tap.http import TapHttp
from backfilld_events.ids import Nsid

OTHER_COLLECTION = Nsid("xyz.statusphere.reaction")


@pytest.fixture
def clock() -> MockClock | None:
    """Virtual time, unless a real peer is asked. Every test of this folder takes it."""
    return None if REAL_RELAY or REAL_TAP else MockClock(autojump_threshold=0)


@pytest.fixture(scope="session")
def real_dids() -> Iterator[str]:
    """Each is handed out once."""
    return iter(peers.listed(REAL_RELAY, COLLECTION) if REAL_TAP else [])


@pytest.fixture
async def network(clock: MockClock | None) -> AsyncIterator[SandboxNetwork]:
    world = World(7, 200, (OTHER_COLLECTION, COLLECTION), (3, 40), empty_share=0.02)
    settings = TapSettings(
        collection_filters=(COLLECTION,),
        retry_timeout_s=RETRY_TIMEOUT_S,
        repo_fetch_timeout_s=FETCH_TIMEOUT_S,
        fetch_s=0.02,
    )
    async with SandboxNetwork(world, settings) as running:
        yield running


@pytest.fixture
async def relay(network: SandboxNetwork) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the relay."""
    transport = None if REAL_RELAY else network.transport
    base = REAL_RELAY or RELAY_URL
    async with httpx.AsyncClient(base_url=base, transport=transport, timeout=30) as client:
        yield client


@pytest.fixture
async def tap(network: SandboxNetwork, real_dids: Iterator[str]) -> AsyncIterator[TapPeer]:
    """A Tap with the filter COLLECTION."""
    transport = None if REAL_TAP else network.transport
    base = REAL_TAP or TAP_URL
    connect = partial(peers.dial, REAL_TAP) if REAL_TAP else partial(network.dial, "tap.test", 80)
    world = network.world
    fresh = real_dids if REAL_TAP else (world.did(n) for n in range(1, 200, 2))
    async with httpx.AsyncClient(base_url=base, transport=transport, timeout=30) as client:
        peer = TapPeer(client, connect, fresh)
        yield peer
        if peer.mine:
            await client.post("/repos/remove", json={"dids": peer.mine})


@pytest.fixture
def client(tap: TapPeer) -> TapHttp:
    """Our own client of that Tap."""
    return TapHttp(tap.http, str(tap.http.base_url).rstrip("/"), system)


@pytest.fixture
def odd(network: SandboxNetwork) -> Callable[[Fate], str]:
    """An account with this trouble."""

    def account(fate: Fate) -> str:
        if REAL_TAP:
            return REAL_ODD[fate][0] if fate in REAL_ODD else pytest.skip(f"no account {fate}")
        world = network.world
        did = world.new_account()
        for n in range(3):
            readable = n > 0 or fate != "undecodable"
            write = world.write("create", COLLECTION, f"r{n}", readable=readable)
            world.commit(did, [write], heard=False)
        world.set_fate(did, fate)
        return did

    return account


@pytest.fixture
def limited(network: SandboxNetwork) -> list[str]:
    """Accounts of one server, which answers some fetches 429."""
    if REAL_TAP:
        return REAL_ODD.get("limited") or pytest.skip("no accounts `limited`")
    world = network.world
    host = world.host(1)
    world.pds(host).answers_429(every=5)
    return [world.did(n) for n in range(1, 60) if world.host(n) == host][:8]
