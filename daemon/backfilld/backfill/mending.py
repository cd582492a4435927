"""What is done about repositories that need more than waiting: pure decisions of the mender.

The one rule: Tap fetches a repository once, and nothing shortens its waits; to have it fetched
anew it is removed and added again. Never while a fetch is under way: remove does not stop one.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from backfilld_events.catalog.source import Observation, Why
from backfilld_events.projections.asked import Asked
from backfilld_events.projections.classes import Need

ORDER: Final = (
    Need.FORGOTTEN, Need.PARKED, Need.REACTIVATED, Need.LACKS, Need.DIFFERS, Need.RESTLESS,
    Need.FINAL,
)  # fmt: skip

WHY: Final[dict[Need, Why]] = {
    Need.FORGOTTEN: "forgotten",
    Need.PARKED: "parked",
    Need.REACTIVATED: "reactivated",
    Need.LACKS: "lacks",
    Need.DIFFERS: "differs",
    Need.RESTLESS: "restless",
    Need.FINAL: "final",
}

OUTING_MAX = 250  # at once: few enough that what was asked before is still so
RELEASE_FIRST = 1_000  # parked repositories of one host that are given back at once
RELEASE_MIN = 5

_UNSETTLED: Final = (Need.PARKED,)  # Tap has work with these already


def again(need: Need) -> bool:
    """Whether they are added once more; else they stay out until a job hands them over."""
    return need is not Need.FINAL


def takes_room(need: Need) -> bool:
    """Whether it gives Tap work that it does not have yet."""
    return again(need) and need not in _UNSETTLED


def may_leave(need: Need, seen: Observation) -> bool:
    """Whether the repository is still in need, and not being fetched, now that Tap has said so."""
    match need:
        case Need.FORGOTTEN:
            return seen.state == "unknown"
        case Need.PARKED:
            return seen.state == "desynchronized" and not seen.error
        case Need.RESTLESS | Need.FINAL:
            return seen.state == "error"
        case Need.DIFFERS:
            return seen.state == "active"
        case _:
            return seen.state in ("active", "error", "desynchronized")


class Pace(Struct, frozen=True):
    """How many of one host's parked repositories are given back at once, and how many were last."""

    most: int = RELEASE_FIRST
    released: int = 0


def released(
    parked: Sequence[Asked], paces: Mapping[str, Pace], limit: int
) -> tuple[list[Asked], dict[str, Pace]]:
    """(those to give back now, at most `limit`, the paces after).

    A host that parks again some of those it was given gets as many as it served the next time, else
    twice as many. Paces are those of hosts with parked repositories alone.
    """
    by_host: dict[str, list[Asked]] = {}
    for one in parked:
        by_host.setdefault(one.host or "", []).append(one)
    chosen: list[Asked] = []
    after: dict[str, Pace] = {}
    for host, waiting in by_host.items():
        pace = paces.get(host, Pace())
        most = pace.most
        if pace.released:
            again = min(len(waiting), pace.released)
            most = max(RELEASE_MIN, pace.released - again) if again else 2 * most
        some = waiting[: max(0, min(most, limit - len(chosen)))]
        after[host] = Pace(most, len(some))
        chosen += some
    return chosen, after
