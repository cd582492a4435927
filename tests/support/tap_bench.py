"""A sandbox Tap on the bench: its network, its world, and what a reader sees of its channel."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import httpx
import trio
from ports.peers import Channel, Event, TapPeer, ack

from backfilld.sandbox.network import TAP_URL, SandboxNetwork
from backfilld.sandbox.tap import TapSettings
from backfilld.sandbox.world import World
from backfilld_events.ids import Nsid

STATUS, LIKE = Nsid("xyz.statusphere.status"), Nsid("xyz.statusphere.like")


class Bench(TapPeer):
    """A Tap, its network and its world."""

    def __init__(self, network: SandboxNetwork, client: httpx.AsyncClient) -> None:
        super().__init__(client, partial(network.dial, "tap.test", 80), iter(()))
        self.network, self.world = network, network.world

    async def add(self, *ordinals: int) -> list[str]:
        dids: list[str] = [self.world.did(n) for n in ordinals]
        assert (await self.post("/repos/add", dids)).status_code == 200
        return dids

    async def states(self) -> list[object]:
        """Of all accounts of the world."""
        return [(await self.info(self.world.did(n)))["state"] for n in range(self.world.accounts)]

    async def drained(self, quiet_s: float = 3, *, acked: bool = True) -> list[Event]:
        """All that comes over a new channel until nothing has come for so long."""
        async with self.channel() as channel:
            return await read(channel, quiet_s, acked=acked)

    async def stat(self, name: str) -> object:
        (value,) = (await self.http.get(f"/stats/{name}")).json().values()
        return value


async def read(channel: Channel, quiet_s: float = 3, *, acked: bool = True) -> list[Event]:
    """All that comes until nothing has come for so long; an idle worker looks once a second."""
    found: list[Event] = []
    with trio.move_on_after(quiet_s) as scope:
        while True:
            found.append(await channel.event())
            scope.deadline = trio.current_time() + quiet_s
            if acked:
                await channel.send(ack(found[-1].number))
    return found


def shown(events: list[Event]) -> list[tuple[object, ...]]:
    """What of an event a reader acts on."""
    keys = {"identity": ("status",), "record": ("action", "rkey", "live")}
    return [tuple(event.content[key] for key in keys[event.kind]) for event in events]


@asynccontextmanager
async def bench(world: World, settings: TapSettings | None = None) -> AsyncIterator[Bench]:
    """A network that runs."""
    async with (
        SandboxNetwork(world, settings) as network,
        httpx.AsyncClient(base_url=TAP_URL, transport=network.transport) as client,
    ):
        yield Bench(network, client)


def plain(repos: int = 3, records: int = 2, **more: int) -> World:
    return World(5, repos, (STATUS,), records, **more)  # type: ignore[arg-type]
