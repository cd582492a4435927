"""Relays fail, Tap goes away, everything is killed: the end is the same, and the log tells why."""

import random
from contextlib import closing
from pathlib import Path

import pytest
import trio
import trio.testing
from support.lives import START, Lab, lexicon

from backfilld.control import words
from backfilld.sandbox.faults import FaultPlan
from backfilld.sandbox.network import SandboxNetwork
from backfilld.sandbox.relay import Quirks
from backfilld.sandbox.tap import TapSettings
from backfilld.sandbox.world import World
from backfilld_events.ids import Nsid

STATUS = Nsid("xyz.statusphere.status")
SLOW = TapSettings(collection_filters=(STATUS,), fetch_s=0.2, retry_timeout_s=20)

Clock = trio.testing.MockClock


def world(repos: int = 150, seed: int = 11) -> World:
    return World(seed, repos, (STATUS,), (0, 9))


async def test_a_job_survives_a_relay_and_a_tap_that_fail_now_and_then(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    def now() -> float:
        return START + trio.current_time()

    relay = FaultPlan(0.3, seed=3, clock=now)
    tap = FaultPlan(0.2, seed=4, clock=now)
    async with SandboxNetwork(world(300), SLOW, relay_faults=relay, tap_faults=tap) as network:
        lab = Lab(tmp_path, network, page_size=3, batch_size=4, attempts_max=20)
        async with lab.living(stop=True) as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until_synced(job)
        assert relay.unfired() == set()
        assert tap.unfired() == set()
        assert lab.job(job)[0].outcome == "completed"
        assert lab.handed_over(job) == [network.world.did(n) for n in range(300)]
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()


async def test_status_tells_the_truth_while_tap_is_down_for_a_minute(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    tap = FaultPlan(down=[(0.0, 60.0)])
    async with SandboxNetwork(world(400), SLOW, tap_faults=tap) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (journal, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await trio.sleep(20)
            state = journal.state.jobs[job]
            stands = lab.standing(state)
            assert stands.state == "stalled"
            assert stands.waiting is not None
            assert START <= stands.waiting.since <= START + 5
            said = words.sentence(state, stands, 0)
            assert said.startswith("Waiting for Tap since")
            assert "cannot connect" in said
            assert "Goes on by itself" in said
            assert state.discovered > state.handed_off
            assert not journal.state.source.connected
            await lab.until_synced(job)
            assert journal.state.source.connected
        assert tap.fired["down"] == 1
        assert lab.job(job)[0].outcome == "completed"
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()
        said_types = lab.said()
        assert "tap.disconnected" in said_types
        assert said_types.count("tap.disconnected") <= 3, "said once, not at every try"


async def test_a_tap_that_begins_its_ids_again_loses_and_doubles_nothing(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    """With an empty outbox Tap counts from 1 again; a stale ack would destroy a fresh event."""
    async with SandboxNetwork(world(80), SLOW) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until_synced(job)
            await trio.sleep(30)  # every ack is deleted by now
            await network.start_tap()
            who = next(row[0] for row in lab.index())
            for _ in range(20):
                network.world.create(who, STATUS)  # type: ignore[arg-type]
            await trio.sleep(120)
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()


async def test_a_stalled_relay_is_named_and_waited_for(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    relay = FaultPlan(down=[(0.0, 45.0)])
    async with SandboxNetwork(world(60), SLOW, relay_faults=relay) as network:
        lab = Lab(tmp_path, network, attempts_max=50)
        async with lab.living() as (journal, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await trio.sleep(10)
            state = journal.state.jobs[job]
            stands = lab.standing(state)
            assert stands.state == "stalled"
            assert words.sentence(state, stands, 0).startswith(
                "Waiting for relay http://relay.test since"
            )
            await lab.until_synced(job)
        lab.check_the_index_is_the_truth(STATUS)


async def test_duplicates_count_once_and_malformed_entries_make_it_completed_with_errors(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    quirks = Quirks(duplicates=True, malformed=["not a did", 7, None, "did:x"])
    async with SandboxNetwork(world(100), SLOW, quirks=quirks) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until_synced(job)
            with closing(lab.views()) as views:
                shape = await views.job(job)
        assert shape is not None
        assert shape.state == "completed_with_errors"
        assert shape.malformed > 0
        assert "refused as malformed" in shape.sentence
        assert shape.total_repos == len(set(lab.handed_over(job))), "each repository once"
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()


async def test_empty_pages_with_a_cursor_are_not_the_end(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world(60), SLOW, quirks=Quirks(empty_pages=3)) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            await lab.until_synced(await lab.start(desk, lexicon(STATUS)))
        lab.check_the_index_is_the_truth(STATUS)


async def test_a_relay_that_goes_in_a_circle_is_given_up(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world(100), SLOW, quirks=Quirks(repeats_cursor=True)) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until(lambda: lab.job(job)[0].ended_at is not None)
        state = lab.job(job)[0]
        assert state.outcome == "completed_with_errors"
        assert [failed.kind for failed in state.failed_listings] == ["cursor_repeated"]


@pytest.mark.parametrize("seed", range(6))
async def test_killed_again_and_again_the_index_is_the_truth_and_the_log_agrees(
    tmp_path: Path, autojump_clock: Clock, seed: int
) -> None:
    """20 kills of the daemon and 5 of Tap at seeded moments, with faults in between."""
    chance = random.Random(seed)
    clock = START + trio.current_time()
    faults = FaultPlan(0.05, seed=seed, clock=lambda: clock)
    async with SandboxNetwork(
        world(600, seed=seed), SLOW, relay_faults=faults, tap_faults=faults
    ) as network:
        lab = Lab(tmp_path, network, page_size=9, batch_size=7, attempts_max=40)
        kills = ["daemon"] * 20 + ["tap"] * 5
        chance.shuffle(kills)
        job, mid_way = "", 0
        while kills:
            async with lab.living() as (_, desk):
                job = job or await lab.start(desk, lexicon(STATUS))
                while kills:
                    for _ in range(chance.randrange(150)):  # between two steps of the daemon
                        await trio.lowlevel.checkpoint()
                    if chance.random() < 0.1:
                        await trio.sleep(chance.random())
                    if kills.pop() == "daemon":
                        break
                    network.kill_tap()
                    for _ in range(chance.randrange(50)):
                        await trio.lowlevel.checkpoint()
                    await network.start_tap()
            lab.check_the_log()
            mid_way += lab.job(job)[0].ended_at is None
        async with lab.living(stop=True):
            await lab.until_synced(job)
        assert mid_way >= 3, "some kills must come while the job runs"
        assert lab.job(job)[0].outcome == "completed"
        handed = lab.handed_over(job)
        assert handed == lab.handed_over(job)
        assert len(handed) == lab.job(job)[0].discovered
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()
