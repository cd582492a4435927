"""The whole channel at full speed: from Tap's socket to SQLite to the ack, beside stock clients."""

import tempfile
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from statistics import median, quantiles

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

from backfilld.clock import system
from backfilld.deliveries import Delivery
from backfilld.delivery.group import group
from backfilld.records.sqlite import SqliteStore
from backfilld.sources.tap import frames

from .. import channel_frames
from ..channel_peer import Pass, Peer, Spec, started
from ..channel_whole import Ran, cpu_s, run_whole
from ..result import Line

ABOUT = "records a second from the socket to SQLite (fsync) to the ack, 600-byte frames"

RECORDS = 500_000
RIVAL_RECORDS, RIVAL_GROUP = 60_000, 100
LONE_RECORDS = 3_000


def run(*, quick: bool) -> tuple[list[Line], list[str]]:
    """Ours new and delivered again; a trio-websocket client in groups, and one by one."""
    share = 10 if quick else 1
    ours = _measured(Spec(records=RECORDS // share, passes=2), run_whole)
    grouped = _measured(Spec(records=RIVAL_RECORDS // share), _stock(RIVAL_GROUP))
    lone = _measured(Spec(records=LONE_RECORDS // share), _stock(1))
    count = RECORDS // share
    new, again = (count / one.seconds for one in ours.passes)
    rival = RIVAL_RECORDS // share / grouped.passes[0].seconds
    alone = LONE_RECORDS // share / lone.passes[0].seconds
    late = quantiles(ours.lags, n=100)
    return [
        Line(
            what="new records", figure=new, unit="/s",
            rival=f"trio-websocket, commits of up to {RIVAL_GROUP}, same store",
            rival_figure=rival, goal=">= 6 x", met=new >= 6 * rival,
        ),
        Line(what="new records", figure=new, unit="/s", goal=">= 70,000", met=new >= 70_000),
        Line(
            what="new records", figure=new, unit="/s",
            rival="trio-websocket, a commit each, same store", rival_figure=alone,
        ),
        Line(
            what="delivered again", figure=again, unit="/s",
            rival="new records", rival_figure=new, goal=">= 2 x", met=again >= 2 * new,
        ),
        Line(
            what="processor time a record", figure=ours.cpu_s / (2 * count) * 1e6, unit="us",
            rival="trio-websocket",
            rival_figure=grouped.cpu_s / (RIVAL_RECORDS // share) * 1e6,
        ),
        Line(what="loop late, median", figure=median(ours.lags) * 1e3, unit="ms"),
        Line(what="loop late, p99", figure=late[98] * 1e3, unit="ms"),
    ], [
        "new: pump, fast channel, index, ledger and log on real files, synchronous=FULL; from the",
        "first frame sent to the last ack received, both at the server; each id acked once.",
        "loop late: how late a task wakes that sleeps 10 ms on the same loop all the while.",
    ]  # fmt: skip


def _measured(spec: Spec, consume: Callable[[Peer, Path], Ran]) -> Ran:
    with tempfile.TemporaryDirectory(prefix="backfilld-bench-") as folder, started(spec) as peer:
        return consume(peer, Path(folder))


def _stock(group_max: int) -> Callable[[Peer, Path], Ran]:
    """A plain consumer: trio-websocket's messages, groups of what is there, an ack a message."""

    def consume(peer: Peer, folder: Path) -> Ran:
        with closing(SqliteStore.open(folder / "records.db", 2**20)) as store:
            return trio.run(_consume, peer, store, group_max)

    return consume


async def _consume(peer: Peer, store: SqliteStore, group_max: int) -> Ran:
    send, receive = trio.open_memory_channel[Delivery](group_max)
    passes: list[Pass] = []
    before = cpu_s()
    async with (
        trio.open_nursery() as nursery,
        open_websocket_url(
            f"ws{peer.url.removeprefix('http')}/channel", message_queue_size=group_max
        ) as socket,
    ):
        nursery.start_soon(_read, socket, send)
        nursery.start_soon(_serve, socket, receive, store, group_max)
        passes = await trio.to_thread.run_sync(peer.passes)
        spent = cpu_s() - before
        nursery.cancel_scope.cancel()
    return Ran(passes, spent, [0.0, 0.0])


async def _read(socket: WebSocketConnection, send: trio.MemorySendChannel[Delivery]) -> None:
    try:
        while True:
            message = await socket.get_message()
            await send.send(frames.decode(str(message).encode()))
    except ConnectionClosed:
        pass


async def _serve(
    socket: WebSocketConnection,
    receive: trio.MemoryReceiveChannel[Delivery],
    store: SqliteStore,
    group_max: int,
) -> None:
    acked: Callable[[str], Awaitable[None]] = socket.send_message
    async for first in receive:
        deliveries = [first]
        try:
            while len(deliveries) < group_max:
                deliveries.append(receive.receive_nowait())
        except trio.WouldBlock:
            pass
        sorted_out = group(deliveries, {channel_frames.COLLECTION})
        await trio.to_thread.run_sync(store.commit, sorted_out, round(system() * 1e6))
        try:
            for one in deliveries:
                await acked(frames.ack(one.ack or 0).decode())
        except ConnectionClosed:
            return
