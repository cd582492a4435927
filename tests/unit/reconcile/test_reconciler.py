"""A comparison that was asked for is carried out to its end, whatever crashes in between; who is in
a sample depends on the seed alone."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from support.given import LIKES, POSTS, did, page, started
from support.servers import REV, Servers
from trio.testing import MockClock
from unit.reconcile.conftest import Side, living

from backfilld.network.opened import Network
from backfilld.reconcile.choosing import drawn, sample
from backfilld.reconcile.index import Some
from backfilld.reconcile.reconciler import AT_ONCE_MAX, BATCH, Ended, TooMany
from backfilld_events.catalog.reconcile import ReconcileAsked, ReconcileEnded, ReposCompared
from backfilld_events.ids import Cid, Did, Nsid, Rkey, pack, unpack, unpack_one
from backfilld_events.row import NewEvent

ONE = Cid("bafyreione")
SOME = [did(n) for n in range(1, 2 * BATCH + 21)]


def records(*rkeys: str) -> dict[Nsid, dict[Rkey, Cid]]:
    return {POSTS: {Rkey(rkey): ONE for rkey in rkeys}}


def asked(dids: list[Did] | None, *, repair: bool = False) -> ReconcileAsked:
    return ReconcileAsked(
        scope="some", collections=[POSTS], method="list", count=None if dids is None else len(dids),
        dids=pack(dids or []), job=None, repair=repair,
    )  # fmt: skip


async def stocked(side: Side, servers: Servers) -> None:
    """All agree but the last, which lacks one."""
    for who in SOME:
        pds = servers.has(who, records("a", "b"), servers.pds(f"pds{int(who[-1] > 'm')}.example"))
        side.holds(who, records("a", "b"))
    pds.records[SOME[-1]] = records("a", "b", "c")
    await side.finds(SOME)


def ended(compared: int, same: int, differing: int, told: int) -> ReconcileEnded:
    """All was read; what differs stands in the event at that position."""
    return ReconcileEnded("", compared, same, differing, {}, [told])


async def until(done: Callable[[], bool]) -> None:
    with trio.fail_after(3600):
        while not done():
            await trio.sleep(0.5)


async def carried_out(side: Side, event: ReconcileAsked) -> list[ReposCompared]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(side.reconciler.run)
        await side.reconciler.ask(event, "uid:1000")
        await until(lambda: not side.journal.state.reconciles)
        nursery.cancel_scope.cancel()
    return [one for one in side.told() if isinstance(one, ReposCompared)]


@pytest.mark.parametrize("dids", [SOME, None], ids=["named", "all"])
async def test_every_repository_is_compared_once_batch_by_batch(
    side: Side, servers: Servers, dids: list[Did] | None, autojump_clock: MockClock
) -> None:
    await stocked(side, servers)
    batches = await carried_out(side, asked(dids))
    assert [one.count for one in batches] == [BATCH, BATCH, 20]
    assert sum(one.records for one in batches) == 2 * (len(SOME) - 1)
    (differing,) = [differing for one in batches for differing in one.differing]
    assert unpack_one(differing.repo) == SOME[-1]
    assert side.told()[-1] == ended(120, 238, 1, told=side.rows()[-2].position)
    assert (side.cleared, side.settled) == ({}, None)


async def test_what_is_to_be_repaired_is_handed_on_before_it_is_in_the_log(
    side: Side, servers: Servers, autojump_clock: MockClock
) -> None:
    await stocked(side, servers)
    await carried_out(side, asked(SOME, repair=True))
    rows = {POSTS: {Rkey("c"): (None, ONE)}}
    assert side.cleared == {SOME[-1]: (REV, rows)}
    assert side.settled == 1, "and once all are handed on, the rest is put in order"


async def test_nothing_to_compare_ends_at_once(side: Side, autojump_clock: MockClock) -> None:
    assert await carried_out(side, asked(None)) == []
    assert side.told()[-1] == ReconcileEnded("", 0, 0, 0, {}, [])
    one = await side.reconciler.ask(asked([]), "uid:1000")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(side.reconciler.run)
        await until(lambda: not side.journal.state.reconciles)
        nursery.cancel_scope.cancel()
    shape = await side.views.comparison(one.id)
    assert shape is not None
    said = "Nothing to compare: none is synced or empty yet (some)"
    assert (shape.sentence, shape.total) == (said, 0)


@pytest.mark.parametrize("dids", [SOME, None], ids=["named", "all"])
async def test_after_a_restart_it_goes_on_where_it_stopped(
    tmp_path: Path,
    network: Network,
    servers: Servers,
    dids: list[Did] | None,
    autojump_clock: MockClock,
) -> None:
    async with living(tmp_path, network) as side:
        await stocked(side, servers)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(side.reconciler.run)
            one = await side.reconciler.ask(asked(dids), "uid:1000")
            await until(lambda: side.journal.state.reconciles[one.id].compared == BATCH)
            nursery.cancel_scope.cancel()
    for pds in servers.hosts.values():
        pds.asked.clear()
    async with living(tmp_path, network) as side:
        assert side.journal.state.reconciles[one.id].compared == BATCH
        async with trio.open_nursery() as nursery:
            nursery.start_soon(side.reconciler.run)
            await until(lambda: not side.journal.state.reconciles)
            nursery.cancel_scope.cancel()
        counts = [one.count for one in side.told() if isinstance(one, ReposCompared)]
    assert counts == [BATCH, BATCH, 20]
    again = sum(pds.asked.count("listRecords") for pds in servers.hosts.values())
    assert 2 * (BATCH + 20) <= again < 2 * (len(SOME) - 1)


async def test_one_that_is_broken_off_ends_and_says_by_whom(
    side: Side, servers: Servers, autojump_clock: MockClock
) -> None:
    await stocked(side, servers)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(side.reconciler.run)
        one = await side.reconciler.ask(asked(SOME), "uid:1000")
        await until(lambda: side.journal.state.reconciles[one.id].compared == BATCH)
        await side.reconciler.break_off(one.id, "uid:7")
        await trio.sleep(600)
        nursery.cancel_scope.cancel()
    assert side.told()[-1] == ReconcileEnded("uid:7 broke it off", BATCH, 2 * BATCH, 0, {}, [])
    with pytest.raises(Ended):
        await side.reconciler.break_off(one.id, "uid:7")
    shape = await side.views.comparison(one.id[:6])
    assert shape is not None
    assert (shape.state, shape.compared) == ("broken_off", BATCH)
    assert shape.sentence.endswith("; not all: uid:7 broke it off")


async def test_there_are_only_so_many_at_once(side: Side, autojump_clock: MockClock) -> None:
    for _ in range(AT_ONCE_MAX):
        await side.reconciler.ask(asked(SOME), "uid:1000")
    with pytest.raises(TooMany):
        await side.reconciler.ask(asked(SOME), "uid:1000")


async def test_one_that_is_broken_off_by_two_at_once_ends_once(
    side: Side, autojump_clock: MockClock
) -> None:
    one, refused = await side.reconciler.ask(asked(SOME), "uid:1000"), list[str]()

    async def break_off(actor: str) -> None:
        try:
            await side.reconciler.break_off(one.id, actor)
        except Ended:
            refused.append(actor)

    async with trio.open_nursery() as nursery:
        for actor in ("uid:7", "uid:8"):
            nursery.start_soon(break_off, actor)
    ends = [event for event in side.told() if isinstance(event, ReconcileEnded)]
    assert (len(ends), len(refused)) == (1, 1)


async def test_of_many_that_ask_at_the_same_moment_no_more_begin(
    side: Side, autojump_clock: MockClock
) -> None:
    refused = list[int]()

    async def ask(number: int) -> None:
        try:
            await side.reconciler.ask(asked(SOME), f"uid:{number}")
        except TooMany:
            refused.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(AT_ONCE_MAX + 3):
            nursery.start_soon(ask, number)
    assert (len(side.journal.state.reconciles), len(refused)) == (AT_ONCE_MAX, 3)


async def test_the_whole_answer_is_one_line(
    side: Side, servers: Servers, autojump_clock: MockClock
) -> None:
    await stocked(side, servers)
    pds = servers.has(SOME[0], records("a", "b"), servers.pds("moody.example"))
    pds.inactive[SOME[0]] = "deactivated"
    del servers.documents[SOME[1]]
    side.forgets(SOME[2], POSTS, "a")
    side.buries(SOME[2], POSTS, "a")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(side.reconciler.run)
        one = await side.reconciler.ask(asked(SOME), "uid:1000")
        running = await side.views.comparison(one.id)
        await until(lambda: not side.journal.state.reconciles)
        nursery.cancel_scope.cancel()
    assert running is not None
    assert (
        running.sentence
        == "0 of 120 repositories compared so far: 0 agree to the record (0 records)"
    )
    shape = await side.views.comparison(one.id)
    assert shape is not None
    news = "its server has a newer commit than we: news may be under way"
    assert shape.sentence == (
        "120 repositories compared with their servers: 116 agree to the record (232 records); "
        f"2 differ: {SOME[2]} -1 +0 ~0 ({news}; 1 dead letter may explain it: backfillctl "
        f"dead-letters ls; backfillctl repo {SOME[2]}), {SOME[-1]} -1 +0 ~0 ({news}; "
        f"backfillctl repo {SOME[-1]}); 1 could not be read (not_found 1); "
        "1 left out: the account is not active"
    )
    assert shape.agreeing + shape.differing + shape.unread == shape.compared == shape.total
    assert await side.views.comparison("nothing") is None


async def test_what_was_found_is_read_in_few_events_however_many_were_compared(
    side: Side,
    servers: Servers,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The lists are bounded, and say that there are more; the numbers are all there are."""
    monkeypatch.setattr("backfilld_events.folds.reconcile.SHOWN_MAX", 30)
    monkeypatch.setattr("backfilld.reconcile.reconciler.BATCH", 20)
    for who in SOME:
        servers.has(who, records("a", "b"))
        side.holds(who, records("a"))
    del servers.documents[SOME[0]]
    told = await carried_out(side, asked(SOME))
    assert len(told) == 6
    (run,) = {row.stream.removeprefix("reconcile/") for row in side.rows() if row.stream[0] == "r"}
    shape = await side.views.comparison(run)
    assert shape is not None
    assert (shape.differing, shape.unread, shape.more) == (119, 1, True)
    assert len({one.did for one in shape.differences}) == 39, "two events"
    assert [one.did for one in shape.unreadable] == [SOME[0]]
    assert "and 116 more" in shape.sentence


async def test_one_that_differed_and_agrees_now_is_named_once(
    side: Side, servers: Servers, autojump_clock: MockClock
) -> None:
    await stocked(side, servers)
    await carried_out(side, asked(None))
    assert await side.views.said_to_differ(SOME, [POSTS]) == [SOME[-1]]
    assert await side.views.said_to_differ(SOME, [LIKES]) == []
    side.holds(SOME[-1], records("c"))
    again = [unpack(one.again) for one in await carried_out(side, asked(None))]
    assert again == [[], [], [], [], [], [SOME[-1]]]
    assert await side.views.said_to_differ(SOME, [POSTS]) == []
    assert unpack((await carried_out(side, asked(None)))[-1].again) == []


async def test_all_is_what_was_found_and_is_settled_with_or_without_rows(
    side: Side, servers: Servers, autojump_clock: MockClock
) -> None:
    """Who has none here may have some there: that is what must be found."""
    job = await side.finds(SOME[:3])
    await side.finds(SOME[2:5], "b", LIKES)
    events = [started(POSTS), replace(page(0, 1, None), dids=pack([SOME[5]]))]
    await side.journal.append([NewEvent("job/c", one, "x") for one in events])  # not handed over

    async def following(nsids: list[Nsid], job: int | None = None) -> list[Did]:
        found: list[Did] = []
        some = Some([], 0, last=False)
        while not some.last:
            some = await side.views.following(nsids, job, some.upto, 2)
            found += some.dids
        assert await side.views.comparable(nsids, job) == len(found)
        return found

    assert await following([POSTS]) == SOME[:3]
    assert await following([LIKES]) == [*SOME[3:5]], "one is held: Tap had it before"
    assert await following([POSTS, LIKES]) == SOME[:5]
    assert await following([Nsid("net.example.none")]) == SOME[:5], "it may be anywhere"
    assert await following([POSTS], job) == SOME[:3]
    servers.has(SOME[0], records("a"))
    (batch,) = await carried_out(side, asked(SOME[:1]))
    assert batch.differing[0].missing == 1


async def test_a_sample_is_the_same_for_the_same_seed_and_log_and_of_the_collection_alone(
    side: Side, autojump_clock: MockClock
) -> None:
    await side.finds(SOME[1::2])
    await side.finds(SOME[::2], "b", LIKES)
    first = await sample(side.views, [POSTS], None, 10, "seed")
    assert (len(first.dids), first.of) == (10, len(SOME) // 2)
    assert set(first.dids) <= set(SOME[1::2])
    assert await sample(side.views, [POSTS], None, 10, "seed") == first
    assert (await sample(side.views, [POSTS], None, 10, "other")).dids != first.dids
    everybody = await sample(side.views, [POSTS, LIKES], None, 1000, "seed")
    assert sorted(everybody.dids) == sorted(SOME)


@given(st.integers(0, 3000), st.integers(1, 3000), st.text("abc"))
def test_a_sample_is_of_different_repositories_and_as_large_as_it_can_be(
    of: int, size: int, seed: str
) -> None:
    ranks = drawn(of, size, seed)
    assert len(ranks) == min(of, size)
    assert ranks == sorted({*ranks})
    assert all(0 <= rank < of for rank in ranks)
    assert ranks == drawn(of, size, seed)


def test_each_has_the_same_chance() -> None:
    hits = Counter(rank for n in range(2000) for rank in drawn(10, 3, f"seed {n}"))
    assert all(500 < hits[rank] < 700 for rank in range(10))


async def test_a_repository_of_several_collections_is_read_piece_by_piece(
    side: Side, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr("backfilld.control.views.base.PIECE", 7)
    side.holds(SOME[90], records("a", "b", "c", "d", "e", "f", "g", "h"))
    held = await side.views.held(SOME[90], [POSTS, LIKES])
    assert (len(held.rows[POSTS]), len(held.rows[LIKES])) == (8, 0)
