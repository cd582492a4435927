"""Commit, then ack: whatever is cancelled, whenever."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import trio
import trio.testing
from support.given import LIKES, POSTS, did

from backfilld.delivery.inbox import GROUP_BYTES_MAX, WAITING_GROUPS, GroupLimits
from backfilld.delivery.pump import ACKS_WAITING, Pump
from backfilld.failures import Failure
from backfilld.journal import Journal
from backfilld.records.sqlite import SqliteStore
from backfilld.worker import InlineWorker
from backfilld_events.catalog.source import TapConnected, TapDisconnected
from backfilld_events.eventlog import EventLog
from backfilld_events.log import read
from backfilld_events.log.file import open_reader


def frame(number: int, *, live: bool = False, collection: str = POSTS, pad: int = 0) -> bytes:
    record = {
        "live": live, "did": did(number % 5), "rev": "3n32whm55fc2n", "collection": collection,
        "rkey": f"k{number}", "action": "create", "record": {"n": number, "pad": "x" * pad},
        "cid": "bafyreione",
    }  # fmt: skip
    return json.dumps({"id": number, "type": "record", "record": record}).encode()


class FakeChannel:
    """Delivers frames as told; notes acks, and what was committed when each was sent."""

    def __init__(self, folder: Path) -> None:
        self.frames: list[list[bytes]] = []
        self.acked: list[int] = []
        self.early: list[int] = []
        self.broken = False
        self._folder = folder

    async def receive(self) -> list[bytes]:
        await trio.lowlevel.checkpoint()
        if self.frames:
            return self.frames.pop(0)
        if self.broken:
            raise Failure("cut", "Tap closed the channel")
        await trio.sleep_forever()
        raise AssertionError

    async def send(self, messages: Sequence[bytes]) -> None:
        with closing(open_reader(self._folder / "records.db")) as db:
            there = {rkey for (rkey,) in db.execute("SELECT rkey FROM records_text")}
        ids = [json.loads(message)["id"] for message in messages]
        self.early += [number for number in ids if f"k{number}" not in there]
        await trio.lowlevel.checkpoint()
        self.acked += ids

    async def check_alive(self, seconds: float) -> None:
        raise Failure("timeout", f"no sign of life for {seconds:.0f} s")


class Lab:
    """A pump over fake channels; each `open` takes the next."""

    def __init__(self, folder: Path, channels: list[FakeChannel], records_max: int = 100) -> None:
        self.folder, self.channels = folder, list(channels)
        self.log = EventLog.open(folder / "events.db")
        self.store = SqliteStore.open(folder / "records.db", 100)
        self.journal = Journal(self.log, InlineWorker(), lambda: 1.8e9)
        self.stop = trio.Event()
        self.pump = Pump(
            self.open, "http://tap", self.store, InlineWorker(), self.journal, lambda: 1.8e9,
            lambda: {POSTS}, GroupLimits(records_max, 0.05),
        )  # fmt: skip

    @asynccontextmanager
    async def open(self) -> AsyncIterator[FakeChannel]:
        if not self.channels:
            raise Failure("unreachable", "connection refused")
        yield self.channels.pop(0)

    async def run(self, seconds: float) -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(self.journal.run)
            nursery.start_soon(self.pump.run, self.stop)
            await trio.sleep(seconds)
            nursery.cancel_scope.cancel()
        self.log.close()
        self.store.close()

    def rows(self) -> int:
        with closing(open_reader(self.folder / "records.db")) as db:
            return int(db.execute("SELECT count(*) FROM records_text").fetchone()[0])


async def test_every_ack_comes_after_its_commit(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    channel = FakeChannel(tmp_path)
    channel.frames = [[frame(n) for n in range(first, first + 30)] for first in range(0, 300, 30)]
    await Lab(tmp_path, [channel], records_max=40).run(5)
    assert channel.acked == list(range(300))
    assert channel.early == []


async def test_what_was_not_acked_dies_with_its_connection(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    first, second = FakeChannel(tmp_path), FakeChannel(tmp_path)
    first.frames, first.broken = [[frame(n) for n in range(10)]], True
    second.frames = [[frame(n + 100) for n in range(10)]]
    await Lab(tmp_path, [first, second]).run(30)
    assert set(first.acked) <= set(range(10))
    assert set(second.acked) == set(range(100, 110))


async def test_a_live_event_is_not_kept_waiting(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    channel = FakeChannel(tmp_path)
    channel.frames = [[frame(1, live=True)]]
    await Lab(tmp_path, [channel]).run(0.01)
    assert channel.acked == [1]


async def test_historical_records_wait_a_moment_for_company(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    channel = FakeChannel(tmp_path)
    channel.frames = [[frame(n)] for n in range(5)]
    lab = Lab(tmp_path, [channel])
    await lab.run(1)
    with closing(open_reader(tmp_path / "records.db")) as db:
        assert db.execute("SELECT count(*) FROM receipt").fetchone() == (1,)


async def test_records_nobody_asked_for_are_acked_and_not_kept(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    channel = FakeChannel(tmp_path)
    channel.frames = [[frame(1, collection=LIKES), b"not JSON", b'{"id":7,"type":"news"}']]
    lab = Lab(tmp_path, [channel])
    await lab.run(1)
    assert channel.acked == [1, 7]
    assert lab.rows() == 0


async def test_a_stop_commits_and_acks_what_was_received(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    channel = FakeChannel(tmp_path)
    channel.frames = [[frame(n) for n in range(50)]]
    lab = Lab(tmp_path, [channel])

    async def stop_soon() -> None:
        await trio.sleep(0.01)  # received, and waiting for company
        lab.stop.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stop_soon)
        nursery.start_soon(lab.run, 1)
    assert channel.acked == list(range(50))


async def test_a_silent_tap_is_given_up_and_the_log_says_so_once(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    await Lab(tmp_path, [FakeChannel(tmp_path)]).run(600)
    events = [row.event for row in read.rows(open_reader(tmp_path / "events.db"))]
    assert [type(event) for event in events] == [TapConnected, TapDisconnected]
    assert isinstance(events[1], TapDisconnected)
    assert "no sign of life" in events[1].message


class StuckChannel(FakeChannel):
    """Gives frames without end, and takes no acks: a Tap that does not read."""

    def __init__(self, folder: Path, pad: int, chunk: int) -> None:
        super().__init__(folder)
        self.given, self._pad, self._chunk = 0, pad, chunk

    async def receive(self) -> list[bytes]:
        await trio.lowlevel.checkpoint()
        first = self.given
        self.given += self._chunk
        return [frame(n, pad=self._pad) for n in range(first, self.given)]

    async def send(self, messages: Sequence[bytes]) -> None:
        await trio.sleep_forever()


@pytest.mark.parametrize(("pad", "chunk"), [(400, 40), (900_000, 1)])
async def test_a_tap_that_takes_no_acks_is_read_no_further_than_the_bounds(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, pad: int, chunk: int
) -> None:
    """By count for small records, by bytes for large ones; acks wait for no more than two groups,
    or what is committed and not acked would grow without end."""
    channel = StuckChannel(tmp_path, pad, chunk)
    lab = Lab(tmp_path, [channel], records_max=100)
    await lab.run(5)
    groups = WAITING_GROUPS + 1 + 1 + ACKS_WAITING + 1  # in the inbox, in work, waiting, in hand
    per_group = min(100, GROUP_BYTES_MAX // (pad + 500))
    assert 0 < channel.given <= groups * per_group + 2 * chunk
    assert channel.acked == []


async def test_reading_and_committing_go_on_while_acks_are_sent(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    channel = FakeChannel(tmp_path)
    channel.frames = [[frame(n) for n in range(first, first + 10)] for first in range(0, 20, 10)]
    sending = trio.Event()

    async def slow_send(messages: Sequence[bytes]) -> None:
        sending.set()
        await trio.sleep(1)

    channel.send = slow_send  # type: ignore[method-assign]
    lab = Lab(tmp_path, [channel], records_max=10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lab.run, 5)
        await sending.wait()
        await trio.sleep(0.5)  # the acks of the first group are still on their way
        assert lab.rows() == 20


class CancelAt(trio.abc.Instrument):
    """Cancels a scope after the n-th step of any task."""

    def __init__(self, scope: trio.CancelScope, n: int) -> None:
        self._scope, self._left = scope, n

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self._left -= 1
        if self._left == 0:
            self._scope.cancel()


@pytest.mark.parametrize("live", [False, True])
def test_cancelled_at_any_step_nothing_is_acked_that_is_not_committed(
    tmp_path: Path, live: bool
) -> None:
    steps, finished = 0, False
    while not finished:
        steps += 1
        folder = tmp_path / str(steps)
        folder.mkdir()
        channel = FakeChannel(folder)
        channel.frames = [[frame(n, live=live) for n in range(i, i + 3)] for i in range(0, 9, 3)]

        async def one_run(
            channel: FakeChannel = channel, folder: Path = folder, steps: int = steps
        ) -> bool:
            lab = Lab(folder, [channel])
            with trio.CancelScope() as scope:
                instrument = CancelAt(scope, steps)
                trio.lowlevel.add_instrument(instrument)
                try:
                    await lab.run(1)
                finally:
                    trio.lowlevel.remove_instrument(instrument)
            if scope.cancelled_caught:
                lab.log.close()
                lab.store.close()
            return not scope.cancelled_caught

        finished = trio.run(one_run, clock=trio.testing.MockClock(autojump_threshold=0))
        assert channel.early == [], f"cancelled after {steps} steps"
    assert steps > 20
    assert sorted(channel.acked) == list(range(9))
