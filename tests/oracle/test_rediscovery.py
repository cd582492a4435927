"""New repositories are found by themselves, cheaply, and none is missed for long."""

from contextlib import closing
from pathlib import Path

import trio
import trio.testing
from msgspec.structs import replace
from support.lives import Lab, lexicon

from backfilld.backfill.schedule import LOOK_S
from backfilld.config.units import Duration
from backfilld.journal import Journal
from backfilld.sandbox.network import SandboxNetwork
from backfilld.sandbox.world import World
from backfilld_events.catalog.job import JobStarted, PageDiscovered
from backfilld_events.ids import Did, Nsid

STATUS = Nsid("xyz.statusphere.status")
OTHER = Nsid("xyz.statusphere.reaction")
EVERYBODYS, THIRD = Nsid("xyz.statusphere.profile"), Nsid("xyz.statusphere.third")
EVERY_S = 150.0

Clock = trio.testing.MockClock


class Looks(Lab):
    """Waits for one look after the other."""

    def __init__(self, folder: Path, network: SandboxNetwork) -> None:
        super().__init__(folder, network)
        jobs = replace(self.config.jobs, rediscover=Duration(EVERY_S))
        self.config = replace(self.config, jobs=jobs)

    async def next_look(self, journal: Journal) -> str:
        """The id of the job that began by itself, when it is synced."""
        before = len(self.started())
        await self.until(lambda: len(self.started()) > before, within_s=EVERY_S + 2 * LOOK_S)
        job = self.started()[-1]
        await self.until_synced(job)
        return job

    def started(self) -> list[str]:
        """The jobs, in order."""
        rows = self.rows()
        return [row.stream.removeprefix("job/") for row in rows if row.type == "job.started"]

    def start_of(self, job_id: str) -> JobStarted:
        row = next(row for row in self.rows() if row.stream == f"job/{job_id}")
        event = row.event
        assert isinstance(event, JobStarted)
        assert row.actor == "schedule"
        return event

    def newcomer(self) -> Did:
        did = self.network.world.new_account()
        self.network.world.create(did, STATUS)
        return did

    def repos(self, job_id: str) -> int:
        """How many the job counts."""
        with closing(self.views()) as views:
            return views._job(*self.job(job_id)).total_repos

    def pages(self, job_id: str) -> int:
        rows = [row for row in self.rows() if row.stream == f"job/{job_id}"]
        return sum(isinstance(row.event, PageDiscovered) for row in rows)


async def test_a_look_hands_over_only_what_came_since_and_every_fourth_look_all(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(World(5, 60, (STATUS,), (1, 3))) as network:
        lab = Looks(tmp_path, network)
        async with lab.living() as (journal, desk):
            first = await lab.start(desk, lexicon(STATUS))
            await lab.until_synced(first)
            listed = lab.handed_over(first)
            assert len(listed) == 60
            partial = []
            for n in range(1, 9):
                newcomers = [lab.newcomer() for _ in range(n % 3)]
                listed += newcomers
                job = await lab.next_look(journal)
                found = lab.handed_over(job)
                assert lab.repos(job) == len(newcomers), "it counts what it found new"
                partial.append(lab.start_of(job).listed_from is not None)
                if partial[-1]:
                    assert found == listed[-len(found) :], "the end of the listing, in its order"
                    assert len(newcomers) < len(found) <= 25 + len(newcomers), "its last page"
                    assert set(newcomers) <= set(found)
                else:
                    assert found == listed
            assert partial == [True, True, True, False] * 2
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()


async def test_a_rebuilt_directory_that_does_not_know_the_place_is_listed_from_the_start(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    """After a rebuild a number means another collection: the kept place reads as the end."""
    world = World(5, 60, (OTHER, STATUS), (1, 3))
    async with SandboxNetwork(world) as network:
        lab = Looks(tmp_path, network)
        async with lab.living() as (journal, desk):
            first = await lab.start(desk, lexicon(STATUS))
            await lab.until_synced(first)
            listed = set(lab.handed_over(first))
            newcomer = lab.newcomer()
            network.relay.rebuild()
            job = await lab.next_look(journal)
            assert lab.start_of(job).listed_from is not None
            assert lab.said().count("job.listing-restarted") == 1
            assert set(lab.handed_over(job)) == listed | {newcomer}
            assert lab.job(job)[0].outcome == "completed"
        lab.check_the_index_is_the_truth(STATUS)


async def test_a_rebuilt_directory_hands_over_nobody_who_does_not_hold_the_collection(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    """After the rebuild the kept place stands in the listing of another collection, before ours."""
    world = World(5, 60, (EVERYBODYS, STATUS, OTHER, THIRD), (1, 3))
    async with SandboxNetwork(world) as network:
        lab = Looks(tmp_path, network)
        async with lab.living() as (journal, desk):
            first = await lab.start(desk, lexicon(STATUS))
            await lab.until_synced(first)
            listed = set(lab.handed_over(first))
            assert len(listed) < world.repos
            network.relay.rebuild()
            job = await lab.next_look(journal)
            assert lab.start_of(job).listed_from is not None
            assert set(lab.handed_over(job)) == listed
            assert lab.said().count("job.listing-restarted") == 1
            assert lab.job(job)[0].outcome == "completed"
        lab.check_the_index_is_the_truth(STATUS)


async def test_a_daemon_that_was_away_looks_when_it_is_back(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(World(5, 60, (STATUS,), (1, 3))) as network:
        lab = Looks(tmp_path, network)
        async with lab.living() as (_, desk):
            await lab.until_synced(await lab.start(desk, lexicon(STATUS)))
        newcomer = lab.newcomer()
        await trio.sleep(3 * EVERY_S)
        async with lab.living() as (journal, _):
            began = trio.current_time()
            job = await lab.next_look(journal)
            assert trio.current_time() - began < EVERY_S / 2, "it was due long ago"
            assert newcomer in lab.handed_over(job)
            assert len(lab.started()) == 2, "once, not once for each that was missed"
