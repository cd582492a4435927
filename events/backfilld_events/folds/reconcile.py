"""Comparisons with the PDSes that are not over: how far each is, and what it found."""

from collections import Counter
from collections.abc import Mapping
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from ..catalog.reconcile import (
    Method,
    ReconcileAsked,
    ReconcileEnded,
    ReconcileEvent,
    ReposCompared,
)
from ..ids import Nsid

SHOWN_MAX = 100  # repositories that differ, and that were not read: more are in the log alone


class Reconcile(Struct, frozen=True, gc=False):
    """The event at `position` names its `count` repositories, or says which all are; it has come
    as far as `upto`. `differing` and `unread` (by kind) count repositories. `told` are the
    positions of the first events that name SHOWN_MAX of each, or fewer if there are no more."""

    id: str
    position: int
    actor: str
    started_at: float
    scope: str
    collections: tuple[Nsid, ...]
    method: Method
    count: int | None
    job: int | None
    repair: bool
    upto: int = 0
    compared: int = 0
    records: int = 0
    differing: int = 0
    unread: Mapping[str, int] = {}
    told: tuple[int, ...] = ()


def begun(event: ReconcileAsked, *, run: str, actor: str, position: int, at: float) -> Reconcile:
    """The comparison `run` as it was asked for."""
    return Reconcile(
        run, position, actor, at, event.scope, tuple(event.collections), event.method,
        event.count, event.job, event.repair,
    )  # fmt: skip


def further(known: Reconcile, event: ReposCompared, position: int) -> Reconcile:
    """The comparison after some more repositories, by the event at `position`."""
    unread = Counter(known.unread)
    unread.update(one.kind for one in event.unread)
    shows = (event.differing and known.differing < SHOWN_MAX) or (
        event.unread and sum(known.unread.values()) < SHOWN_MAX
    )
    return replace(
        known,
        upto=event.upto,
        compared=known.compared + event.count,
        records=known.records + event.records,
        differing=known.differing + len({one.repo for one in event.differing}),
        unread=dict(unread),
        told=(*known.told, position) if shows else known.told,
    )


def ended(known: Reconcile, why: str) -> ReconcileEnded:
    """The end of the comparison as it stands."""
    return ReconcileEnded(
        why=why,
        compared=known.compared,
        records=known.records,
        differing=known.differing,
        unread={**known.unread},
        told=[*known.told],
    )


def at_its_end(known: Reconcile, event: ReconcileEnded) -> Reconcile:
    """The comparison as it ended; `known` is how it began."""
    return replace(
        known,
        compared=event.compared,
        records=event.records,
        differing=event.differing,
        unread=event.unread,
        told=tuple(event.told),
    )


def evolve(
    before: Mapping[str, Reconcile],
    event: ReconcileEvent,
    *,
    run: str,
    actor: str,
    position: int,
    at: float,
) -> Mapping[str, Reconcile]:
    """Those under way after `event` in the stream of the comparison `run`."""
    match event:
        case ReconcileAsked():
            return {**before, run: begun(event, run=run, actor=actor, position=position, at=at)}
        case ReposCompared():
            if (known := before.get(run)) is None:
                return before
            return {**before, run: further(known, event, position)}
        case ReconcileEnded():
            return {other: one for other, one in before.items() if other != run}
        case _:
            assert_never(event)
