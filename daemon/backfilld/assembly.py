"""Makes the parts of one life of the daemon, each with what it needs and nothing else."""

import random
from collections.abc import Awaitable, Callable, Container, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import NamedTuple

import httpx
import trio
from msgspec.structs import replace

from backfilld_events.catalog.source import Differing, ReposDiffer
from backfilld_events.eventlog import EventLog
from backfilld_events.folds.child import Child
from backfilld_events.folds.reconcile import Reconcile
from backfilld_events.ids import Did, Nsid, pack_one
from backfilld_events.row import NewEvent

from .backfill.asking_tap import TapAsker
from .backfill.desk import Desk
from .backfill.mender import Mender
from .backfill.observer import Observer
from .backfill.outings import Outings
from .backfill.plan import Limits
from .backfill.recount import Recount
from .backfill.runner import Runner
from .backfill.schedule import Schedule
from .backfill.stalls import fetch_timeout
from .backfill.stallwatch import Senses, StallWatch
from .backfill.standing import scene
from .backfill.steps import Steps
from .clock import Clock, system
from .config import Config, Secret
from .control.door import Door
from .control.jobs.estimating import estimating
from .control.tapstats import TapCounters
from .control.views import Views
from .delivery.deadletters import DeadLetters
from .delivery.departed import Departed
from .delivery.inbox import GroupLimits
from .delivery.ledger import Ledger
from .delivery.pump import Pump
from .delivery.removal import Remover
from .delivery.sweeping import Sweeper
from .discovery.relay import Relay
from .journal import Journal
from .network.opened import Network
from .notify.notifier import Notifier
from .recheck import recheck
from .reconcile.assembled import reconciler
from .records.sqlite import SqliteStore
from .sources.tap.channel import Channel, Dial, dial_tcp, open_fast, open_trio_websocket
from .sources.tap.http import TapHttp
from .tapchild.child import TapChild
from .worker import ThreadWorker, Worker


class World(NamedTuple):
    """What is outside: replaced in tests that run in virtual time, with peers in memory."""

    clock: Clock = system
    transport: httpx.AsyncBaseTransport | None = None
    dial: Dial = dial_tcp
    worker: Callable[[], Worker] = ThreadWorker
    jitter: Callable[[], float] = random.random


class Opened(NamedTuple):
    """What a life has open: files and clients. Three views, so that a long log keeps no other
    question waiting, and no question keeps a lane waiting."""

    log: EventLog
    store: SqliteStore
    views: Views
    log_views: Views
    lane_views: Views
    relays: httpx.AsyncClient
    taps: httpx.AsyncClient
    network: Network


class Given(NamedTuple):
    """What a life is given: `config` is that in force, and may be another at each call."""

    config: Callable[[], Config]
    password: Secret
    world: World
    stop: trio.Event


class Parts(NamedTuple):
    """What runs. `tasks` are cancelled at once at the end: what they do is safe to break off."""

    journal: Journal
    ledger: Ledger
    runner: Runner
    tasks: list[Callable[[], Awaitable[None]]]
    tap_child: TapChild | None
    pump: Pump
    door: Door


def assembled(opened: Opened, given: Given) -> Parts:
    """The parts of a life."""
    settings, world = given.config(), given.world
    clock, lanes = world.clock, opened.lane_views
    tap = TapHttp(opened.taps, settings.tap.url, clock)
    journal = Journal(opened.log, world.worker(), clock)
    desk, index_worker = Desk(journal), world.worker()
    ledger = Ledger(opened.store, index_worker, journal)
    lister = Relay(opened.relays, clock, float(settings.relay.timeout))
    limits = partial(limits_now, given.config, opened.log)
    wanted = partial(_wanted, journal)
    pump = Pump(
        partial(_open_channel, given),
        settings.tap.url,
        opened.store,
        index_worker,
        journal,
        clock,
        wanted,
        GroupLimits(settings.index.group_max, float(settings.index.group_wait)),
        ledger.wake,
    )
    steps = Steps(lister, tap, lanes.dids, clock, world.jitter)
    runner = Runner(journal, steps, clock, limits)
    stage = lambda: scene(journal.state.jobs, limits(), runner.busy)  # noqa: E731
    notifier = Notifier(journal, settings, world, stage)
    asker = TapAsker(tap, journal, ledger.catch_up)
    sweeper = Sweeper(
        opened.store, index_worker, ledger, clock, wanted, partial(_sent, journal, settings, lanes)
    )
    counters, child = TapCounters(tap, clock), _child(given, journal)
    outings = Outings(tap, journal, lanes.outing)
    senses = Senses(
        heard=lambda: (pump.frame_at, pump.unacked),
        tap=counters.glance,
        cursor=partial(_cursor, tap),
        stuck=lanes.stuck,
        first=lanes.first_unsettled,
        limits=limits,
        lacking=lambda: [] if child is None else child.now().lacking,
        cure=None if child is None else partial(_started_anew, child, outings),
    )
    stalls = StallWatch(
        settings.tap.url, senses, asker, journal, clock,
        fetch_timeout(settings.tap.env.get("TAP_REPO_FETCH_TIMEOUT", "")),
    )  # fmt: skip
    door = Door(
        desk=desk,
        journal=journal,
        views=opened.views,
        log_views=opened.log_views,
        counters=counters,
        config=given.config,
        unacked=lambda: pump.unacked,
        rebuilt=opened.log.rebuilt,
        stop=given.stop,
        clock=clock,
        at_rest=runner.at_rest,
        remover=Remover(opened.store, index_worker, journal, ledger, clock),
        letters=DeadLetters(
            opened.store, index_worker, ledger, clock, wanted, opened.network.records.now
        ),
        network=opened.network,
        send_samples=notifier.send_samples,
        reconciler=reconciler(journal, opened.network, lanes, partial(_mend, journal)),
        tap_child=child,
        quiet=lambda: stalls.quiet,
        handed_over=lambda: steps.handed_over,
    )
    observer = Observer(
        asker, lanes.due, lanes.with_tap, journal, clock, lambda: given.config().tap.info_rate
    )
    mender = Mender(
        asker,
        outings,
        lanes.needy,
        sweeper.sweep,
        journal,
        clock,
        lambda: limits().room,
    )
    recount = Recount(tap, journal, lanes.expected, lambda: given.config().tap.stats_interval)
    schedule = Schedule(journal, desk, clock, lambda: given.config().jobs)
    tasks: list[Callable[[], Awaitable[None]]] = [
        runner.run,
        observer.run,
        mender.run,
        recount.run,
        stalls.run,
        ledger.run,
        schedule.run,
        notifier.run,
        opened.views.sampling,
        partial(estimating, journal, opened.views),
        door.remover.run,
        Departed(opened.store, index_worker, journal, ledger).run,
        door.reconciler.run,
        door.counters.sampling,
        partial(recheck, opened.log.state, opened.log_views.fold, journal.distrust),
    ]
    return Parts(journal, ledger, runner, tasks, door.tap_child, pump, door)


async def _cursor(tap: TapHttp) -> int:
    return (await tap.cursors()).firehose


async def _started_anew(child: TapChild, outings: Outings, dids: Sequence[Did]) -> None:
    """Without these, at which it hangs: to be taken out does not free its workers."""
    out = partial(outings.begin, "stuck", dids, again=False, cause=None)
    await child.restart(f"it hangs at {len(dids)} repositories", out)


def limits_now(config: Callable[[], Config], log: EventLog) -> Limits:
    """What planning needs of the configuration in force, and of Tap as it is."""
    one, child = config(), log.state.child
    most = one.tap.unsettled_max
    return replace(
        configured(one),
        room=max(0, most - log.unsettled) if most else None,
        unsettled=log.unsettled,
        filters=_filters(child) if one.tap.supervise else None,
    )


def configured(one: Config) -> Limits:
    """What planning needs of a configuration."""
    most = one.tap.unsettled_max
    return Limits(
        relays=tuple(dict.fromkeys(url.rstrip("/") for url in one.relay.urls)),
        page_size=one.relay.page_size,
        attempts_max=one.relay.max_attempts,
        relay_backoff_s_max=float(one.relay.backoff_max),
        batch_size=min(one.tap.batch_size, most) if most else one.tap.batch_size,
        read_ahead=max(one.jobs.read_ahead, one.tap.batch_size),
        concurrent=one.jobs.concurrent,
    )


def _filters(child: Child) -> frozenset[Nsid]:
    return frozenset(child.filters) if child.running else frozenset()


def _wanted(journal: Journal) -> frozenset[Nsid]:
    lexicons = journal.state.lexicons.values()
    return frozenset(lexicon.nsid for lexicon in lexicons if lexicon.is_record)


async def _sent(journal: Journal, settings: Config, views: Views) -> Container[Nsid]:
    """The collections that Tap is known to send."""
    state = journal.state
    if settings.tap.supervise:
        return _filters(state.child)
    return await views.delivered_since(state.source.opened)


async def _mend(journal: Journal, dids: Sequence[Did], reconcile: Reconcile) -> None:
    """What differs from its server is fetched anew; the mender does it."""
    why = "its rows are not what its server has"
    differing = [Differing(pack_one(did), why, mend=True) for did in dids]
    event = ReposDiffer(differing)
    await journal.append([NewEvent("tap", event, reconcile.actor, reconcile.position)])


def _child(given: Given, journal: Journal) -> TapChild | None:
    settings = given.config()
    if not settings.tap.supervise:
        return None
    return TapChild(journal, settings, given.password, given.world.clock, partial(_wanted, journal))


def _open_channel(given: Given) -> AbstractAsyncContextManager[Channel]:
    tap = given.config().tap
    opener = open_fast if tap.channel == "fast" else open_trio_websocket
    return opener(tap.url, given.password, given.world.dial)
