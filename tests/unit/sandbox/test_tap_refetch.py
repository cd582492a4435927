"""What Tap does when repositories are taken out and put back, forgotten or half filtered."""

from collections import Counter

import pytest
import trio
from ports.peers import Ended, Event
from support.tap_bench import LIKE, STATUS, Bench, bench, plain, read, shown

from backfilld.sandbox.tap import TapSettings
from backfilld.sandbox.world import World

LONG = 361  # records: three batches and a rest


def paths(events: list[Event]) -> Counter[str]:
    return Counter(event.path for event in events if event.kind == "record")


async def add_again(tap: Bench, did: str) -> None:
    await tap.post("/repos/remove", [did])
    await tap.post("/repos/add", [did])


async def test_a_repository_removed_and_added_in_its_fetch_is_passed_over_twice(
    autojump_clock: object,
) -> None:
    """The first pass goes on; the second skips what the first has written meanwhile."""
    world = plain(repos=1, records=LONG)
    async with bench(world, TapSettings(batch_s=1)) as tap:
        (did,) = await tap.add(0)
        await trio.sleep(3.5)
        assert (await tap.info(did))["state"] == "resyncing"
        await add_again(tap, did)
        assert (await tap.info(did))["records"] == 0
        events = await tap.drained(30)
        info = await tap.info(did)
    came = paths(events)
    assert len(came) == LONG
    assert LONG < came.total() < 2 * LONG
    assert [event.kind for event in events].count("identity") == 2
    assert (info["state"], info["records"]) == ("active", LONG)


async def test_a_first_pass_that_ends_makes_the_row_active_under_the_second(
    autojump_clock: object,
) -> None:
    """So active is no proof that all was sent: with its workers busy, the rest never comes."""
    world = plain(repos=9, records=LONG)
    async with bench(world, TapSettings(batch_s=1, resync_parallelism=1)) as tap:
        (did,) = await tap.add(0)
        await trio.sleep(3.5)
        await add_again(tap, did)
        assert (await tap.info(did))["state"] == "pending"
        events = await tap.drained(300)
        info = await tap.info(did)
        assert info["state"] == "active"
        assert 0 < int(str(info["records"])) < LONG
        assert len(paths(events)) == LONG
        await add_again(tap, did)  # not while it is being fetched
        assert len(paths(await tap.drained(30))) == LONG
        assert (await tap.info(did))["records"] == LONG


async def test_a_repository_removed_in_its_fetch_is_sent_whole_and_unknown(
    autojump_clock: object,
) -> None:
    world = plain(repos=1, records=LONG)
    async with bench(world, TapSettings(batch_s=1)) as tap:
        (did,) = await tap.add(0)
        await trio.sleep(2.5)
        await tap.post("/repos/remove", [did])
        assert paths(await tap.drained(30)).total() == LONG
        assert await tap.info(did) == {"state": "unknown"}


async def test_records_deleted_while_it_was_out_get_no_delete(autojump_clock: object) -> None:
    world = plain(records=4)
    one, keys = world.did(0), [record.rkey for record in world.records(0)]
    async with bench(world) as tap:
        (did,) = await tap.add(0)
        await tap.drained()
        await tap.post("/repos/remove", [did])
        world.delete(one, STATUS, keys[1])
        await tap.post("/repos/add", [did])
        events = await tap.drained()
        assert shown(events) == [
            ("active",),
            *[("create", key, False) for key in (keys[0], keys[2], keys[3])],
        ]
        assert (await tap.info(did))["records"] == 3


async def test_a_delete_in_a_gap_leaves_the_count_of_records_too_high_for_ever(
    autojump_clock: object,
) -> None:
    world = plain(records=4)
    one, keys = world.did(0), [record.rkey for record in world.records(0)]
    async with bench(world) as tap:
        (did,) = await tap.add(0)
        await tap.drained()
        world.delete(one, STATUS, keys[0], heard=False)
        world.create(one, STATUS, "zz")  # does not fit what Tap knows: it fetches anew
        assert shown(await tap.drained(5)) == [("create", "zz", False)]
        await tap.network.restart_tap()
        assert (await tap.info(did))["records"] == 5
        await add_again(tap, did)
        await trio.sleep(3)
        assert (await tap.info(did))["records"] == len(world.records(0)) == 4


async def test_of_a_removal_that_fails_in_the_middle_the_first_ones_are_out(
    autojump_clock: object,
) -> None:
    async with bench(plain()) as tap:
        dids = await tap.add(0, 1, 2)
        await trio.sleep(2)
        tap.network.disk.locked.add(dids[1])
        assert (await tap.post("/repos/remove", dids)).status_code == 500
        assert await tap.states() == ["unknown", "active", "active"]


async def test_a_restart_with_a_wider_filter_sends_the_rest_only_after_a_refetch(
    autojump_clock: object,
) -> None:
    world = World(5, 2, (STATUS, LIKE), 2)
    async with bench(world) as tap:
        await tap.network.restart_tap(filters=[STATUS])
        (did,) = await tap.add(1)
        assert len(paths(await tap.drained(11))) == 2
        await tap.network.restart_tap(filters=[STATUS, LIKE])
        assert await tap.drained(300) == []
        assert (await tap.info(did))["records"] == 2
        await add_again(tap, did)
        assert len(paths(await tap.drained())) == 4
        assert (await tap.info(did))["records"] == 4


async def test_who_forgot_everything_sends_everything_when_it_is_told_again(
    autojump_clock: object,
) -> None:
    async with bench(plain()) as tap:
        await tap.add(0, 1, 2)
        first = await tap.drained()
        await tap.network.forget_all()
        assert await tap.states() == ["unknown"] * 3
        assert await tap.drained() == []
        await tap.add(0, 1, 2)
        again = await tap.drained()
        assert paths(again) == paths(first)
        assert {event.number for event in again} == {event.number for event in first}


@pytest.mark.parametrize("status", ["deactivated", "takendown", "suspended", "deleted"])
async def test_an_account_that_comes_back_is_fetched_at_its_next_try_and_not_before(
    autojump_clock: object, status: str
) -> None:
    world = plain()
    async with bench(world) as tap:
        world.set_status(world.did(0), status)  # type: ignore[arg-type]
        await trio.sleep(1)  # nobody whom it follows, so it is not told
        (did,) = await tap.add(0)
        await trio.sleep(30)
        world.set_status(world.did(0), "active")
        await tap.post("/repos/add", [did])
        await trio.sleep(25)
        assert (await tap.info(did))["state"] == "error"
        await trio.sleep(70)
        assert (await tap.info(did))["state"] == "active"


# --- the channel ------------------------------------------------------------------------------


async def test_after_a_reconnect_it_is_quiet_for_one_to_two_retry_timeouts(
    autojump_clock: object,
) -> None:
    """What sat in the socket's buffers is lost until then; nothing of it is lost for good."""
    world = plain(repos=1, records=2000)
    async with bench(world, TapSettings(socket_bytes=2**20)) as tap:
        await tap.add(0)
        await trio.sleep(3)  # all of it waits in the outbox, and goes into the socket at once
        async with tap.channel() as channel:
            await channel.event()
        start = trio.current_time()
        async with tap.channel() as channel:
            assert len(await read(channel, 50)) < 200
            events = await read(channel, 130)
        assert 60 < trio.current_time() - 130 - start < 120
        assert len(events) > 1800


async def test_with_nobody_reading_every_event_is_queued_again_at_every_timeout(
    autojump_clock: object,
) -> None:
    async with bench(plain(repos=1, records=499), TapSettings(retry_timeout_s=2)) as tap:
        await tap.add(0)
        await trio.sleep(9)
        events = await tap.drained(1, acked=False)
    assert len({event.number for event in events}) == 500
    assert len(events) >= 2000


async def test_a_channel_may_be_up_and_say_nothing_or_be_cut(autojump_clock: object) -> None:
    async with bench(plain()) as tap:
        life = tap.network.tap
        assert life is not None
        life.hush(True)
        await tap.add(0)
        async with tap.channel() as channel:
            assert await read(channel, 300) == []
            life.hush(False)
            assert {event.number for event in await read(channel)} == {1, 2, 3}
            life.cut_channels()
            with pytest.raises(Ended):
                await channel.event()
        assert (await tap.http.get("/health")).status_code == 200
