"""Something stands still: it is told what, why and what helps, once; and that it moves again.

What is usual after a reconnect is no stall."""

from contextlib import closing
from pathlib import Path

import httpx
import pytest
import trio
import trio.testing
from msgspec.structs import replace
from support.lives import START, Lab, lexicon

from backfilld import assembly
from backfilld.backfill.outings import Outings
from backfilld.backfill.stallwatch import Senses
from backfilld.journal import Journal
from backfilld.sandbox.faults import FaultPlan
from backfilld.sandbox.network import TAP_URL, SandboxNetwork
from backfilld.sandbox.tap import TapSettings
from backfilld.sandbox.world import World
from backfilld.sources.tap.http import TapHttp
from backfilld_events.catalog.source import TapMoving, TapStalled
from backfilld_events.ids import Did, Nsid

STATUS = Nsid("xyz.statusphere.status")
SLOW = TapSettings(collection_filters=(STATUS,), fetch_s=1.0)

Clock = trio.testing.MockClock


def world(repos: int = 60) -> World:
    return World(5, repos, (STATUS,), (1, 5))


def told(lab: Lab) -> list[str]:
    """`kind` where a stall was told, `-kind` where it ended, in order."""
    found: list[str] = []
    for row in lab.rows():
        if isinstance(row.event, TapStalled):
            found.append(row.event.kind)
        elif isinstance(row.event, TapMoving):
            found.append(f"-{row.event.kind}")
    return found


def sentence(journal: Journal, kind: str) -> str:
    return journal.state.source.stalls[kind].message


async def test_a_tap_that_is_down_is_told_once_and_so_is_its_end(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    tap = FaultPlan(down=[(20.0, 620.0)])
    async with SandboxNetwork(world(), SLOW, tap_faults=tap) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (journal, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await trio.sleep(300)
            assert list(journal.state.source.stalls) == ["tap_down"], "it is not the channel alone"
            assert sentence(journal, "tap_down").startswith(f"Tap at {TAP_URL} does not answer: ")
        async with lab.living() as (journal, _):
            await trio.sleep(200)
            assert list(journal.state.source.stalls) == ["tap_down"], "a restart changes nothing"
            assert journal.state.source.stalls["tap_down"].since < START + 60
            await lab.until(lambda: not journal.state.source.stalls)
            await lab.until_synced(job)
        assert told(lab) == ["tap_down", "-tap_down"]


async def test_a_channel_that_tap_refuses_though_it_answers_is_told_as_such(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world(), TapSettings(webhook=True)) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (journal, _):
            await trio.sleep(180)
            assert "answers, but the channel to it is down" in sentence(journal, "channel_down")
            await network.start_tap(SLOW)
            await trio.sleep(120)
        assert told(lab) == ["channel_down", "-channel_down"]


async def test_a_channel_that_brings_nothing_though_messages_wait_is_told(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world(), SLOW) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (journal, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await trio.sleep(6)
            assert network.tap is not None
            network.tap.hush(True)
            await trio.sleep(300)
            said = sentence(journal, "channel_silent")
            assert f"though {len(network.disk.outbox):,} messages wait in Tap" in said
            network.tap.hush(False)
            await lab.until_synced(job)
            await trio.sleep(60)
        assert told(lab) == ["channel_silent", "-channel_silent"]
        lab.check_the_index_is_the_truth(STATUS)


async def test_the_quiet_minutes_after_a_reconnect_are_named_and_are_no_stall(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world(400), TapSettings()) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until(lambda: bool(lab.index()))
            assert network.tap is not None
            network.tap.core.outbox  # what was on its way is lost until it is sent again
            network.tap.cut_channels()
            await trio.sleep(60)
            await lab.until_synced(job)
            await trio.sleep(300)
        assert told(lab) == []


async def test_a_tap_whose_workers_hang_is_told_with_what_helps_and_that_helps(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    truth = world()
    hang = [truth.did(n) for n in (10, 20, 21, 22, 40)]
    for did in hang:
        truth.set_fate(did, "identity_hangs")
    async with SandboxNetwork(truth, TapSettings()) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (journal, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until(lambda: "workers_stuck" in journal.state.source.stalls)
            said = sentence(journal, "workers_stuck")
            assert all(f'"{did}"' in said for did in hang)
            assert said.count('"did:') == len(hang)
            async with httpx.AsyncClient(transport=network.transport) as client:
                await client.post(f"{TAP_URL}/repos/remove", json={"dids": hang})
            await network.start_tap(TapSettings())
            await trio.sleep(120)
            with closing(lab.views()) as views:
                shape = await views.job(job)
        assert shape is not None
        assert shape.sync.open == len(hang), "all others are here"
        assert told(lab)[:2] == ["workers_stuck", "-workers_stuck"]
