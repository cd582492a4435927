"""What waits for the committer is bounded, in order, and not kept longer than it must."""

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from support.given import POSTS, did

from backfilld.deliveries import DeadDelivery, Delivery, RecordDelivery
from backfilld.delivery.group import OVERHEAD_BYTES, size_of
from backfilld.delivery.inbox import WAITING_GROUPS, GroupLimits, Inbox
from backfilld_events.ids import Cid, Rev, Rkey

SMALL, LARGE = 600, 900_000


def record(number: int, size: int = SMALL, *, live: bool = False) -> RecordDelivery:
    return RecordDelivery(
        number, did(1), POSTS, Rkey(f"k{number}"), Rev("3aaaaaaaaaaa2"), Cid("bafyreione"),
        bytes(size), live,
    )  # fmt: skip


def size(deliveries: list[Delivery]) -> int:
    return sum(map(size_of, deliveries))


async def fill(inbox: Inbox, of: int, chunk: int) -> int:
    """Puts in chunks until it has to wait; how many went in."""
    number = 0
    with trio.move_on_after(1):
        while True:
            deliveries: list[Delivery] = [record(number + n, of) for n in range(chunk)]
            await inbox.put(deliveries, size(deliveries))
            number += chunk
    return number


async def test_small_records_are_bounded_by_their_count(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = GroupLimits(1000, 0.05)
    inbox = Inbox(limits)
    assert await fill(inbox, SMALL, 400) <= WAITING_GROUPS * 1000 + 400
    assert inbox.count <= WAITING_GROUPS * 1000 + 400


async def test_large_records_are_bounded_by_their_bytes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = GroupLimits(4000, 0.05)
    inbox = Inbox(limits)
    went_in = await fill(inbox, LARGE, 1)
    assert went_in * LARGE <= WAITING_GROUPS * limits.bytes_max + LARGE
    assert inbox.size <= WAITING_GROUPS * limits.bytes_max + LARGE + OVERHEAD_BYTES
    taken = await inbox.take()
    assert size(taken) <= limits.bytes_max
    assert await fill(inbox, LARGE, 1) > 0, "what was taken made room"


async def test_one_record_larger_than_a_group_goes_by_itself(
    autojump_clock: trio.testing.MockClock,
) -> None:
    inbox = Inbox(GroupLimits(10, 0.05, bytes_max=1000))
    deliveries: list[Delivery] = [record(1, 5), record(2, 5000), record(3, 5)]
    await inbox.put(deliveries, size(deliveries))
    inbox.close()
    groups = [await inbox.take() for _ in range(4)]
    assert [[one.ack for one in group] for group in groups] == [[1], [2], [3], []]
    assert (inbox.count, inbox.size) == (0, 0)


async def test_a_full_group_and_a_live_record_do_not_wait(
    autojump_clock: trio.testing.MockClock,
) -> None:
    inbox = Inbox(GroupLimits(3, 60.0))
    for deliveries in ([record(n) for n in range(3)], [record(3, live=True)]):
        await inbox.put(list(deliveries), 1)
        began = trio.current_time()
        assert await inbox.take() == deliveries
        assert trio.current_time() == began


async def test_the_wait_counts_from_the_first_that_came(
    autojump_clock: trio.testing.MockClock,
) -> None:
    inbox = Inbox(GroupLimits(100, 0.05))
    began = trio.current_time()

    async def trickle() -> None:
        for number in range(10):
            await inbox.put([record(number)], 1)
            await trio.sleep(0.02)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trickle)
        group = await inbox.take()
        assert trio.current_time() - began == pytest.approx(0.05)
        assert [one.ack for one in group] == [0, 1, 2]
        nursery.cancel_scope.cancel()


async def test_a_cancelled_take_loses_nothing(autojump_clock: trio.testing.MockClock) -> None:
    inbox = Inbox(GroupLimits(100, 10.0))
    await inbox.put([record(1)], 1)
    with trio.move_on_after(1):
        await inbox.take()
    assert [one.ack for one in await inbox.take()] == [1]


@given(
    st.lists(st.lists(st.integers(0, 300), max_size=9), max_size=9),
    st.integers(1, 7),
    st.integers(600, 2000),
)
def test_whatever_comes_goes_out_whole_in_order_and_in_bounds(
    chunks: list[list[int]], records_max: int, bytes_max: int
) -> None:
    async def main() -> None:
        inbox = Inbox(GroupLimits(records_max, 0.0, bytes_max))
        sent: list[Delivery] = []
        found: list[Delivery] = []

        async def put() -> None:
            for chunk in chunks:
                deliveries: list[Delivery] = [
                    record(n, n) if n % 2 else DeadDelivery(n, "", bytes(n), None, None, None)
                    for n in chunk
                ]
                sent.extend(deliveries)
                await inbox.put(deliveries, size(deliveries))
            inbox.close()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(put)
            while group := await inbox.take():
                assert len(group) <= records_max
                assert len(group) == 1 or size(group) <= bytes_max
                found += group
        assert found == sent

    trio.run(main)
