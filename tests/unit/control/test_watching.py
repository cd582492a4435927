"""What is foretold of a job comes true, and little is kept for it: a daemon in virtual time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import trio
import trio.testing
from msgspec.structs import replace
from support.lives import Lab, lexicon

from backfilld.backfill.commands import PauseJob, ResumeJob, StartJob
from backfilld.control.shapes import JobDetail
from backfilld.control.views import Views
from backfilld.control.views import jobs as views_jobs
from backfilld.control.views.jobs import Wanted
from backfilld.sandbox.faults import FaultPlan
from backfilld.sandbox.network import SandboxNetwork
from backfilld.sandbox.world import World
from backfilld_events.ids import Nsid

STATUS = Nsid("xyz.statusphere.status")
BATCH_S = 5.0

Clock = trio.testing.MockClock


def slow_tap() -> FaultPlan:
    """Every request takes BATCH_S, so that 20 repositories go over in that time."""
    return FaultPlan(kinds=("slow",), slow_s=BATCH_S, share=1.0)


@asynccontextmanager
async def watching(lab: Lab) -> AsyncIterator[Views]:
    """Views of their own on the lab's files, that watch jobs as the daemon's do."""
    with closing(lab.views()) as views:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(views.sampling)
            yield views
            nursery.cancel_scope.cancel()


async def shown(views: Views, job: str) -> JobDetail:
    detail = await views.job(job)
    assert detail is not None
    return detail


async def test_a_job_ends_when_it_was_foretold(tmp_path: Path, autojump_clock: Clock) -> None:
    async with SandboxNetwork(World(8, 2_000, (STATUS,), (0, 1)), tap_faults=slow_tap()) as network:
        lab = Lab(tmp_path, network, info_rate=0)
        lab.config = replace(lab.config, jobs=replace(lab.config.jobs, read_ahead=10_000))
        async with lab.living() as (journal, desk):
            job = await lab.start(desk, lexicon(STATUS))
            async with watching(lab) as views:
                await trio.sleep(60)
                early = await shown(views, job)
                await trio.sleep(150)
                known = await shown(views, job)
                asked_at = trio.current_time()
                await lab.until(lambda: job not in journal.state.jobs)
                took_s = trio.current_time() - asked_at
        assert early.eta.completed.withheld == "too_early"
        assert known.rates.handoff.typical == 20 / BATCH_S
        low, high = known.eta.completed.low_s, known.eta.completed.high_s
        assert low is not None
        assert high is not None
        assert low - BATCH_S <= took_s <= high + BATCH_S
        assert high - low <= 60


async def test_the_first_estimate_is_in_the_log_once_and_is_held_against_the_truth(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(World(8, 2_000, (STATUS,), (0, 1)), tap_faults=slow_tap()) as network:
        lab = Lab(tmp_path, network, info_rate=0)
        lab.config = replace(lab.config, jobs=replace(lab.config.jobs, read_ahead=10_000))
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until(lambda: lab.job(job)[0].ended_at is not None)
        assert lab.said().count("job.estimated") == 1
        with closing(lab.views()) as views:
            said = (await shown(views, job)).estimate
    assert said is not None
    assert said.took_s is not None
    # a batch was under way, of which nobody knows how much was left
    assert said.low_s - BATCH_S <= said.took_s <= said.high_s + BATCH_S
    assert "it took" in said.sentence


async def test_a_pause_counts_neither_as_time_nor_against_the_rate(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(World(8, 2_000, (STATUS,), (0, 1)), tap_faults=slow_tap()) as network:
        lab = Lab(tmp_path, network, info_rate=0)
        lab.config = replace(lab.config, jobs=replace(lab.config.jobs, read_ahead=10_000))
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            async with watching(lab) as views:
                await trio.sleep(240)
                await desk.submit(PauseJob(job), "uid:1000")
                await trio.sleep(300)
                assert (await shown(views, job)).eta.completed.withheld == "paused"
                await desk.submit(ResumeJob(job), "uid:1000")
                await trio.sleep(30)
                known = await shown(views, job)
        assert known.rates.handoff.typical == 20 / BATCH_S
        assert known.eta.completed.withheld is None


async def test_a_job_that_waits_for_its_turn_or_is_done_is_not_watched(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(World(8, 60, (STATUS,), (0, 3))) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk), watching(lab) as views:
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until_synced(job)
            await trio.sleep(30)
            assert views._samples == {}


async def test_all_jobs_are_found_page_by_page_and_none_twice(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    many = 2 * views_jobs.PAGE_JOBS + 7
    async with SandboxNetwork(World(8, 5, (STATUS,), (0, 1))) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            started = [
                await lab.start(desk, StartJob(Nsid(f"net.example.n{n % 3}"))) for n in range(many)
            ]
            with closing(lab.views()) as views:
                found: list[str] = []
                before: int | None = None
                while True:
                    page = await views.page(Wanted(collection=Nsid("net.example.n1")), before)
                    assert len(page.jobs) <= views_jobs.PAGE_JOBS
                    found += [one.id for one in page.jobs]
                    if (before := page.before) is None:
                        break
        assert found == started[1::3][::-1]
