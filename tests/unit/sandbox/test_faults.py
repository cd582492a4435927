"""Faults: by seed, by script, and counted."""

from collections import Counter
from typing import get_args

import httpx
import pytest
import trio

from backfilld.sandbox.faults import QUICK, FaultPlan, Kind
from backfilld.sandbox.http import Answer, Cut, Garbage, Hang, Request, Response
from backfilld.sandbox.network import RELAY_URL, TAP_URL, SandboxNetwork
from backfilld.sandbox.world import World
from backfilld_events.ids import Nsid

GET = Request("GET", "/")
WHOLE = Response(200, b"whole")


class Server:
    """Counts what reached it."""

    def __init__(self) -> None:
        self.served = 0

    async def handle(self, request: Request) -> Answer:
        self.served += 1
        return WHOLE


async def test_the_same_seed_has_the_same_faults_at_about_the_share_asked_for() -> None:
    kinds = []
    for _ in range(2):
        plan = FaultPlan(0.05, seed=3)
        guarded = plan.guard(Server().handle)
        kinds.append([await guarded(GET) for _ in range(2000)])
        assert plan.requests == 2000
        assert 60 < plan.fired.total() < 140
        assert set(plan.fired) == set(QUICK)
        assert plan.unfired() == set()
    assert kinds[0] == kinds[1]


async def test_a_script_comes_first_and_what_it_did_is_counted(autojump_clock: object) -> None:
    plan, server = FaultPlan(), Server()
    guarded = plan.guard(server.handle)
    plan.script(*get_args(Kind), None)
    answers = [await guarded(GET) for _ in range(len(get_args(Kind)) + 2)]
    assert plan.fired == Counter(get_args(Kind))
    statuses = [answer.status if isinstance(answer, Response) else 0 for answer in answers]
    assert statuses == [500, 502, 429, 429, 429, 0, 0, 0, 0, 200, 0, 200, 200]
    assert answers[5:11] == [Cut(), Cut(), Cut(WHOLE), Garbage(), WHOLE, Hang()]
    assert server.served == 5  # three whole ones, and the two whose answers got lost
    assert trio.current_time() == 5


async def test_a_limited_answer_says_when_to_come_again() -> None:
    plan = FaultPlan(retry_after_s=7, clock=lambda: 1_800_000_000.5)
    plan.script("429", "429_reset", "429_bare")
    guarded = plan.guard(Server().handle)
    headers = [answer.headers for answer in [await guarded(GET) for _ in range(3)]]  # type: ignore[union-attr]
    assert headers == [{"Retry-After": "7"}, {"RateLimit-Reset": "1800000007"}, {}]


async def test_a_fault_that_did_not_fire_is_named() -> None:
    plan = FaultPlan(down=[(5, 6)])
    plan.script("500", "hang")
    await plan.guard(Server().handle)(GET)
    assert plan.unfired() == {"hang", "down"}


async def test_a_handshake_is_spared() -> None:
    plan = FaultPlan(1.0)
    request = Request("GET", "/channel", {"upgrade": "websocket"})
    assert await plan.guard(Server().handle)(request) == WHOLE
    assert plan.requests == 0


async def test_servers_go_down_and_come_back_when_planned(autojump_clock: object) -> None:
    world = World(1, 5, (Nsid("a.b.c"),), 1)
    relay, tap = FaultPlan(down=[(10, 20)]), FaultPlan(down=[(30, 40)])
    urls = [RELAY_URL + "/_health", TAP_URL + "/health"]
    async with (
        SandboxNetwork(world, relay_faults=relay, tap_faults=tap) as network,
        httpx.AsyncClient(transport=network.transport) as client,
    ):
        ups = []
        for _ in range(5):
            ups.append([await up(client, url) for url in urls])
            await trio.sleep(10.5)
    assert ups == [[True, True], [False, True], [True, True], [True, False], [True, True]]
    assert relay.unfired() == tap.unfired() == set()


async def up(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).status_code == 200
    except httpx.ConnectError:
        return False


@pytest.mark.parametrize("kind", ["cut_after", "cut_within"])
async def test_what_a_lost_answer_answers_has_been_done(autojump_clock: object, kind: Kind) -> None:
    world = World(1, 5, (Nsid("a.b.c"),), 1)
    async with (
        SandboxNetwork(world) as network,
        httpx.AsyncClient(transport=network.transport) as client,
    ):
        network.tap_faults.script(kind)
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(TAP_URL + "/repos/add", json={"dids": [world.did(0)]})
        assert (await client.get(TAP_URL + "/stats/repo-count")).json() == {"repo_count": 1}
