"""Comparisons with the PDSes that are not over: how far each is, and what it found."""

from collections.abc import Mapping
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from ..catalog.reconcile import (
    ReconcileAsked,
    ReconcileEnded,
    ReconcileEvent,
    ReposCompared,
)
from ..ids import Nsid


class Reconcile(Struct, frozen=True, gc=False):
    """The event at `position` names its `count` repositories; the first `compared` are done."""

    id: str
    position: int
    actor: str
    started_at: float
    scope: str
    collections: tuple[Nsid, ...]
    count: int
    repair: bool
    compared: int = 0
    records: int = 0
    differing: int = 0
    unread: int = 0


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
            one = Reconcile(
                run, position, actor, at, event.scope, tuple(event.collections), event.count,
                event.repair,
            )  # fmt: skip
            return {**before, run: one}
        case ReposCompared():
            if (known := before.get(run)) is None:
                return before
            return {
                **before,
                run: replace(
                    known,
                    compared=known.compared + event.count,
                    records=known.records + event.records,
                    differing=known.differing + len(event.differing),
                    unread=known.unread + len(event.unread),
                ),
            }
        case ReconcileEnded():
            return {other: one for other, one in before.items() if other != run}
        case _:
            assert_never(event)
