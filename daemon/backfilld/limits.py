"""What planning needs: of the configuration in force, and of Tap as it is now."""

from collections.abc import Callable

from msgspec.structs import replace

from backfilld_events.eventlog import EventLog
from backfilld_events.folds.child import Child
from backfilld_events.ids import Nsid

from .backfill.plan import Limits
from .config import Config


def limits_now(config: Callable[[], Config], log: EventLog) -> Limits:
    """What planning needs of the configuration in force, and of Tap as it is."""
    one, child = config(), log.state.child
    most = one.tap.unsettled_max
    return replace(
        configured(one),
        room=max(0, most - log.unsettled) if most else None,
        unsettled=log.unsettled,
        filters=filters_now(child) if one.tap.supervise else None,
    )


def configured(one: Config) -> Limits:
    """What planning needs of a configuration."""
    most = one.tap.unsettled_max
    # a batch that fills the window would wait for the last one of it
    batch = min(one.tap.batch_size, max(1, most // 2)) if most else one.tap.batch_size
    return Limits(
        relays=tuple(dict.fromkeys(url.rstrip("/") for url in one.relay.urls)),
        page_size=one.relay.page_size,
        attempts_max=one.relay.max_attempts,
        relay_backoff_s_max=float(one.relay.backoff_max),
        batch_size=batch,
        read_ahead=max(one.jobs.read_ahead, one.tap.batch_size),
        concurrent=one.jobs.concurrent,
    )


def filters_now(child: Child) -> frozenset[Nsid]:
    """The collections that the Tap we run fetches; none while it does not run."""
    return frozenset(child.filters) if child.running else frozenset()
