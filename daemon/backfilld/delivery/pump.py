"""Moves what Tap delivers into the index, and only then acks it.

The one rule: commit, then ack. An ack is a delete by number inside Tap, so only ids received on
this connection are acked on it; whatever was not, dies with the connection and comes again.
Conflicts are `records.rules`' business, the log's account is `ledger`'s.

Three tasks of a session work at once: while one group is committed, the next is read and decoded
and the acks of the one before are sent. What waits between them is bounded (`inbox`; two groups'
acks).
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
from .group import OVERHEAD_BYTES, group, holds_up
from .inbox import GroupLimits, Inbox

RECONNECT_S_FIRST, RECONNECT_S_MAX = 0.5, 30.0
QUIET_S = 30.0  # Tap sends no pings: after so long without a frame we ask whether it is there
PONG_S = 20.0
ACKS_WAITING = 1  # groups whose acks wait for those of the one before to be sent
ACKS_AT_ONCE = 1000  # of a group: whoever else waits for the loop gets its turn in between
# Records of a backfill come one by one as Tap makes them, and a read costs what ten records do, on
# processors that Tap needs too; so after a small read we let some gather.
GATHER_S, GATHER_BYTES = 0.005, 64 * 2**10
SETTLED_S = 60.0  # a session that lasted so long was a good one: the next failure is a first one
DRAIN_S_MAX = 15.0  # at a stop: to commit and ack what has been received

Open = Callable[[], AbstractAsyncContextManager[Channel]]
"""Opens the channel; raises Failure when it cannot."""


_Acks = list[int | None]
"""The numbers of a group that is committed; None: a message that had none that could be read."""


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
        self.frame_at: float | None = None  # unix seconds

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
        self.unacked = 0
        inbox = Inbox(self._limits)
        send, receive = trio.open_memory_channel[_Acks](ACKS_WAITING)
        async with trio.open_nursery() as nursery:
            reading = trio.CancelScope()
            nursery.start_soon(self._read, channel, inbox, reading)
            nursery.start_soon(self._commit_all, inbox, send)
            nursery.start_soon(self._end, stop, reading, nursery.cancel_scope)
            await self._ack_all(channel, receive)
            nursery.cancel_scope.cancel()

    async def _end(
        self, stop: trio.Event, reading: trio.CancelScope, session: trio.CancelScope
    ) -> None:
        await stop.wait()
        reading.cancel()  # the reader closes the inbox, the others finish what is in between
        session.deadline = trio.current_time() + DRAIN_S_MAX

    async def _read(self, channel: Channel, inbox: Inbox, reading: trio.CancelScope) -> None:
        try:
            with reading:
                while True:
                    received: list[bytes] = []
                    with trio.move_on_after(QUIET_S) as quiet:
                        received = await channel.receive()
                    if quiet.cancelled_caught:
                        await channel.check_alive(PONG_S)
                    elif received:
                        self.unacked, self.frame_at = self.unacked + len(received), self._clock()
                        size = sum(map(len, received)) + OVERHEAD_BYTES * len(received)
                        deliveries = frames.decode_all(received)
                        await inbox.put(deliveries, size)
                        if size < GATHER_BYTES and not holds_up(deliveries):
                            await trio.sleep(GATHER_S)
        finally:
            inbox.close()

    async def _commit_all(self, inbox: Inbox, committed: trio.MemorySendChannel[_Acks]) -> None:
        with committed:
            while acks := await self._commit(await inbox.take()):
                await committed.send(acks)

    async def _commit(self, deliveries: list[Delivery]) -> _Acks:
        if deliveries:
            now = round(self._clock() * 1e6)
            await self._worker(self._store.commit, group(deliveries, self._wanted()), now)
            self._on_commit()
        return [one.ack for one in deliveries]

    async def _ack_all(self, channel: Channel, committed: trio.MemoryReceiveChannel[_Acks]) -> None:
        async for acks in committed:
            for at in range(0, len(acks), ACKS_AT_ONCE):
                some = acks[at : at + ACKS_AT_ONCE]
                await channel.send([frames.ack(number) for number in some if number is not None])
                self.unacked -= len(some)

    async def _note(self, event: SourceEvent) -> None:
        await self._journal.append([NewEvent("tap", event, "system")])
