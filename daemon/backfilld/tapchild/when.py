"""When a Tap of ours is started, and when it is started again for its filter. Pure.

The one rule: a filter that lacks a collection is a reason to start it again, one that has too many
is none: they go with the next start.
"""

from typing import NamedTuple

from backfilld_events.ids import Nsid


class Times(NamedTuple):
    """How long we wait for what, in seconds."""

    quiet: float = 10.0  # without a new lexicon, before Tap is started again for those that came
    quiet_max: float = 60.0  # with one lexicon after the other
    first_quiet: float = 2.0  # the same, when nothing runs that could go on meanwhile
    backoff_first: float = 1.0
    backoff_max: float = 30.0
    term: float = 10.0  # from SIGTERM to SIGKILL


class Gathering(NamedTuple):
    """The collections that Tap's filter lacks; since when it lacks any, and since when these."""

    lacking: frozenset[Nsid] = frozenset()
    first: float = 0.0
    last: float = 0.0


def gathered(before: Gathering, lacking: frozenset[Nsid], now: float) -> Gathering:
    """What is lacking now."""
    if not lacking:
        return Gathering()
    if lacking == before.lacking:
        return before
    return Gathering(lacking, before.first if before.lacking else now, now)


def due(gathering: Gathering, quiet: float, quiet_max: float) -> float | None:
    """When enough has been gathered; None: nothing is lacking."""
    if not gathering.lacking:
        return None
    return min(gathering.last + quiet, gathering.first + quiet_max)


def backoff(failures: int, times: Times) -> float:
    """How long to wait after so many ends in a row that nobody asked for."""
    doubled = times.backoff_first * 2.0 ** min(max(failures - 1, 0), 20)
    return min(doubled, times.backoff_max)
