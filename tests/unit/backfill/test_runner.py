"""What a pause, a cancellation, a limit or a restart does to a job that runs, in virtual time."""

import random
from pathlib import Path

import pytest
import trio
import trio.testing
from msgspec.structs import replace
from support.lives import Lab, lexicon

from backfilld.backfill.commands import CancelJob, PauseJob, ResumeJob, StartJob, packed
from backfilld.backfill.desk import Desk
from backfilld.backfill.standing import scene, standing
from backfilld.config.units import Duration
from backfilld.journal import Journal
from backfilld.sandbox.faults import FaultPlan
from backfilld.sandbox.network import SandboxNetwork
from backfilld.sandbox.world import World
from backfilld_events.catalog.job import BatchHandedOff, JobCancelled
from backfilld_events.ids import Nsid

STATUS = Nsid("xyz.statusphere.status")
OTHERS = tuple(Nsid(f"xyz.statusphere.{name}") for name in ("one", "two", "three"))
LONG = 900.0  # seconds

Clock = trio.testing.MockClock


def world(repos: int = 200, *collections: Nsid) -> World:
    return World(8, repos, collections or (STATUS,), (0, 4))


def slow_relay() -> FaultPlan:
    """Every page takes two seconds, so that there is time to do something meanwhile."""
    return FaultPlan(kinds=("slow",), slow_s=2.0, share=1.0)


def said_of(lab: Lab, job_id: str) -> list[str]:
    return [row.type for row in lab.rows() if row.stream == f"job/{job_id}"]


def busy(lab: Lab) -> frozenset[str]:
    return lab.service.busy


def standing_of(lab: Lab, journal: Journal, job: str) -> str:
    jobs = journal.state.jobs
    return standing(jobs[job], scene(jobs, lab.limits(), busy(lab))).state


async def begun(lab: Lab, desk: Desk) -> str:
    """A job of the whole network, some pages and batches on."""
    job = await lab.start(desk, lexicon(STATUS))
    await lab.until(lambda: lab.job(job)[0].handed_off > 0)
    return job


async def test_a_paused_job_begins_no_further_step_and_goes_on_where_it_stopped(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world(), relay_faults=slow_relay()) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            job = await begun(lab, desk)
            await desk.submit(PauseJob(job, "maintenance"), "uid:7")
            await lab.until(lambda: job not in busy(lab))
            stopped = lab.job(job)[0]
            assert not stopped.listed, "in the middle of the listing"
            await trio.sleep(LONG)
            assert lab.job(job)[0] == stopped, "nothing has happened to it"
            await desk.submit(ResumeJob(job), "uid:7")
            await lab.until_synced(job)
        assert lab.handed_over(job) == [network.world.did(n) for n in range(200)]
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()


async def test_a_page_that_is_under_way_comes_in_before_the_job_is_at_rest(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world()) as network:
        network.relay_faults.script(None, "slow")
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until(lambda: network.relay_faults.fired["slow"] == 1)
            await desk.submit(PauseJob(job), "uid:7")
            assert job in busy(lab), "pausing"
            pages = said_of(lab, job).count("job.page-discovered")
            await lab.until(lambda: job not in busy(lab))
            assert said_of(lab, job)[-1] == "job.page-discovered"
            assert said_of(lab, job).count("job.page-discovered") == pages + 1


async def test_a_pause_that_is_taken_back_at_once_costs_nothing(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world()) as network:
        network.relay_faults.script(None, "slow")
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until(lambda: network.relay_faults.fired["slow"] == 1)
            await desk.submit(PauseJob(job), "uid:7")
            await desk.submit(ResumeJob(job), "uid:7")
            await lab.until_synced(job)
        assert lab.handed_over(job) == [network.world.did(n) for n in range(200)]


async def test_a_paused_job_does_not_try_a_peer_again_that_is_down(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    tap = FaultPlan(down=[(0.0, 1.1 * LONG)])
    async with SandboxNetwork(world(60), tap_faults=tap) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until(lambda: "job.attempt-failed" in lab.said())
            await desk.submit(PauseJob(job), "uid:7")
            await lab.until(lambda: job not in busy(lab))
            before = said_of(lab, job)
            await trio.sleep(LONG)
            assert said_of(lab, job) == before
            await desk.submit(ResumeJob(job), "uid:7")
            await lab.until_synced(job)
        lab.check_the_index_is_the_truth(STATUS)


async def test_a_batch_in_flight_stands_in_the_log_before_the_job_is_cancelled(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    """Tap has it: so it counts, and its records come."""
    async with SandboxNetwork(world()) as network:
        network.tap_faults.script("slow")
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until(lambda: network.tap_faults.fired["slow"] == 1)
            await desk.submit(CancelJob(job, "wrong one"), "uid:7")
            await lab.until(lambda: lab.job(job)[0].ended_at is not None)
            said = said_of(lab, job)
            asked, handed = said.index("job.cancel-asked"), said.index("job.batch-handed-off")
            assert asked < handed < said.index("job.cancelled")
            assert said[-1] == "job.cancelled"
            (end,) = [row.event for row in lab.rows() if row.type == "job.cancelled"]
            assert isinstance(end, JobCancelled)
            assert end.handed_off == 20
            rows = [row for row in lab.rows() if row.stream == f"job/{job}"]
            assert rows[-1].cause == rows[asked].position, "it ended since somebody asked for it"
            assert end.discovered >= 20
            await lab.until_synced(job)
        ended = lab.job(job)[0]
        assert (ended.outcome, ended.handed_off) == ("cancelled", 20)
        assert {row[0] for row in lab.index()} <= set(lab.handed_over(job))
        lab.check_the_log()


async def test_a_cancelled_job_frees_its_place_at_once(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    slow = slow_relay()
    async with SandboxNetwork(world(1000, STATUS, *OTHERS), relay_faults=slow) as network:
        lab = Lab(tmp_path, network)
        lab.config = replace(lab.config, jobs=replace(lab.config.jobs, concurrent=1))
        async with lab.living() as (_, desk):
            first = await lab.start(desk, lexicon(STATUS))
            second = await lab.start(desk, lexicon(OTHERS[0]))
            third = await lab.start(desk, lexicon(OTHERS[1]))
            await lab.until(lambda: lab.job(first)[0].begun)
            await desk.submit(CancelJob(third), "uid:7")  # it waits for its turn
            await lab.until(lambda: lab.job(third)[0].outcome == "cancelled", within_s=10)
            assert not lab.job(second)[0].begun
            await desk.submit(CancelJob(first), "uid:7")
            await lab.until(lambda: lab.job(second)[0].begun, within_s=10)


async def test_one_more_job_than_may_run_waits_and_higher_priority_goes_first(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    slow = slow_relay()
    async with SandboxNetwork(world(60, STATUS, *OTHERS), relay_faults=slow) as network:
        lab = Lab(tmp_path, network)
        lab.config = replace(lab.config, jobs=replace(lab.config.jobs, concurrent=2))
        async with lab.living() as (_, desk):
            for nsid in (STATUS, *OTHERS):
                await desk.submit(lexicon(nsid, backfill=False), "uid:1000")
            first = await lab.start(desk, StartJob(STATUS))
            second = await lab.start(desk, StartJob(OTHERS[0]))
            late = await lab.start(desk, StartJob(OTHERS[1]))
            urgent = await lab.start(desk, StartJob(OTHERS[2], priority=5))
            await lab.until(lambda: lab.said().count("job.completed") == 4)
        order = [row.stream for row in lab.rows() if row.type.startswith("job.page-")]
        begins = {job: order.index(f"job/{job}") for job in (first, second, late, urgent)}
        assert begins[urgent] < begins[late]
        assert max(begins[first], begins[second]) < begins[urgent]
        ends = [row.stream for row in lab.rows() if row.type == "job.completed"]
        assert ends.index(f"job/{late}") == 3


async def test_jobs_that_wait_for_the_relay_keep_no_job_waiting_that_needs_tap_alone(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    """And when the relay answers again, they go on by themselves."""
    down = FaultPlan(down=[(0.0, LONG)])
    async with SandboxNetwork(world(60, STATUS, *OTHERS), relay_faults=down) as network:
        lab = Lab(tmp_path, network, attempts_max=10_000)
        lab.config = replace(lab.config, jobs=replace(lab.config.jobs, concurrent=2))
        async with lab.living() as (journal, desk):
            stalled = [await lab.start(desk, lexicon(nsid)) for nsid in OTHERS]
            await desk.submit(lexicon(STATUS, backfill=False), "uid:1000")
            await trio.sleep(60)
            states = {job: standing_of(lab, journal, job) for job in stalled}
            assert set(states.values()) == {"stalled"}
            assert busy(lab) == set(stalled)
            named = packed([network.world.did(n) for n in range(3)])
            urgent = await lab.start(desk, StartJob(STATUS, named, priority=5))
            await lab.until(lambda: lab.job(urgent)[0].outcome == "completed", within_s=60)
            assert not any(lab.job(job)[0].listing.pages for job in stalled)
            await trio.sleep(LONG)
            await lab.until(lambda: not journal.state.jobs)
            assert {lab.job(job)[0].outcome for job in stalled} == {"completed"}


async def test_while_the_relay_is_down_no_more_than_twice_the_limit_begin(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    down = FaultPlan(down=[(0.0, LONG)])
    async with SandboxNetwork(world(60, STATUS, *OTHERS), relay_faults=down) as network:
        lab = Lab(tmp_path, network, attempts_max=10_000)
        lab.config = replace(lab.config, jobs=replace(lab.config.jobs, concurrent=1))
        async with lab.living() as (journal, desk):
            jobs = [await lab.start(desk, lexicon(nsid)) for nsid in (STATUS, *OTHERS)]
            await trio.sleep(LONG / 2)
            states = [standing_of(lab, journal, job) for job in jobs]
            assert states == ["stalled", "stalled", "pending", "pending"]
            assert busy(lab) == set(jobs[:2])


async def test_a_limit_that_was_raised_by_a_reload_is_in_force_within_the_minute(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    """Though nothing happens meanwhile that would be in the log."""
    async with SandboxNetwork(world(60, STATUS, *OTHERS)) as network:
        network.relay_faults.script(None, "hang")
        lab = Lab(tmp_path, network)
        lab.config = replace(lab.config, jobs=replace(lab.config.jobs, concurrent=1))
        lab.config = replace(lab.config, relay=replace(lab.config.relay, timeout=Duration(LONG)))
        async with lab.living() as (journal, desk):
            await lab.start(desk, lexicon(STATUS))
            await lab.until(lambda: network.relay_faults.fired["hang"] == 1)
            second = await lab.start(desk, lexicon(OTHERS[0]))
            await trio.sleep(120)
            assert not lab.job(second)[0].begun
            before, jobs = journal.state.position, lab.config.jobs
            lab.service.config = replace(lab.config, jobs=replace(jobs, concurrent=2))
            assert journal.state.position == before
            await lab.until(lambda: lab.job(second)[0].begun, within_s=61)


@pytest.mark.parametrize("concurrent", [1, 3])
async def test_never_more_jobs_run_at_once_than_the_limit_says(
    tmp_path: Path, autojump_clock: Clock, concurrent: int
) -> None:
    slow = slow_relay()
    async with SandboxNetwork(world(60, STATUS, *OTHERS), relay_faults=slow) as network:
        lab = Lab(tmp_path, network)
        lab.config = replace(lab.config, jobs=replace(lab.config.jobs, concurrent=concurrent))
        most = 0
        async with lab.living() as (_, desk):
            jobs = [await lab.start(desk, lexicon(nsid)) for nsid in (STATUS, *OTHERS)]
            while any(lab.job(job)[0].ended_at is None for job in jobs):
                most = max(most, len(busy(lab)))
                await trio.sleep(0.25)
        assert most == concurrent


async def test_a_job_that_was_paused_stays_paused_after_a_restart(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world(), relay_faults=slow_relay()) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            job = await begun(lab, desk)
            await desk.submit(PauseJob(job, "maintenance"), "uid:7")
        async with lab.living() as (_, desk):
            stopped = lab.job(job)[0]
            assert stopped.paused is not None
            await trio.sleep(LONG)
            assert lab.job(job)[0].handed_off == stopped.handed_off
            assert not busy(lab)
            await desk.submit(ResumeJob(job), "uid:7")
            await lab.until_synced(job)
        assert lab.handed_over(job) == [network.world.did(n) for n in range(200)]
        lab.check_the_log()


async def test_a_job_that_was_being_cancelled_ends_cancelled_after_a_restart(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world()) as network:
        network.tap_faults.script("hang")
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until(lambda: network.tap_faults.fired["hang"] == 1)
            await desk.submit(CancelJob(job), "uid:7")
            await trio.sleep(1)
            assert lab.job(job)[0].ended_at is None, "its batch is still in flight"
        async with lab.living() as (journal, _):
            await lab.until(lambda: job not in journal.state.jobs)
            await trio.sleep(60)
        assert lab.job(job)[0].outcome == "cancelled"
        assert not any(isinstance(row.event, BatchHandedOff) for row in lab.rows())
        assert len(network.disk.repos) == 0, "nothing more was handed over"


@pytest.mark.parametrize("seed", range(6))
async def test_paused_resumed_and_killed_at_any_moment_every_did_is_handed_over_as_the_log_says(
    tmp_path: Path, autojump_clock: Clock, seed: int
) -> None:
    chance = random.Random(seed)
    relay = FaultPlan(0.9, seed=seed, kinds=("500", "cut", "slow", "slow"), slow_s=1.0)
    tap = FaultPlan(0.2, seed=seed + 100, kinds=("500", "cut_after", "slow"), slow_s=1.0)
    async with SandboxNetwork(world(), relay_faults=relay, tap_faults=tap) as network:
        lab = Lab(tmp_path, network, page_size=10, batch_size=7, attempts_max=50)
        job = ""
        for life in range(12):
            async with lab.living() as (journal, desk):
                if not life:
                    job = await lab.start(desk, lexicon(STATUS))
                for _ in range(3):
                    await trio.sleep(chance.uniform(0, 3))
                    if job not in journal.state.jobs:
                        break
                    verb = chance.choice((PauseJob, ResumeJob))
                    await desk.submit(verb(job), "uid:7")
        async with lab.living() as (journal, desk):
            if job in journal.state.jobs:
                await desk.submit(ResumeJob(job), "uid:7")
            await lab.until_synced(job)
        everybody = [network.world.did(n) for n in range(200)]
        assert set(lab.handed_over(job)) == set(everybody), "a listing may have begun again"
        assert all(network.disk.repos.get(did) for did in everybody)
        assert len(network.disk.repos) == 200
        assert "job.paused" in lab.said()
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()
