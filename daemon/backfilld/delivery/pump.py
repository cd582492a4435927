"""Moves what Tap delivers into the index, and only then acks it.

The one rule: commit, then ack. An ack is a delete by number inside Tap, so only ids received on
this connection are acked on it; whatever was not, dies with the connection and comes again.
Conflicts are `records.rules`' business, the log's account is `ledger`'s.
"""

from collections.abc import Callable, Container
from contextlib import AbstractAsyncContextManager

import structlog
import trio

from backfilld_events.catalog.source import SourceEvent, TapConnected, TapDisconnected
from backfilld_events.ids import Nsid
from backfilld_events.row import NewEvent

from ..asking import leaves
from ..clock import Clock
from ..deliveries import Delivery
from ..failures import Failure
from ..journal import Journal
from ..records.store import RecordStore
from ..sources.tap import frames
from ..sources.tap.channel import Channel
from ..worker import Worker
from .group import bytes_of, group, holds_up

RECONNECT_S_FIRST, RECONNECT_S_MAX = 0.5, 30.0
QUIET_S = 30.0  # Tap sends no pings: after so long without a frame we ask whether it is there
PONG_S = 20.0
READ_AHEAD_CHUNKS = 4  # decoded and waiting for the committer; a chunk is one read of the socket
GROUP_BYTES_MAX = 32 * 2**20  # of bodies; a group grows no further, however long it may wait
SETTLED_S = 60.0  # a session that lasted so long was a good one: the next failure is a first one
DRAIN_S_MAX = 15.0  # at a stop: to commit and ack what has been received

Open = Callable[[], AbstractAsyncContextManager[Channel]]
"""Opens the channel; raises Failure when it cannot."""


class GroupLimits:
    """How many deliveries a commit takes at most, and how long the first may wait for others."""

    def __init__(self, records_max: int, wait_s: float) -> None:
        self.records_max, self.wait_s = records_max, wait_s


class Pump:
    """Serves one channel at a time, and opens it again whenever it ends."""

    def __init__(
        self,
        open_channel: Open,
        url: str,
        store: RecordStore,
        worker: Worker,
        journal: Journal,
        clock: Clock,
        wanted: Callable[[], Container[Nsid]],
        limits: GroupLimits,
        on_commit: Callable[[], None] = lambda: None,
    ) -> None:
        self._open, self._url = open_channel, url
        self._store, self._worker = store, worker
        self._journal, self._clock, self._wanted = journal, clock, wanted
        self._limits, self._on_commit = limits, on_commit
        self._log = structlog.get_logger("pump")
        self.unacked = 0

    async def run(self, stop: trio.Event) -> None:
        """Runs until `stop`; then commits and acks what was received, and returns."""
        failures = 0
        while not stop.is_set():
            began = trio.current_time()
            try:
                await self._connect(stop)
            except* Failure as group_of_failures:
                failure = next(one for one in leaves(group_of_failures) if isinstance(one, Failure))
                failures = 1 if trio.current_time() - began > SETTLED_S else failures + 1
                self._log.warning("channel ended", kind=failure.kind, reason=failure.message)
                if self._journal.state.source.connected or failures == 1:
                    await self._note(
                        TapDisconnected(url=self._url, kind=failure.kind, message=failure.message)
                    )
            if not stop.is_set():
                wait = min(RECONNECT_S_FIRST * 2.0 ** min(failures, 10), RECONNECT_S_MAX)
                with trio.move_on_after(wait):
                    await stop.wait()

    async def _connect(self, stop: trio.Event) -> None:
        """One channel, from its opening to its end; a stop breaks the opening off."""
        async with trio.open_nursery() as nursery:
            opened = trio.Event()

            async def break_off() -> None:
                await stop.wait()
                if not opened.is_set():
                    nursery.cancel_scope.cancel()

            nursery.start_soon(break_off)
            async with self._open() as channel:
                opened.set()
                await self._note(TapConnected(url=self._url))
                await self._session(channel, stop)
            nursery.cancel_scope.cancel()

    async def _session(self, channel: Channel, stop: trio.Event) -> None:
        send, receive = trio.open_memory_channel[list[Delivery]](READ_AHEAD_CHUNKS)
        async with trio.open_nursery() as nursery:
            reading = trio.CancelScope()
            nursery.start_soon(self._read, channel, send, reading)
            nursery.start_soon(self._end, stop, reading, nursery.cancel_scope)
            await self._commit_all(channel, receive)
            nursery.cancel_scope.cancel()

    async def _end(
        self, stop: trio.Event, reading: trio.CancelScope, session: trio.CancelScope
    ) -> None:
        await stop.wait()
        reading.cancel()  # the reader closes its end, the committer finishes what is in between
        session.deadline = trio.current_time() + DRAIN_S_MAX

    async def _read(
        self,
        channel: Channel,
        send: trio.MemorySendChannel[list[Delivery]],
        reading: trio.CancelScope,
    ) -> None:
        with send, reading:
            while True:
                received: list[bytes] = []
                with trio.move_on_after(QUIET_S) as quiet:
                    received = await channel.receive()
                if quiet.cancelled_caught:
                    await channel.check_alive(PONG_S)
                elif received:
                    self.unacked += len(received)
                    await send.send([frames.decode(frame) for frame in received])

    async def _commit_all(
        self, channel: Channel, receive: trio.MemoryReceiveChannel[list[Delivery]]
    ) -> None:
        self.unacked = 0
        async for chunk in receive:
            deliveries = list(chunk)
            await self._gather(deliveries, receive)
            for at in range(0, len(deliveries), self._limits.records_max):
                await self._commit(channel, deliveries[at : at + self._limits.records_max])

    async def _gather(
        self, deliveries: list[Delivery], receive: trio.MemoryReceiveChannel[list[Delivery]]
    ) -> None:
        """Adds what comes within the group's wait, unless its repository is held up by it."""
        with trio.move_on_after(self._limits.wait_s):
            while (
                len(deliveries) < self._limits.records_max
                and not holds_up(deliveries)
                and bytes_of(deliveries) < GROUP_BYTES_MAX
            ):
                try:
                    deliveries += await receive.receive()
                except trio.EndOfChannel:
                    return

    async def _commit(self, channel: Channel, deliveries: list[Delivery]) -> None:
        now = round(self._clock() * 1e6)
        sorted_out = group(deliveries, self._wanted())
        await self._worker(self._store.commit, sorted_out, now)
        self._on_commit()
        await channel.send(
            [frames.ack(delivery.ack) for delivery in deliveries if delivery.ack is not None]
        )
        self.unacked -= len(deliveries)

    async def _note(self, event: SourceEvent) -> None:
        await self._journal.append([NewEvent("tap", event, "system")])
