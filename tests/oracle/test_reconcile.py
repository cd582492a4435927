"""Rows held against the servers themselves: whatever is not as it is there is found, named and, if
that is asked for, mended: the whole daemon against the sandbox network, in virtual time."""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import trio
import trio.testing
from support.lives import Lab, lexicon

from backfilld.control.covered import Sought
from backfilld.control.shapes.reconcile import ReconcileShape
from backfilld.reconcile.choosing import sample
from backfilld.sandbox.network import SandboxNetwork
from backfilld.sandbox.world import World
from backfilld_events.catalog.reconcile import Method, ReconcileAsked
from backfilld_events.ids import Did, Nsid, pack, pack_one
from backfilld_events.log.file import open_reader
from backfilld_events.projections import listing, repos, targets
from backfilld_events.projections.classes import OPEN
from backfilld_events.projections.finder import Finder
from backfilld_events.projections.listing import Listed

STATUS = Nsid("xyz.statusphere.status")
OTHER = Nsid("xyz.statusphere.profile")
OF = "repo = (SELECT id FROM repo WHERE did = :did)"
FIRST = f"id = (SELECT min(id) FROM record WHERE {OF})"

Clock = trio.testing.MockClock


def spoiled(lab: Lab, did: Did, *statements: str) -> None:
    """By somebody with sqlite3, past all receipts."""
    with closing(sqlite3.connect(lab.folder / "records.db")) as db, db:
        for statement in statements:
            assert db.execute(statement, {"did": did}).rowcount, statement


def added(rkey: str, rev: str) -> str:
    """A row that no server has."""
    return (
        "INSERT INTO record (repo, collection, rkey, rev, cid, body, indexed_at) SELECT repo,"
        f" collection, '{rkey}', {rev}, 'bafyreiadded', body, 1 FROM record WHERE {FIRST}"
    )


SPOILED: dict[str, tuple[str, ...]] = {
    "a row is gone without a trace": (f"DELETE FROM record WHERE {FIRST}",),
    "all of them are": (f"DELETE FROM record WHERE {OF}",),
    "a row is a tombstone": (f"UPDATE record SET cid = NULL, body = NULL WHERE {FIRST}",),
    "a row is of another version": (f"UPDATE record SET cid = 'bafyreiold' WHERE {FIRST}",),
    "and seems to be newer": (
        f"UPDATE record SET cid = 'bafyreiold', rev = '3zzzzzzzzzzz2' WHERE {FIRST}",
    ),
    "a row was added": (added("added", "'3aaaaaaaaaaa2'"),),
    "of the rev of the others": (added("added", "rev"),),
    "of a newer one": (added("added", "'3zzzzzzzzzzz2'"),),
    "all at once": (
        added("old", "'3aaaaaaaaaaa2'"),
        added("new", "'3zzzzzzzzzzz2'"),
        f"DELETE FROM record WHERE {FIRST}",
        f"UPDATE record SET cid = 'bafyreiold' WHERE {FIRST}",
    ),
}


def asked(
    *dids: Did, repair: bool = False, job: int | None = None, collection: Nsid = STATUS
) -> ReconcileAsked:
    """Of these, else of all."""
    method: Method = "list"
    return ReconcileAsked(
        "these", [collection], method, len(dids) if dids else None, pack(dids), job, repair
    )


async def compared(lab: Lab, wanted: ReconcileAsked) -> ReconcileShape:
    one = await lab.door.reconciler.ask(wanted, "uid:1000")
    await lab.until(lambda: one.id not in lab.door.journal.state.reconciles, 3600)
    with closing(lab.views()) as views:
        told = await views.comparison(one.id)
    assert told is not None
    return told


def listed(lab: Lab, did: Did) -> Listed:
    with closing(open_reader(lab.folder / "events.db")) as db:
        (number,) = Finder(db).find([pack_one(did)])
        assert number is not None
        return listing.one(db, number)[0]


async def said_to_differ(lab: Lab) -> list[Did]:
    """In the coverage of the collection."""
    with closing(lab.views()) as views:
        of = await views.of_collection(STATUS)
        assert of is not None
        found, _ = await views.covered(of)
        behind, _ = await views.behind(of, Sought(differing=True), 0, 1000)
        assert found.differing == len(behind)
    return [Did(one.did) for one in behind]


def settled(lab: Lab) -> Callable[[], bool]:
    def nothing_is_open() -> bool:
        with closing(open_reader(lab.folder / "events.db")) as db:
            counter = next(iter(targets.counters(db, [STATUS])))
            return not OPEN.intersection(repos.counts(db, counter))

    return nothing_is_open


@pytest.mark.parametrize("statements", SPOILED.values(), ids=SPOILED.keys())
async def test_rows_that_somebody_spoiled_are_found_named_and_mended(
    tmp_path: Path, autojump_clock: Clock, statements: tuple[str, ...]
) -> None:
    world = World(3, 12, (STATUS,), (2, 4))
    victims = [world.did(n) for n in (4, 7, 11)]
    async with SandboxNetwork(world) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            await lab.until_synced(await lab.start(desk, lexicon(STATUS)))
            for did in victims:
                spoiled(lab, did, *statements)
            told = await compared(lab, asked())
            assert (told.compared, told.differing, told.unread) == (12, 3, 0)
            assert {one.did for one in told.differences} == {*victims}
            assert sorted(await said_to_differ(lab)) == sorted(victims)
            assert "compared with its server" in str(listed(lab, victims[0]).differs)
            assert lab.said().count("tap.repos-leaving") == 0, "nobody asked for it"

            told = await compared(lab, asked(repair=True))
            assert told.differing == 3
            assert told.sentence.endswith("compare once more when it is synced")
            await lab.until(lambda: "tap.repos-returned" in lab.said(), 60)
            await lab.until(settled(lab))
            await trio.sleep(120)
            lab.check_the_index_is_the_truth(STATUS)
            told = await compared(lab, asked())
            assert (told.agreeing, told.differing) == (12, 0)
            assert await said_to_differ(lab) == []
            await trio.sleep(600)
            assert [listed(lab, did).differs for did in victims] == [None] * 3
        assert lab.said().count("tap.repos-leaving") == 1, "once"
        lab.check_the_log()


async def test_who_has_none_here_and_some_there_is_found_and_mended(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    world = World(5, 8, (STATUS,), 1, empty_share=1.0)
    async with SandboxNetwork(world) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            await lab.until_synced(await lab.start(desk, lexicon(STATUS)))
            for _ in range(3):
                world.create(world.did(2), STATUS, heard=False)
            told = await compared(lab, asked(repair=True))
            ((did, missing),) = [(one.did, one.missing) for one in told.differences]
            assert (did, missing, told.agreeing) == (world.did(2), 3, 7)
            await lab.until(lambda: len(lab.index()) == 3, 600)
            await lab.until(settled(lab))
            assert (await compared(lab, asked())).agreeing == 8
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()


async def test_what_came_right_by_itself_differs_no_more(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    world = World(6, 10, (STATUS,), 2)
    async with SandboxNetwork(world) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            await lab.until_synced(await lab.start(desk, lexicon(STATUS)))
            did = world.did(3)
            spoiled(lab, did, f"UPDATE record SET cid = cid || 'x' WHERE {FIRST}")
            assert (await compared(lab, asked(did))).differing == 1
            assert await said_to_differ(lab) == [did]
            world.create(did, STATUS)
            await trio.sleep(60)
            assert await said_to_differ(lab) == [did], "what Tap counts says nothing of versions"
            spoiled(lab, did, f"UPDATE record SET cid = rtrim(cid, 'x') WHERE {FIRST}")
            told = await compared(lab, asked(did))
            assert (told.agreeing, told.records) == (1, 3)
            assert await said_to_differ(lab) == []
        assert "tap.repos-leaving" not in lab.said()


@pytest.mark.parametrize("seed", range(4))
async def test_killed_again_and_again_it_compares_and_mends_all_the_same(
    tmp_path: Path, autojump_clock: Clock, seed: int
) -> None:
    world, chance = World(seed, 60, (STATUS,), (1, 3)), random.Random(seed)
    async with SandboxNetwork(world) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            await lab.until_synced(await lab.start(desk, lexicon(STATUS)))
        for n in chance.sample(range(60), 20):
            spoiled(lab, world.did(n), *chance.choice([*SPOILED.values()]))
        async with lab.living():
            one = await lab.door.reconciler.ask(asked(repair=True), "uid:1000")
        for _ in range(12):
            async with lab.living():
                await trio.sleep(chance.random() * chance.choice([1, 5, 15]))
        async with lab.living():
            await lab.until(lambda: one.id not in lab.door.journal.state.reconciles)
            await lab.until(settled(lab))
            await trio.sleep(120)
            told = await compared(lab, asked())
            assert (told.agreeing, told.differing) == (60, 0)
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()


async def test_servers_that_fail_are_named_and_whatever_tap_could_not_read_is_missing(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    world = World(8, 40, (STATUS,), (2, 3), odd_share=0.3, odd_fates=["undecodable"], hosts=2)
    async with SandboxNetwork(world) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            await lab.until_synced(await lab.start(desk, lexicon(STATUS)))
            world.pds(world.host(0)).fails("pds_500")
            told = await compared(lab, asked())
        down = {world.did(n) for n in range(40) if world.host(n) == world.host(0)}
        assert {one.did for one in told.unreadable} == down
        odd = {world.did(n) for n in range(40) if world.fate(n) == "undecodable"}
        assert {one.did for one in told.differences} == odd - down
        assert all((one.missing, one.dead_letters) == (1, 1) for one in told.differences)
        assert f"{len(down)} could not be read" in told.sentence
        assert "dead letter may explain it" in told.sentence


async def test_a_sample_is_the_same_in_the_next_life(tmp_path: Path, autojump_clock: Clock) -> None:
    world = World(9, 400, (STATUS, OTHER), 1)
    async with SandboxNetwork(world) as network:
        lab = Lab(tmp_path, network, page_size=200, batch_size=100)
        async with lab.living() as (_, desk):
            await lab.until_synced(await lab.start(desk, lexicon(STATUS)))
            first = await sample(lab.door.views, [STATUS], None, 5, "s")
        async with lab.living():
            assert await sample(lab.door.views, [STATUS], None, 5, "s") == first
            told = await compared(lab, asked(*first.dids))
        assert (first.of, told.agreeing) == (400, 5)
