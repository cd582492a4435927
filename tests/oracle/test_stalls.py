"""Something stands still: it is told what, why and what helps, once; and that it moves again.

What is usual after a reconnect is no stall."""

from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import trio
import trio.testing
from msgspec.structs import replace
from support.lives import START, Lab, lexicon

from backfilld import assembly
from backfilld.backfill.commands import StartJob
from backfilld.backfill.outings import Outings
from backfilld.backfill.stallwatch import Senses
from backfilld.control.door import Door
from backfilld.control.health import health
from backfilld.journal import Journal
from backfilld.sandbox.faults import FaultPlan
from backfilld.sandbox.network import TAP_URL, SandboxNetwork
from backfilld.sandbox.tap import TapSettings
from backfilld.sandbox.world import World
from backfilld_events.catalog.source import TapMoving, TapStalled
from backfilld_events.ids import Nsid

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


def door(lab: Lab) -> Door:
    assert lab.service._parts is not None
    return lab.service._parts.door


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
    async with SandboxNetwork(world(), SLOW) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await trio.sleep(6)
            assert network.tap is not None
            network.tap.hush(True)
            network.tap.cut_channels()
            await trio.sleep(60)
            seen = await health(door(lab))
            assert (seen.status, seen.stalls) == ("ok", [])
            assert seen.quiet.endswith("comes again after a minute or two: that is no stall.")
            network.tap.hush(False)
            await lab.until_synced(job)
            await trio.sleep(300)
            assert (await health(door(lab))).quiet == ""
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


async def test_a_tap_of_ours_that_hangs_is_started_again_without_those_it_hangs_at(
    tmp_path: Path, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = world()
    hang = [truth.did(n) for n in range(20, 25)]
    for did in hang:
        truth.set_fate(did, "identity_hangs")
    async with SandboxNetwork(truth, TapSettings()) as network:
        lab = Lab(tmp_path, network)

        class Ours:
            """Stands for tapchild.TapChild, which restarts a process."""

            async def restart(self, why: str, first: Callable[[], Awaitable[object]]) -> None:
                assert why == "it hangs at 5 repositories"
                await first()
                await network.start_tap(TapSettings())

        def senses(**given: Any) -> Senses:
            cure = partial(assembly._started_anew, Ours(), outings[-1])  # type: ignore[arg-type]
            return Senses(**{**given, "cure": cure})

        outings: list[Outings] = []
        monkeypatch.setattr(assembly, "Senses", senses)
        monkeypatch.setattr(
            assembly, "Outings", lambda *all_: outings.append(Outings(*all_)) or outings[-1]
        )
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until_synced(job)
            with closing(lab.views()) as views:
                shape = await views.job(job)
            assert shape is not None
            assert {one.did for one in shape.failures} == set(hang)
            assert all("a worker of Tap hung at it" in one.reason for one in shape.failures)
            await lab.until(lambda: told(lab) == ["workers_stuck", "-workers_stuck"])
            for did in hang:
                truth.set_fate(did, "active")
            await lab.until_synced(await lab.start(desk, StartJob(STATUS)))
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()


async def test_a_server_that_limits_tap_is_named_and_nothing_is_wrong(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    truth = world(120)
    servers = [truth.pds(truth.host(n)) for n in range(120)]
    for server in servers:
        server.allows(1, 30.0)
    async with SandboxNetwork(truth, TapSettings()) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (journal, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until(lambda: "host_parked" in journal.state.source.stalls)
            said = sentence(journal, "host_parked")
            assert "put aside, because their servers limit Tap: " in said
            assert urlsplit(truth.host(0)).netloc in said
            seen = await health(door(lab))
            assert seen.status == "ok"
            assert said in seen.verdict
            for server in servers:
                server.allows(120, 1.0)
            await lab.until_synced(job)
            await lab.until(lambda: not journal.state.source.stalls)
        lab.check_the_index_is_the_truth(STATUS)


async def test_a_window_that_stays_full_is_told_and_so_is_the_job_that_waits(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    truth = world()
    for n in range(20):
        truth.set_fate(truth.did(n), "identity_hangs")
    async with SandboxNetwork(truth, TapSettings()) as network:
        lab = Lab(tmp_path, network)
        lab.config = replace(lab.config, tap=replace(lab.config.tap, unsettled_max=20))
        async with lab.living() as (journal, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await trio.sleep(200)
            with closing(lab.views()) as views:
                waits = views._job(*lab.job(job))
            assert waits.state == "running"
            shown = await door(lab).views.job(job)
            assert shown is not None
            assert shown.sentence == (
                "Tap has 20 repositories to work on; the next batch goes when some are settled."
            )
            await lab.until(lambda: "window_full" in journal.state.source.stalls)
            assert "as many as tap.unsettled_max allows" in sentence(journal, "window_full")
