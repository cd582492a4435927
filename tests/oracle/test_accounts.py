"""What happens to the records of an account when the account itself ends, or comes back."""

from contextlib import closing
from pathlib import Path
from typing import Literal

import pytest
import trio
import trio.testing
from msgspec.structs import replace
from support.lives import Lab, lexicon

from backfilld.backfill.commands import StartJob
from backfilld.sandbox.network import SandboxNetwork
from backfilld.sandbox.world import World
from backfilld_events.ids import Did, Nsid
from backfilld_events.log.file import open_reader
from backfilld_events.projections import listing
from backfilld_events.projections.classes import Class
from backfilld_events.projections.tally import ALL

STATUS = Nsid("xyz.statusphere.status")

Clock = trio.testing.MockClock
Policy = Literal["delete", "hide", "keep"]


def of(lab: Lab, did: Did) -> int:
    return sum(row[0] == did for row in lab.index())


def stands(lab: Lab, did: Did) -> Class:
    with closing(open_reader(lab.folder / "events.db")) as db:
        (one,) = [one for one in listing.page(db, ALL, list(Class), 0, 100) if one.did == did]
        return one.kind


@pytest.mark.parametrize("status", ["deactivated", "takendown"])
@pytest.mark.parametrize("policy", ["delete", "hide", "keep"])
async def test_an_account_that_goes_and_comes_back_has_all_its_records_again(
    tmp_path: Path,
    autojump_clock: Clock,
    status: Literal["deactivated", "takendown"],
    policy: Policy,
) -> None:
    world = World(3, 12, (STATUS,), (2, 5))
    async with SandboxNetwork(world) as network:
        lab = Lab(tmp_path, network)
        index = replace(lab.config.index, account_deactivated=policy, account_takendown=policy)
        lab.config = replace(lab.config, index=index)
        did, other = world.did(4), world.did(5)
        async with lab.living() as (_, desk):
            await lab.until_synced(await lab.start(desk, lexicon(STATUS)))
            before = of(lab, did)
            world.set_status(did, status)
            await trio.sleep(60)
            assert of(lab, did) == (before if policy == "keep" else 0)
            assert stands(lab, did) is Class.GONE
            assert of(lab, other) == len(world.records(5)), "nobody else's are touched"
            world.set_status(did, "active")
            await lab.until(lambda: of(lab, did) == before, 900)
            await lab.until(lambda: stands(lab, did) is Class.SYNCED, 900)
        lab.check_the_index_is_the_truth(STATUS)


async def test_the_records_of_a_deleted_account_are_gone_for_good(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    world = World(3, 12, (STATUS,), (2, 5))
    async with SandboxNetwork(world) as network:
        lab = Lab(tmp_path, network)
        did = world.did(4)
        async with lab.living() as (_, desk):
            await lab.until_synced(await lab.start(desk, lexicon(STATUS)))
            world.set_status(did, "deleted")
            await trio.sleep(600)
            assert stands(lab, did) is Class.GONE, "Tap does not know it either, and that is right"
        assert of(lab, did) == 0
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()
        assert "tap.repos-leaving" not in lab.said(), "nobody tries to get it back"


async def test_what_only_its_server_says_of_an_account_is_believed_when_it_is_fetched(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    """The news of it was lost: Tap was away, and nobody sends it again."""
    world = World(3, 12, (STATUS,), (2, 5))
    async with SandboxNetwork(world) as network:
        lab = Lab(tmp_path, network)
        away, down = world.did(4), world.did(5)
        async with lab.living() as (_, desk):
            await lab.until_synced(await lab.start(desk, lexicon(STATUS)))
            before = of(lab, away)
            world.set_fate(away, "deactivated")
            world.set_fate(down, "takendown")
            await lab.start(desk, StartJob(STATUS, mode="refetch"))
            await lab.until(lambda: of(lab, away) + of(lab, down) == 0, 900)
            await lab.until(lambda: stands(lab, away) is stands(lab, down) is Class.GONE, 900)
            lab.check_the_index_is_the_truth(STATUS)
            world.set_fate(away, "active")
            await trio.sleep(30)
            await lab.start(desk, StartJob(STATUS, mode="refetch", reason="are they back?"))
            await lab.until(lambda: of(lab, away) == before, 7200)
            await lab.until(lambda: stands(lab, away) is Class.SYNCED, 7200)
            await lab.until(lambda: of(lab, down) == 0, 900)
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()


async def test_an_account_that_is_away_is_not_forgotten_with_taps_database(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    world = World(3, 12, (STATUS,), (2, 5))
    async with SandboxNetwork(world) as network:
        lab = Lab(tmp_path, network)
        did = world.did(4)
        async with lab.living() as (journal, desk):
            await lab.until_synced(await lab.start(desk, lexicon(STATUS)))
            before = of(lab, did)
            world.set_status(did, "deactivated")
            await lab.until(lambda: stands(lab, did) is Class.GONE)
            await network.forget_all()
            await lab.until(lambda: journal.state.source.census is not None, 300)
            await lab.until(lambda: journal.state.source.census is None, 3600)
            await trio.sleep(600)
            assert stands(lab, did) is Class.GONE
            assert of(lab, did) == 0, "Tap takes a new one to be active: that is a guess"
            world.set_status(did, "active")
            await lab.until(lambda: of(lab, did) == before, 900)
        lab.check_the_index_is_the_truth(STATUS)
