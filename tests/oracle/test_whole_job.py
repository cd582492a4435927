"""Someone adds a lexicon, and every record of it that exists ends up in their index."""

from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
import trio
import trio.testing
from support.lives import Lab, lexicon

from backfilld.backfill.commands import CancelJob, StartJob, packed
from backfilld.sandbox.network import RELAY_URL, SandboxNetwork
from backfilld.sandbox.relay import Quirks
from backfilld.sandbox.tap import TapSettings
from backfilld.sandbox.world import World
from backfilld_events.ids import Nsid

STATUS = Nsid("xyz.statusphere.status")
OTHER = Nsid("xyz.statusphere.reaction")

Clock = trio.testing.MockClock


def world(repos: int = 120, *, odd: float = 0.0, both: bool = False) -> World:
    collections = (STATUS, OTHER) if both else (STATUS,)
    return World(5, repos, collections, (0, 9), odd_share=odd, empty_share=0.1)


@pytest.mark.parametrize("channel", ["fast", "trio-websocket"])
async def test_every_record_of_an_added_lexicon_is_in_the_index(
    tmp_path: Path, autojump_clock: Clock, channel: str
) -> None:
    async with SandboxNetwork(world()) as network:
        lab = Lab(tmp_path, network, channel=channel)
        async with lab.living(stop=True) as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until_synced(job)
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()
        assert lab.job(job)[0].outcome == "completed"
        said = Counter(lab.said())
        assert said["job.page-discovered"] >= 4
        assert said["job.batch-handed-off"] >= 5
        assert lab.said()[-1] == "service.stopped"


async def test_accounts_whose_records_cannot_come_are_named_with_their_reason(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world(150, odd=0.3)) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until_synced(job, within_s=4 * 3600)
            with closing(lab.views()) as views:
                detail = await views.job(job)
        assert detail is not None
        lab.check_the_index_is_the_truth(STATUS)
        named = {failure.did: failure.reason for failure in detail.failures}
        assert len(named) == detail.failures_total > 5
        words = {
            "deactivated": "RepoDeactivated",
            "takendown": "RepoTakendown",
            "deleted": "RepoNotFound",
            "not_on_plc": "not found",
            "pds_down": "connection refused",
        }
        with_records = {row[0] for row in lab.index()}
        for did in lab.handed_over(job):
            reason = network.world.reason(did)
            if reason in words:
                assert words[reason].lower() in named[did].lower()
            else:
                assert did not in named
                assert did in with_records or reason in ("empty", "undecodable")


async def test_a_job_for_one_account_asks_no_relay(tmp_path: Path, autojump_clock: Clock) -> None:
    async with SandboxNetwork(world()) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            await desk.submit(lexicon(STATUS, backfill=False), "uid:1000")
            one = network.world.did(17)
            job = await lab.start(desk, StartJob(STATUS, packed([one])))
            await lab.until_synced(job)
        assert {row[0] for row in lab.index()} <= {one}
        assert lab.handed_over(job) == [one]
        assert network.relay_faults.requests == 0


async def test_a_job_for_everything_lists_each_record_lexicon(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world(60, both=True)) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            for one in (STATUS, OTHER):
                await desk.submit(lexicon(one, backfill=False), "uid:1000")
            await desk.submit(lexicon(STATUS), "uid:1000")
            await desk.submit(lexicon(OTHER), "uid:1000")
            job = await lab.start(desk, StartJob())
            await lab.until_synced(job)
        lab.check_the_index_is_the_truth(STATUS, OTHER)
        lab.check_the_log()


async def test_running_a_job_again_is_safe_and_picks_up_new_repositories(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world(40)) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            await lab.until_synced(await lab.start(desk, lexicon(STATUS)))
            before = lab.index()
            newcomer = network.world.new_account()
            network.world.create(newcomer, STATUS)
            again = await lab.start(desk, StartJob(STATUS))
            await lab.until_synced(again)
        assert len(lab.index()) == len(before) + 1
        assert newcomer in lab.handed_over(again)
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()


async def test_live_changes_follow_and_the_newest_wins(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world(30)) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            await lab.until_synced(await lab.start(desk, lexicon(STATUS)))
            before = lab.index()
            who, _, changed, *_ = before[0]
            gone = next(row for row in before if row[0] != who)
            network.world.update(who, STATUS, changed)  # type: ignore[arg-type]
            network.world.create(who, STATUS)  # type: ignore[arg-type]
            network.world.delete(gone[0], STATUS, gone[2])  # type: ignore[arg-type]
            await trio.sleep(30)
        lab.check_the_index_is_the_truth(STATUS)
        assert len(lab.index()) == len(before)
        lab.check_the_log()


async def test_a_relay_without_the_listing_is_left_for_the_next(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world(30)) as network:
        lab = Lab(tmp_path, network, relays=("http://nobody.test", RELAY_URL), attempts_max=3)
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until_synced(job)
        assert "job.listing-failed" in lab.said()
        assert lab.job(job)[0].outcome == "completed"
        lab.check_the_index_is_the_truth(STATUS)


async def test_a_listing_nobody_offers_ends_as_a_failure_that_says_so(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    quirks = Quirks(offers="nothing")
    async with SandboxNetwork(world(30), quirks=quirks) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until(lambda: lab.job(job)[0].ended_at is not None)
        found = lab.job(job)[0]
        assert found.outcome == "failed"
        assert found.failure is not None
        assert "does not offer" in found.failure.why


async def test_a_directory_rebuilt_during_a_restart_does_not_cut_the_listing_short(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world(200, both=True)) as network:
        lab = Lab(tmp_path, network, page_size=10)
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until(lambda: lab.job(job)[0].discovered >= 30)
        network.relay.rebuild()
        async with lab.living():
            await lab.until_synced(job)
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()


async def test_tap_without_a_filter_brings_records_nobody_asked_for_and_they_are_not_kept(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world(30, both=True), TapSettings()) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            await lab.until_synced(await lab.start(desk, lexicon(STATUS)))
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()


async def test_what_a_cancelled_job_never_handed_over_is_not_waited_for_though_tap_had_it(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world(300, both=True)) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (journal, desk):
            await lab.until_synced(await lab.start(desk, lexicon(STATUS)))
            job = await lab.start(desk, lexicon(OTHER))
            while not journal.state.jobs[job].discovered:
                await journal.watch(f"job/{job}").wait()
            await desk.submit(CancelJob(job), "uid:1000")
            await lab.until(lambda: lab.job(job)[0].ended_at is not None)
            with closing(lab.views()) as views:
                shape = await views.job(job)
            assert shape is not None
            handed = lab.job(job)[0].handed_off
            assert shape.sync.open == shape.sync.classes["held"] <= handed < shape.total_repos
            assert shape.sync.classes["discovered"] == shape.total_repos - handed
        lab.check_the_log()


async def test_what_tap_had_before_a_collection_was_asked_for_is_never_called_synced(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    """Tap sends nothing again for a repository it has: silence is no proof of completeness."""
    async with SandboxNetwork(world(40, both=True)) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            await lab.until_synced(await lab.start(desk, lexicon(STATUS)))
            await desk.submit(lexicon(OTHER, backfill=False), "uid:1000")
            later = await lab.start(desk, StartJob(OTHER, mode="add"))
            again = await lab.start(desk, StartJob(STATUS))
            await lab.until_synced(again)
            await trio.sleep(600)
            with closing(lab.views()) as views:
                shape = await views.job(later)
                first = await views.job(again)
            assert shape is not None
            assert first is not None
            assert first.sync.state == "synced", "for the first collection all is known"
            assert (shape.state, shape.sync.state) == ("completed", "syncing")
            held = shape.sync.classes["held"]
            assert held == shape.total_repos
            assert "with Tap before" in shape.sync.sentence
            assert shape.sync.sentence.endswith(f"backfillctl start {OTHER} --mode refetch.")
            assert shape.next == "Nothing: the job has ended."
            await lab.until_synced(await lab.start(desk, StartJob(OTHER, mode="refetch")))
            await lab.until_synced(later)
        lab.check_the_index_is_the_truth(STATUS, OTHER)
        lab.check_the_log()


async def test_a_collection_that_is_added_later_comes_whole_though_tap_had_every_repository(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world(40, both=True)) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            await lab.until_synced(await lab.start(desk, lexicon(STATUS)))
            later = await lab.start(desk, lexicon(OTHER))
            await lab.until(lambda: lab.job(later)[0].ended_at is not None)
            with closing(lab.views()) as views:
                shape = await views.job(later)
            assert shape is not None
            assert "are to be fetched again" in shape.sync.sentence
            assert "taken out of Tap and put in again" in shape.next
            await lab.until_synced(later)
        lab.check_the_index_is_the_truth(STATUS, OTHER)
        lab.check_the_log()
