"""The whole channel as the daemon runs it: pump, store, ledger, log, on real files and threads."""

import logging
import resource
from contextlib import closing
from pathlib import Path

import structlog
import trio
from msgspec import Struct

from backfilld.clock import system
from backfilld.config.keys import IndexConfig
from backfilld.delivery.inbox import GroupLimits
from backfilld.delivery.ledger import Ledger
from backfilld.delivery.pump import Pump
from backfilld.journal import Journal
from backfilld.records.sqlite import SqliteStore
from backfilld.sources.tap.channel import open_fast
from backfilld.worker import ThreadWorker
from backfilld_events.eventlog import EventLog

from . import channel_frames
from .channel_peer import Pass, Peer

LAG_EVERY_S = 0.01


class Ran(Struct, frozen=True):
    """What a run cost. `lags` are the seconds by which a task that sleeps 10 ms was late."""

    passes: list[Pass]
    cpu_s: float
    lags: list[float]


def cpu_s() -> float:
    """Processor seconds of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def run_whole(peer: Peer, folder: Path) -> Ran:
    """Takes in all the peer sends, into the index and the log of `folder`."""
    # that the peer leaves when all is acked is no news
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with (
        closing(EventLog.open(folder / "events.db")) as log,
        closing(SqliteStore.open(folder / "records.db", 2**20)) as store,
    ):
        return trio.run(_run, peer, log, store)


async def _run(peer: Peer, log: EventLog, store: SqliteStore) -> Ran:
    journal = Journal(log, ThreadWorker(), system)
    worker = ThreadWorker()
    ledger = Ledger(store, worker, journal)
    index = IndexConfig()
    pump = Pump(
        lambda: open_fast(peer.url, ""),
        peer.url,
        store,
        worker,
        journal,
        system,
        lambda: frozenset({channel_frames.COLLECTION}),
        GroupLimits(index.group_max, float(index.group_wait)),
        ledger.wake,
    )
    stop = trio.Event()
    lags: list[float] = []
    async with trio.open_nursery() as lasting:
        await lasting.start(journal.run)
        async with trio.open_nursery() as workers:
            workers.start_soon(ledger.run)
            workers.start_soon(measure_lag, lags)
            before = cpu_s()
            workers.start_soon(pump.run, stop)
            passes = await trio.to_thread.run_sync(peer.passes)
            spent = cpu_s() - before
            stop.set()
            workers.cancel_scope.cancel()
        await ledger.catch_up()
        lasting.cancel_scope.cancel()
    return Ran(passes, spent, lags)


async def measure_lag(lags: list[float]) -> None:
    """Notes by how much each sleep of 10 ms was too long."""
    while True:
        due = trio.current_time() + LAG_EVERY_S
        await trio.sleep_until(due)
        lags.append(trio.current_time() - due)
