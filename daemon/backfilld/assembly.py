"""Makes the parts of one life of the daemon, each with what it needs and nothing else."""

from collections.abc import Awaitable, Callable, Container, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import httpx
import trio

from backfilld_events.eventlog import EventLog
from backfilld_events.ids import Did, Nsid

from .backfill.asking_tap import TapAsker
from .backfill.desk import Desk
from .backfill.mender import Mender
from .backfill.observer import Observer
from .backfill.outings import Outings
from .backfill.recount import Recount
from .backfill.runner import Runner
from .backfill.schedule import Schedule
from .backfill.stalls import fetch_timeout
from .backfill.stallwatch import Senses, StallWatch
from .backfill.standing import Scene, scene
from .backfill.steps import Steps
from .comparison import comparing
from .config import Config, Secret
from .control.door import Door
from .control.jobs.estimating import estimating
from .control.tapstats import TapCounters
from .control.views import Views
from .deliveries import AccountDelivery
from .delivery.deadletters import DeadLetters
from .delivery.departed import Departed
from .delivery.inbox import GroupLimits
from .delivery.ledger import Ledger
from .delivery.pump import Pump
from .delivery.recounting import Recounter
from .delivery.removal import Remover
from .delivery.sweeping import Sweeper
from .discovery.relay import Relay
from .journal import Journal
from .limits import filters_now, limits_now
from .network.opened import Network
from .notify.notifier import Notifier
from .recheck import recheck
from .reconcile.assembled import reconciler
from .records.sqlite import SqliteStore
from .records.store import Group
from .sources.tap.channel import Channel, open_fast, open_trio_websocket
from .sources.tap.http import TapHttp
from .tapchild.child import TapChild
from .verification.assembled import Proof, proof
from .verification.known import Verification
from .world import World


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
    """What a life is given: `config` is that in force, and may be another at each call; `known` is
    what the start knows of its log."""

    config: Callable[[], Config]
    password: Secret
    world: World
    stop: trio.Event
    known: Verification


class Parts(NamedTuple):
    """What runs. `tasks` are cancelled at once at the end: what they do is safe to break off."""

    journal: Journal
    proof: Proof
    ledger: Ledger
    runner: Runner
    tasks: list[Callable[[], Awaitable[None]]]
    tap_child: TapChild | None
    pump: Pump
    door: Door


class _Common:
    """What several parts share."""

    def __init__(self, opened: Opened, given: Given) -> None:
        settings, world = given.config(), given.world
        self.opened, self.given, self.settings, self.clock = opened, given, settings, world.clock
        self.lanes = opened.lane_views
        self.tap = TapHttp(opened.taps, settings.tap.url, world.clock)
        self.journal = Journal(opened.log, world.worker(), world.clock)
        self.proof = proof(given.known, self.journal, world.worker, given.config, world.clock)
        self.index_worker = world.worker()
        self.ledger = Ledger(opened.store, self.index_worker, self.journal)
        self.limits = partial(limits_now, given.config, opened.log)
        self.wanted = partial(_wanted, self.journal)
        self.asker = TapAsker(self.tap, self.journal, self.ledger.catch_up)
        self.outings = Outings(self.tap, self.journal, self.lanes.outing)
        self.child = _child(given, self.journal)
        self.counters = TapCounters(self.tap, world.clock)


def assembled(opened: Opened, given: Given) -> Parts:
    """The parts of a life."""
    all_, world = _Common(opened, given), given.world
    journal, ledger, clock, verifier = all_.journal, all_.ledger, all_.clock, all_.proof.verifier
    lister = Relay(opened.relays, clock, float(all_.settings.relay.timeout))
    steps = Steps(lister, all_.tap, all_.lanes.dids, clock, world.jitter)
    runner, pump = Runner(journal, steps, clock, all_.limits), _pump(all_)

    def stage() -> Scene:
        return scene(journal.state.jobs, all_.limits(), runner.busy)

    notifier = Notifier(journal, all_.settings, world, stage)
    stalls, desk = _stalls(all_, pump), Desk(journal)
    door = _door(all_, desk, runner, steps, pump, stalls, notifier)
    tasks: list[Callable[[], Awaitable[None]]] = [
        runner.run,
        *_menders(all_),
        stalls.run,
        ledger.run,
        Schedule(journal, desk, clock, lambda: given.config().jobs).run,
        notifier.run,
        opened.views.sampling,
        partial(estimating, journal, opened.views),
        door.remover.run,
        Departed(opened.store, all_.index_worker, journal, ledger).run,
        door.reconciler.run,
        door.counters.sampling,
        verifier.run,
        all_.proof.checkpoints.run,
        partial(
            recheck, opened.log.state, opened.log_views.fold, journal.distrust, verifier.looked
        ),
        partial(
            comparing,
            Path(all_.settings.data_dir) / "events.db",
            world.compare,
            lambda: given.config().log.replay_every,
            journal.distrust,
            verifier.looked,
            soon=not opened.log.rebuilt,  # made anew just now, they are right, or are again wrong
        ),
    ]
    return Parts(journal, all_.proof, ledger, runner, tasks, all_.child, pump, door)


def _pump(all_: _Common) -> Pump:
    index = all_.settings.index
    return Pump(
        partial(_open_channel, all_.given),
        all_.settings.tap.url,
        all_.opened.store,
        all_.index_worker,
        all_.journal,
        all_.clock,
        all_.wanted,
        GroupLimits(index.group_max, float(index.group_wait)),
        all_.ledger.wake,
    )


def _menders(all_: _Common) -> list[Callable[[], Awaitable[None]]]:
    """Learn how the repositories stand, and do what they need."""
    lanes, journal, clock, config = all_.lanes, all_.journal, all_.clock, all_.given.config
    sent = partial(_sent, journal, all_.settings, lanes)
    sweeper = Sweeper(all_.opened.store, all_.index_worker, all_.ledger, clock, all_.wanted, sent)
    observer = Observer(
        all_.asker, lanes.due, lanes.with_tap, journal, clock, lambda: config().tap.info_rate
    )
    mender = Mender(
        all_.asker,
        all_.outings,
        lanes.needy,
        sweeper.sweep,
        partial(_departed, all_),
        journal,
        clock,
        lambda: all_.limits().room,
    )
    recount = Recount(all_.tap, journal, lanes.expected, lambda: config().tap.stats_interval)
    return [observer.run, mender.run, recount.run]


def _stalls(all_: _Common, pump: Pump) -> StallWatch:
    child, lanes = all_.child, all_.lanes
    senses = Senses(
        heard=lambda: (pump.frame_at, pump.unacked),
        tap=all_.counters.glance,
        cursor=partial(_cursor, all_.tap),
        stuck=lanes.stuck,
        first=lanes.first_unsettled,
        limits=all_.limits,
        lacking=lambda: [] if child is None else child.now().lacking,
        cure=None if child is None else partial(_started_anew, child, all_.outings),
    )
    timeout = fetch_timeout(all_.settings.tap.env.get("TAP_REPO_FETCH_TIMEOUT", ""))
    return StallWatch(all_.settings.tap.url, senses, all_.asker, all_.journal, all_.clock, timeout)


def _door(
    all_: _Common,
    desk: Desk,
    runner: Runner,
    steps: Steps,
    pump: Pump,
    stalls: StallWatch,
    notifier: Notifier,
) -> Door:
    opened, journal, clock = all_.opened, all_.journal, all_.clock
    store, worker, ledger, network = opened.store, all_.index_worker, all_.ledger, opened.network
    recounter = Recounter(store, worker, ledger)
    return Door(
        desk=desk,
        journal=journal,
        views=opened.views,
        log_views=opened.log_views,
        counters=all_.counters,
        config=all_.given.config,
        unacked=lambda: pump.unacked,
        rebuilt=opened.log.rebuilt,
        stop=all_.given.stop,
        clock=clock,
        at_rest=runner.at_rest,
        remover=Remover(store, worker, journal, ledger, clock),
        letters=DeadLetters(store, worker, ledger, clock, all_.wanted, network.records.now),
        network=network,
        send_samples=notifier.send_samples,
        reconciler=reconciler(journal, network, all_.lanes, recounter.recount, recounter.settle),
        verification=all_.proof.known,
        verify_now=all_.proof.verifier.ask,
        tap_child=all_.child,
        quiet=lambda: stalls.quiet,
        handed_over=lambda: steps.handed_over,
    )


async def _departed(all_: _Common, did: Did, status: str, handle: str) -> None:
    """Takes in what a server said of an account, as if Tap had told it."""
    now = round(all_.clock() * 1e6)
    group = Group([], [AccountDelivery(0, did, handle, status)], [], [])
    await all_.index_worker(all_.opened.store.commit, group, now)
    await all_.ledger.catch_up()


async def _cursor(tap: TapHttp) -> int:
    return (await tap.cursors()).firehose


async def _started_anew(child: TapChild, outings: Outings, dids: Sequence[Did]) -> None:
    """Without these, at which it hangs: to be taken out does not free its workers."""
    out = partial(outings.begin, "stuck", dids, again=False, cause=None)
    await child.restart(f"it hangs at {len(dids)} repositories", out)


def _wanted(journal: Journal) -> frozenset[Nsid]:
    lexicons = journal.state.lexicons.values()
    return frozenset(lexicon.nsid for lexicon in lexicons if lexicon.is_record)


async def _sent(journal: Journal, settings: Config, views: Views) -> Container[Nsid]:
    """The collections that Tap is known to send."""
    state = journal.state
    if settings.tap.supervise:
        return filters_now(state.child)
    return await views.delivered_since(state.source.opened)


def _child(given: Given, journal: Journal) -> TapChild | None:
    settings = given.config()
    if not settings.tap.supervise:
        return None
    return TapChild(journal, settings, given.password, given.world.clock, partial(_wanted, journal))


def _open_channel(given: Given) -> AbstractAsyncContextManager[Channel]:
    tap = given.config().tap
    opener = open_fast if tap.channel == "fast" else open_trio_websocket
    return opener(tap.url, given.password, given.world.dial)
