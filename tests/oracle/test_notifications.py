"""Whoever wants to be told is told, of each thing once, whatever happens in between."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import trio
import trio.testing
from msgspec.structs import replace
from support.lives import Lab, lexicon

from backfilld.backfill.commands import CancelJob, PauseJob, StartJob
from backfilld.config.keys import NotifyConfig
from backfilld.notify.news import DOWN_S, STALL_S
from backfilld.notify.watcher import LOOK_S
from backfilld.sandbox.network import SandboxNetwork
from backfilld.sandbox.world import World
from backfilld_events.catalog.notify import NewsDelivered
from backfilld_events.ids import Nsid

STATUS = Nsid("xyz.statusphere.status")
SOON_S = 3 * LOOK_S

Clock = trio.testing.MockClock


class Hook(httpx.AsyncBaseTransport):
    """Takes what is posted to hook.test; the rest of the network is as it was."""

    def __init__(self, network: SandboxNetwork) -> None:
        self._others = network.transport
        self.came: list[dict[str, Any]] = []
        self.answer: Callable[[dict[str, Any]], int | None] = lambda letter: 200

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host != "127.0.0.1":
            return await self._others.handle_async_request(request)
        letter = json.loads(await request.aread())
        assert request.headers["backfilld-id"] == str(letter["id"])
        self.came.append(letter)
        status = self.answer(letter)
        if status is None:
            await trio.sleep_forever()
        return httpx.Response(status or 0)

    def kinds(self) -> list[str]:
        return [letter["kind"] for letter in self.came]


class Told(Lab):
    """A lab whose daemon posts news to a hook."""

    def __init__(self, folder: Path, network: SandboxNetwork, *kinds: str) -> None:
        super().__init__(folder, network)
        self.hook = Hook(network)
        network.transport = self.hook  # type: ignore[assignment]
        (folder / "secret").write_text("our secret")
        self.wants(*kinds)

    def wants(self, *kinds: str) -> None:
        """The configuration of the next life."""
        table = NotifyConfig(
            on=kinds,  # type: ignore[arg-type]
            url="http://127.0.0.1/hook",
            secret_file=str(self.folder / "secret"),
        )
        self.config = replace(self.config, notify=(table,) if kinds else ())

    def delivered(self) -> list[int]:
        """The ids of the news that the log calls delivered."""
        events = [row.event for row in self.rows()]
        return [event.position for event in events if isinstance(event, NewsDelivered)]


def world(repos: int = 60, **more: Any) -> World:
    return World(5, repos, (STATUS,), (1, 3), **more)


async def test_a_job_that_ends_is_told_of_and_told_of_again_when_its_records_are_here(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world()) as network:
        lab = Told(tmp_path, network, "job.completed", "job.synced", "job.failed")
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until_synced(job)
            await trio.sleep(SOON_S)
            completed, synced = lab.hook.came
            assert (completed["kind"], completed["job"], completed["count"]) == (
                "job.completed",
                job,
                60,
            )
            assert (synced["kind"], synced["state"], synced["count"]) == (
                "job.synced",
                "synced",
                60,
            )
            assert "All 60 are here, or empty." in synced["sentence"]
            nothing = await lab.start(desk, StartJob(Nsid("net.example.nothing")))
            await trio.sleep(SOON_S)
            assert lab.hook.came[2:] == [lab.hook.came[-1]]
            assert (lab.hook.came[-1]["kind"], lab.hook.came[-1]["job"]) == ("job.failed", nothing)
        assert lab.delivered() == [letter["id"] for letter in lab.hook.came]
        said = {row.position: row for row in lab.rows()}
        for letter in lab.hook.came:
            assert said[letter["id"]].type == "notify.raised", "the id is its place in the log"
        lab.check_the_log()


async def test_a_tap_that_is_away_is_told_of_once_and_so_is_its_return(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world()) as network:
        kinds = ("dependency.down", "dependency.up", "job.stalled", "job.resumed", "job.completed")
        lab = Told(tmp_path, network, *kinds)
        async with lab.living() as (_, desk):
            await trio.sleep(10)
            network.kill_tap()
            job = await lab.start(desk, lexicon(STATUS))
            await trio.sleep(DOWN_S - LOOK_S)
            assert lab.hook.came == []
            await trio.sleep(2 * SOON_S)
            assert lab.hook.kinds() == ["dependency.down"]
            await trio.sleep(STALL_S + 60)
            assert lab.hook.kinds() == ["dependency.down", "job.stalled"]
            stalled = lab.hook.came[-1]
            assert (stalled["job"], stalled["state"]) == (job, "stalled")
            await trio.sleep(2 * STALL_S)
            assert len(lab.hook.came) == 2, "once"
        async with lab.living():  # a restart is no news
            await trio.sleep(2 * STALL_S)
            assert len(lab.hook.came) == 2
            await network.start_tap()
            await lab.until(lambda: lab.job(job)[0].ended_at is not None)
            await trio.sleep(120)
        rest = sorted(lab.hook.kinds()[2:])
        assert rest == ["dependency.up", "job.completed", "job.resumed"]
        lab.check_the_log()


async def test_a_paused_job_is_no_stall_and_a_cancelled_one_no_failure(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world()) as network:
        lab = Told(tmp_path, network, "job.stalled", "job.failed", "job.completed")
        async with lab.living() as (_, desk):
            network.kill_tap()
            job = await lab.start(desk, lexicon(STATUS))
            await trio.sleep(60)
            await desk.submit(PauseJob(job), "uid:1000")
            await trio.sleep(2 * STALL_S)
            await desk.submit(CancelJob(job), "uid:1000")
            await trio.sleep(SOON_S)
            assert lab.job(job)[0].outcome == "cancelled"
        assert lab.hook.came == []


async def test_a_crash_before_the_event_brings_the_same_news_again_and_none_is_lost(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world()) as network:
        lab = Told(tmp_path, network, "job.completed", "job.synced")
        lab.hook.answer = lambda letter: None  # took it, and the answer never comes
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until(lambda: bool(lab.hook.came))
        assert lab.delivered() == []
        lab.hook.answer = lambda letter: 200
        async with lab.living():
            await lab.until_synced(job)
            await trio.sleep(SOON_S)
        first, again, synced = lab.hook.came
        assert first == again, "the same id, and the same words"
        assert (first["kind"], synced["kind"]) == ("job.completed", "job.synced")
        assert lab.delivered() == [first["id"], synced["id"]]


async def test_a_target_that_is_new_hears_no_old_news_but_what_is_still_to_come(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world()) as network:
        lab = Told(tmp_path, network)
        async with lab.living() as (_, desk):
            old = await lab.start(desk, lexicon(STATUS))
            await lab.until_synced(old)
            network.kill_tap()
            await trio.sleep(1)
        assert not any(type_name.startswith("notify.") for type_name in lab.said())
        newcomer = network.world.new_account()
        network.world.create(newcomer, STATUS)
        await network.start_tap()
        network.world.set_fate(newcomer, "pds_down")  # handed over, and its records do not come
        async with lab.living() as (_, desk):
            job = await lab.start(desk, StartJob(STATUS))
            await lab.until(lambda: lab.job(job)[0].ended_at is not None)
        lab.wants("job.completed", "job.synced")
        network.world.set_fate(newcomer, "active")
        async with lab.living():
            await lab.until_synced(job)
            await trio.sleep(SOON_S)
        assert [(letter["kind"], letter["job"]) for letter in lab.hook.came] == [
            ("job.synced", job)
        ]
        lab.wants()
        async with lab.living():
            pass
        assert lab.said().count("notify.target-removed") == 1
        lab.wants("job.completed", "job.synced")
        async with lab.living() as (journal, _):
            await trio.sleep(SOON_S)
            (target,) = journal.state.notices.targets.values()
            assert target.waiting == ()
        assert len(lab.hook.came) == 1, "coming back, it begins anew"


async def test_records_that_cannot_be_used_are_told_of_together(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    odd = world(150, odd_share=0.3)
    async with SandboxNetwork(odd) as network:
        lab = Told(tmp_path, network, "dead_letter")
        async with lab.living() as (_, desk):
            await lab.start(desk, lexicon(STATUS))
            await trio.sleep(1800)
        dead = len(list(odd.dead(STATUS)))
        assert dead > 3
        assert sum(letter["count"] for letter in lab.hook.came) == dead
        assert len(lab.hook.came) <= 3


async def test_a_hook_that_hangs_or_refuses_holds_up_no_job(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world()) as network:
        lab = Told(tmp_path, network, "job.completed", "job.synced")
        lab.hook.answer = lambda letter: None if letter["kind"] == "job.completed" else 503
        async with lab.living(stop=True) as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until_synced(job)
            await trio.sleep(300)
            assert {"job.completed", "job.synced"} == set(lab.hook.kinds())
        assert lab.delivered() == []
        assert lab.said()[-1] == "service.stopped"
        lab.check_the_index_is_the_truth(STATUS)
