"""Stalls in words: what each means, what comes next by itself, what may be done, whether data is
lost. Pure but for the words' local zone."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from backfilld_events.folds.source import Stall
from backfilld_events.row import utc_text

from ..backfill.stalls import KINDS, Kind
from .shapes.reads import StallShape
from .words import moment

MILD: frozenset[str] = frozenset({"host_parked"})  # it is so now and then, and nothing is wrong

_KEPT = "none lost that we know of: what Tap is not acked for it keeps, and sends again."
_WAIT = "none lost that we know of: what was found waits in our log."


class _Advice(NamedTuple):
    next: str
    may: str
    data: str


_ADVICE: Mapping[Kind, _Advice] = {
    "tap_down": _Advice(
        "it is asked twice a minute, and all goes on by itself when it answers.",
        "start Tap, and see its log for why it ended · backfillctl doctor",
        f"{_KEPT} What was found waits in our log.",
    ),
    "channel_down": _Advice(
        "it is opened again every 30 s, and records come in by themselves.",
        "see that Tap runs without TAP_WEBHOOK_URL, and with the password of tap.password_file",
        _KEPT,
    ),
    "workers_stuck": _Advice(
        "nothing, for as long as Tap runs; but what it has fetched comes in.",
        "do what the sentence says",
        "none lost that we know of: Tap fetches the others when it is started again.",
    ),
    "channel_silent": _Advice(
        "messages come when Tap sends them again, at the latest when it is started again.",
        "see that nobody else reads Tap's channel · start Tap again",
        _KEPT,
    ),
    "filter_missing": _Advice(
        "Tap is started again with the whole filter, and fetches anew what lacks it.",
        "backfillctl tap, for how it is · backfillctl doctor",
        f"{_WAIT} It is handed over when Tap fetches it.",
    ),
    "window_full": _Advice(
        "the next batch goes as soon as Tap has settled some.",
        "see Tap's log for what it is at · set tap.unsettled_max higher, and reload",
        _WAIT,
    ),
    "relay_rejected_cursor": _Advice(
        "nothing, until its relay sends events that Tap takes.",
        "see Tap's log · if the relay is another one behind the same address, give Tap the address "
        "in another writing, so that it begins anew; then: backfillctl start --all --mode refetch",
        "changes since then are missed until the repositories are fetched anew; what was here "
        "stays.",
    ),
    "host_parked": _Advice(
        "they are given back to Tap when their server's pause is over.",
        "nothing",
        "none lost that we know of: they are fetched later.",
    ),
}


def ordered(stalls: Iterable[Stall]) -> list[Stall]:
    """The worst first; of a kind that this version does not know, last."""
    rank: dict[str, int] = {kind: n for n, kind in enumerate(KINDS)}
    return sorted(stalls, key=lambda stall: (rank.get(stall.kind, len(rank)), stall.since))


def stall_shape(stall: Stall) -> StallShape:
    """A stall as the API tells it."""
    known = {str(kind): advice for kind, advice in _ADVICE.items()}
    advice = known.get(stall.kind, _Advice("", "", _KEPT))
    return StallShape(
        kind=stall.kind,
        since=utc_text(stall.since),
        sentence=stall.message,
        next=advice.next,
        you_may=advice.may,
        data=advice.data,
    )


def verdict(stalls: Iterable[Stall]) -> str:
    """The worst of them in a sentence; empty: nothing stands still but what may."""
    bad = [stall for stall in ordered(stalls) if stall.kind not in MILD]
    if not bad:
        return ""
    more = f" {len(bad) - 1} more: backfillctl why." if len(bad) > 1 else ""
    return f"{bad[0].message} So since {moment(bad[0].since)}.{more}"


def aside(stalls: Iterable[Stall]) -> str:
    """What stands still, and may."""
    return " ".join(stall.message for stall in ordered(stalls) if stall.kind in MILD)
