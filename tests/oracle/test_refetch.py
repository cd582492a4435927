"""What Tap lacks, forgot, parked or missed is fetched anew, and in the end the index is the truth:
the whole daemon against the sandbox network, in virtual time."""

import random
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
import trio
import trio.testing
from msgspec.structs import replace
from support.lives import Lab, lexicon

from backfilld.backfill.commands import StartJob
from backfilld.backfill.desk import Desk
from backfilld.control import covered
from backfilld.sandbox.network import SandboxNetwork
from backfilld.sandbox.seeded import EVERY_FATE, Fate
from backfilld.sandbox.tap import TapSettings
from backfilld.sandbox.world import World
from backfilld_events.faults import Fault
from backfilld_events.ids import Did, Nsid
from backfilld_events.log.file import open_reader
from backfilld_events.projections import listing, repos, targets
from backfilld_events.projections.classes import OPEN, Class
from backfilld_events.projections.listing import Listed
from backfilld_events.projections.tally import ALL

STATUS = Nsid("xyz.statusphere.status")
OTHER = Nsid("xyz.statusphere.profile")

Clock = trio.testing.MockClock


def counts(lab: Lab, nsid: Nsid | None = None) -> dict[Class, int]:
    with closing(open_reader(lab.folder / "events.db")) as db:
        counter = ALL if nsid is None else next(iter(targets.counters(db, [nsid])))
        return repos.counts(db, counter)


def listed(lab: Lab, *kinds: Class) -> list[Listed]:
    with closing(open_reader(lab.folder / "events.db")) as db:
        return listing.page(db, ALL, kinds, 0, 10_000)


async def until_nothing_is_open(lab: Lab, within_s: float = 7200.0) -> None:
    await lab.until(lambda: not OPEN.intersection(counts(lab)), within_s)


def known_to_tap(network: SandboxNetwork, did: Did) -> bool:
    return network.disk.repos.get(did) is not None


def fetched(network: SandboxNetwork, dids: Sequence[Did]) -> bool:
    states = [network.disk.repos.get(did) for did in dids]
    return all(repo is not None and repo.state == "active" for repo in states)


async def backfilled(lab: Lab, desk: Desk, nsid: Nsid = STATUS) -> str:
    job = await lab.start(desk, lexicon(nsid))
    await lab.until_synced(job)
    return job


async def test_a_collection_that_is_added_later_comes_whole_though_tap_has_every_repository(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    world = World(3, 80, (STATUS, OTHER), (1, 4))
    async with SandboxNetwork(world, TapSettings(collection_filters=(STATUS,))) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            await backfilled(lab, desk)
            lab.check_the_index_is_the_truth(STATUS)
            await network.restart_tap(filters=[STATUS, OTHER])
            later = await backfilled(lab, desk, OTHER)
        lab.check_the_index_is_the_truth(STATUS, OTHER)
        lab.check_the_log()
        assert counts(lab, OTHER) == {Class.SYNCED: lab.job(later)[0].discovered}
        taken_out = lab.said().count("tap.repos-leaving")
        assert taken_out >= 1
        whole = sum(row.event.count for row in lab.rows() if row.type == "tap.repos-leaving")  # type: ignore[union-attr]
        assert whole == lab.job(later)[0].discovered, "those that lacked it, and no other"


@pytest.mark.parametrize("seed", range(4))
async def test_records_that_were_deleted_while_nobody_looked_vanish_after_a_refetch(
    tmp_path: Path, autojump_clock: Clock, seed: int
) -> None:
    world, chance = World(seed, 40, (STATUS,), (2, 6)), random.Random(seed)
    async with SandboxNetwork(world) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            await backfilled(lab, desk)
            for ordinal in chance.sample(range(40), 15):
                did, records = world.did(ordinal), world.records(ordinal)
                for record in chance.sample(records, chance.randint(1, len(records))):
                    world.delete(did, STATUS, record.rkey, heard=False)
                if chance.random() < 0.3:
                    world.create(did, STATUS, heard=False)
            before = lab.index()
            assert before != sorted(tuple(row) for row in world.truth(STATUS))
            await lab.until_synced(await lab.start(desk, StartJob(STATUS, mode="refetch")))
            await until_nothing_is_open(lab)
            await trio.sleep(120)
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()
        assert "index.ghosts-removed" in lab.said()


async def test_what_was_fetched_anew_and_synced_stays_so_when_some_of_it_cannot_be_read(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    """Its ghosts cannot be told then; that is said, and changes nothing else."""
    world = World(4, 30, (STATUS,), (2, 6), odd_share=1.0, odd_fates=["undecodable"])
    async with SandboxNetwork(world) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            await backfilled(lab, desk)
            for n in range(0, 30, 2):  # the last of each goes, and is a ghost
                world.delete(world.did(n), STATUS, world.records(n)[-1].rkey, heard=False)
            again = await lab.start(desk, StartJob(STATUS, mode="refetch"))
            await lab.until_synced(again)
            end = trio.current_time() + 300
            while trio.current_time() < end:
                assert counts(lab) == {Class.SYNCED: 30}
                await trio.sleep(0.5)
        told = [row.event for row in lab.rows() if row.type == "tap.repos-differ"]
        differing = [one for event in told for one in event.differing]  # type: ignore[union-attr]
        assert len(differing) == 15, "the others have no ghosts, and all of them is accounted for"


async def test_one_429_does_not_keep_a_host_waiting_for_two_minutes(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    """Tap parks all of its repositories for a minute or two each, whatever the host would allow."""
    world = World(5, 600, (STATUS,), 2, hosts=1)
    world.pds(world.host(0)).answers_429(every=100)
    async with SandboxNetwork(world, TapSettings(fetch_s=0.01)) as network:
        lab = Lab(tmp_path, network, page_size=1000, batch_size=600)
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until(lambda: Class.PARKED in counts(lab), 30)
            world.pds(world.host(0)).answers_429(every=0)
            began = trio.current_time()
            await lab.until_synced(job)
            took = trio.current_time() - began
        assert took < 30, f"Tap by itself takes 60 to 120 s; it took {took:.0f} s"
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()


async def test_a_host_that_allows_little_is_given_no_more_than_that_and_gets_through(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    world = World(5, 200, (STATUS,), 1, hosts=2)
    slow = world.pds(world.host(0))
    slow.allows(20, 10.0)
    async with SandboxNetwork(world, TapSettings(fetch_s=0.05)) as network:
        lab = Lab(tmp_path, network, page_size=1000, batch_size=200)
        async with lab.living() as (_, desk):
            await lab.until_synced(await lab.start(desk, lexicon(STATUS)), 3600)
        lab.check_the_index_is_the_truth(STATUS)
        assert slow.limited < slow.asked / 4, "most of what it is asked for it may answer"


async def test_what_tap_forgot_with_its_database_is_handed_over_again(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    world = World(7, 90, (STATUS,), (1, 3))
    async with SandboxNetwork(world) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (journal, desk):
            await backfilled(lab, desk)
            await network.forget_all()
            await lab.until(lambda: journal.state.source.census is not None, 300)
            await lab.until(lambda: journal.state.source.census is None, 3600)
            await until_nothing_is_open(lab)
            missing = [world.did(n) for n in range(90) if not known_to_tap(network, world.did(n))]
            assert missing == []
            world.create(world.did(0), STATUS)
            await trio.sleep(30)
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()


@pytest.mark.parametrize("seed", range(8))
async def test_killed_again_and_again_in_a_refetch_nothing_is_lost_and_nobody_stays_outside(
    tmp_path: Path, autojump_clock: Clock, seed: int
) -> None:
    world, chance = World(seed, 60, (STATUS, OTHER), (1, 4)), random.Random(seed)
    async with SandboxNetwork(world, TapSettings(collection_filters=(STATUS,))) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            await backfilled(lab, desk)
        await network.restart_tap(filters=[STATUS, OTHER])
        for life in range(12):
            async with lab.living() as (_, desk):
                if not life:
                    await lab.start(desk, lexicon(OTHER))
                await trio.sleep(chance.choice([0.0, 0.2, 1.1, 1.3, 2.0, 5.0]) * chance.random())
            if chance.random() < 0.3:
                await network.restart_tap()
        async with lab.living():
            await until_nothing_is_open(lab)
        lab.check_the_index_is_the_truth(STATUS, OTHER)
        lab.check_the_log()
        assert all(known_to_tap(network, world.did(n)) for n in range(60))


KIND_OF: dict[Fate, Fault] = {
    "deleted": Fault.REPO_NOT_FOUND,
    "takendown": Fault.REPO_TAKENDOWN,
    "deactivated": Fault.REPO_DEACTIVATED,
    "not_on_plc": Fault.DID_DOC_NOT_FOUND,
    "no_pds": Fault.DID_DOC_INVALID,
    "pds_down": Fault.CONNECTION_FAILED,
    "pds_resets": Fault.CONNECTION_FAILED,
    "pds_hangs": Fault.TIMEOUT,
    "pds_500": Fault.PDS_SERVER_ERROR,
    "pds_502": Fault.PDS_SERVER_ERROR,
    "bad_signature": Fault.VERIFY_FAILED,
    "cut_car": Fault.REPO_UNREADABLE,
    "empty_car": Fault.REPO_UNREADABLE,
}
FINAL = (Fault.REPO_NOT_FOUND, Fault.DID_DOC_NOT_FOUND, Fault.DID_DOC_INVALID)


async def test_every_odd_repository_ends_in_its_class_with_its_kind_and_final_ones_leave_tap(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    world = World(11, 200, (STATUS,), (1, 4), odd_share=0.6, odd_fates=EVERY_FATE, empty_share=0.1)
    async with SandboxNetwork(world, TapSettings(repo_fetch_timeout_s=20)) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            await lab.start(desk, lexicon(STATUS))
            await until_nothing_is_open(lab)
            await trio.sleep(1800)
        found = {one.did: one for one in listed(lab, *Class)}
        for ordinal in range(200):
            did, fate = world.did(ordinal), world.fate(ordinal)
            if did not in found:  # the relay lists no accounts that are gone
                continue
            one, kind = found[did], KIND_OF.get(fate)
            if kind is None:
                reason = world.reason(did)
                empty = reason in ("empty", "undecodable")
                assert one.kind in (Class.EMPTY if empty else Class.SYNCED, Class.FAILED), fate
                continue
            assert one.kind is Class.FAILED, (fate, one)
            assert one.fault is kind, (fate, one.error)
            assert known_to_tap(network, did) is (kind not in FINAL), "final ones are taken out"
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()


async def test_never_more_is_with_tap_and_not_settled_than_the_bound_says(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(World(2, 150, (STATUS,), 1), TapSettings(fetch_s=0.5)) as network:
        lab = Lab(tmp_path, network)
        lab.config = replace(lab.config, tap=replace(lab.config.tap, unsettled_max=30))
        most = 0
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))

            def looked() -> bool:
                nonlocal most
                found = counts(lab)
                most = max(
                    most, sum(found.get(kind, 0) for kind in (Class.HANDED_OFF, Class.ARRIVING))
                )
                return lab.job(job)[0].ended_at is not None

            await lab.until(looked)
            await lab.until_synced(job)
        assert 0 < most <= 30
        lab.check_the_index_is_the_truth(STATUS)


async def test_what_failed_for_a_while_arrives_by_itself(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    world = World(4, 30, (STATUS,), 2, hosts=1)
    world.pds(world.host(0)).fails("pds_down")
    async with SandboxNetwork(world) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            await lab.start(desk, lexicon(STATUS))
            await lab.until(lambda: counts(lab) == {Class.FAILED: 30}, 600)
            world.pds(world.host(0)).fails(None)
            await lab.until(lambda: counts(lab) == {Class.SYNCED: 30}, 600)
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()


async def twice_at_one_rev(lab: Lab, network: SandboxNetwork, desk: Desk, world: World) -> None:
    """Fetched with some of its records gone, and once more before the ghosts are; then written to.
    What was here before, and what the fetches brought, cannot be told apart then."""
    await backfilled(lab, desk)
    everybody = [world.did(n) for n in range(world.accounts)]
    for n, did in enumerate(everybody):
        world.delete(did, STATUS, world.records(n)[0].rkey, heard=False)
        world.create(did, STATUS, heard=False)
    for times in range(1, 3):
        await lab.start(desk, StartJob(STATUS, mode="refetch"))
        await lab.until(lambda n=times: returned(lab) == n and fetched(network, everybody), 60)
    for did in everybody:
        world.create(did, STATUS)


def left_to_differ(lab: Lab) -> list[Did]:
    with closing(open_reader(lab.folder / "events.db")) as db:
        return listing.left_to_differ(db, 9)


def returned(lab: Lab) -> int:
    return lab.said().count("tap.repos-returned")


async def test_where_one_fetch_does_not_tell_ghosts_from_the_rest_another_one_does(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    world = World(12, 20, (STATUS,), (2, 6))
    async with SandboxNetwork(world) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            await twice_at_one_rev(lab, network, desk, world)
            await lab.until(lambda: returned(lab) == 3, 120)
            await until_nothing_is_open(lab)
            await trio.sleep(60)
            assert left_to_differ(lab) == []
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()
        why = [row.event.why for row in lab.rows() if row.type == "tap.repos-leaving"]  # type: ignore[union-attr]
        assert why == ["lacks", "lacks", "differs"]


async def test_one_that_is_written_to_after_each_fetch_is_fetched_anew_once_and_named(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    world = World(12, 1, (STATUS,), (4, 6))
    async with SandboxNetwork(world) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            await twice_at_one_rev(lab, network, desk, world)
            await lab.until(lambda: returned(lab) == 3 and fetched(network, [world.did(0)]), 120)
            world.create(world.did(0), STATUS)
            await until_nothing_is_open(lab)
            await trio.sleep(600)
            assert returned(lab) == 3, "else it would never end"
            assert left_to_differ(lab) == [world.did(0)]
        with closing(open_reader(lab.folder / "events.db")) as db:
            (one,) = listing.differing(db, ALL, 0, 9)
        assert covered.comes_next(one) == (
            f"Nothing by itself: backfillctl reconcile --did {one.did} --repair."
        )
        lab.check_the_log()
