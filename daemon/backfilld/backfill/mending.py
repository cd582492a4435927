"""What is done about repositories that need more than waiting: pure decisions of the mender.

The one rule: Tap fetches a repository once, and nothing shortens its waits; to have it fetched
anew it is removed and added again. Never while a fetch is under way: remove does not stop one.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from backfilld_events.catalog.source import Observation, Why
from backfilld_events.faults import fault_of
from backfilld_events.projections.asked import Asked
from backfilld_events.projections.classes import Need
from backfilld_events.projections.judged import DEPARTED, PARKED_S

ORDER: Final = (
    Need.FORGOTTEN, Need.PARKED, Need.REACTIVATED, Need.LACKS, Need.LOST, Need.DIFFERS,
    Need.RESTLESS, Need.FINAL,
)  # fmt: skip

WHY: Final[dict[Need, Why]] = {
    Need.FORGOTTEN: "forgotten",
    Need.PARKED: "parked",
    Need.REACTIVATED: "reactivated",
    Need.LACKS: "lacks",
    Need.LOST: "lost",
    Need.DIFFERS: "differs",
    Need.RESTLESS: "restless",
    Need.FINAL: "final",
}

OUTING_MAX = 250  # at once: few enough that what was asked before is still so
RELEASE_FIRST = 1_000  # parked repositories of one host that are given back at once
RELEASE_MIN = 5
PAUSE_S_MAX = 3600  # of a host that serves nothing; Tap itself tries as seldom by then

_UNSETTLED: Final = (Need.PARKED,)  # Tap has work with these already


def again(need: Need) -> bool:
    """Whether they are added once more; else they stay out until a job hands them over."""
    return need is not Need.FINAL


def takes_room(need: Need) -> bool:
    """Whether it gives Tap work that it does not have yet."""
    return again(need) and need not in _UNSETTLED


def status(need: Need, seen: Observation) -> str | None:
    """What the account is, as its server has it; None: it does not say so any more."""
    if need is Need.RETURNED:
        return "active" if seen.state == "active" else None
    return DEPARTED.get(fault_of(seen.state, seen.error))


def may_leave(need: Need, seen: Observation) -> bool:
    """Whether the repository is still in need, and not being fetched, now that Tap has said so."""
    match need:
        case Need.FORGOTTEN:
            return seen.state == "unknown"
        case Need.PARKED:
            return _is_limited(seen)
        case Need.RESTLESS | Need.FINAL:
            return seen.state == "error"
        case Need.DIFFERS | Need.LOST:
            return seen.state == "active"
        case _:
            return seen.state in ("active", "error", "desynchronized")


class Pace(Struct, frozen=True):
    """What one host bears: `most` of its parked repositories are given back at once. It gets no
    others until it is known what became of those, the `trial` that began at `since` and is looked
    at `after`, nor before `after` when there is none. So many trials in a row were `refused`: it
    served none of them. Times are unix seconds."""

    most: int = RELEASE_FIRST
    trial: tuple[Asked, ...] = ()
    since: float = 0.0
    after: float = 0.0
    refused: int = 0


def paced(paces: Mapping[str, Pace], parked: Sequence[Asked], now: float) -> dict[str, Pace]:
    """The paces, when these are parked. A host that was not among them has its pause before it: all
    of its repositories wait for the end of the same. Others are forgotten."""
    after = {host: pace for host, pace in paces.items() if pace.trial}
    for one in parked:
        host = one.host or ""
        after[host] = paces.get(host) or after.get(host) or Pace(after=now + PARKED_S)
    return after


def releasable(
    parked: Sequence[Asked], paces: Mapping[str, Pace], limit: int, now: float
) -> list[Asked]:
    """Those to give back now, at most `limit`."""
    left = {
        host: 0 if pace.trial or pace.after > now else pace.most for host, pace in paces.items()
    }
    chosen: list[Asked] = []
    for one in parked:
        host = one.host or ""
        if left[host] and len(chosen) < limit:
            left[host] -= 1
            chosen.append(one)
    return chosen


def given(paces: Mapping[str, Pace], released: Sequence[Asked], now: float) -> dict[str, Pace]:
    """The paces when these were given back."""
    trials: dict[str, list[Asked]] = {}
    for one in released:
        anew = replace(one, unsure=True, last=(None, None, None, None, 0))
        trials.setdefault(one.host or "", []).append(anew)
    begun = {
        host: replace(paces[host], trial=tuple(of_one), since=now, after=now)
        for host, of_one in trials.items()
    }
    return {**paces, **begun}


def looked(pace: Pace, last: Observation | None, now: float) -> Pace | None:
    """The pace, to be looked at later and later, when Tap has still to do with those on trial, as
    it says of the `last` of them, for it takes them in order; None: it is done."""
    if last is not None and not _is_under_way(last):
        return None
    return replace(pace, after=now + (now - pace.since) / 4)


def tried(pace: Pace, seen: Collection[Observation], now: float) -> Pace:
    """The pace when Tap is done with those on trial: a host that parked some of them again gets as
    many as it served, after its pause; else up to twice as many, at once. One that served none has
    longer and longer pauses: it may go on for days, and each trial is in the log."""
    served = sum(not may_leave(Need.PARKED, one) for one in seen)
    if seen and not served:
        pause = min(PARKED_S << min(pace.refused, 10), PAUSE_S_MAX)
        return Pace(RELEASE_MIN, after=now + pause, refused=pace.refused + 1)
    if served < len(seen):
        return Pace(max(RELEASE_MIN, served), after=now + PARKED_S)
    return Pace(max(pace.most, min(2 * served, RELEASE_FIRST)), after=now)


def _is_limited(seen: Observation) -> bool:
    return seen.state == "desynchronized" and seen.retries > 0 and not seen.error


def _is_under_way(seen: Observation) -> bool:
    to_fetch = seen.state == "desynchronized" and not seen.retries
    return to_fetch or seen.state in ("pending", "resyncing")
