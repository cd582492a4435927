"""The source and the index as the log knows them: channel up or down, receipts taken in."""

from collections.abc import Mapping
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from ..catalog.index import IndexEvent, RecordsCommitted, RecordsRemoved, RemovalAsked
from ..catalog.source import ReposObserved, SourceEvent, TapConnected, TapDisconnected
from ..ids import Nsid


class Removal(Struct, frozen=True, gc=False):
    """The removal of a collection's records, up to the number `upto` of the index, that is not yet
    done; `deleted` are removed. `position` is that of its event."""

    id: str
    collection: Nsid
    upto: int
    actor: str
    position: int
    deleted: int = 0


class Source(Struct, frozen=True, gc=False):
    """`since` is when the channel came up or went down (unix seconds); None: never opened yet.

    `receipts` is the number of the last receipt that stands in the log, `removals` by id what is
    still to be removed from the index.
    """

    connected: bool = False
    since: float | None = None
    why: str = ""
    receipts: int = 0
    index_version: int = 0
    removals: Mapping[str, Removal] = {}


def evolve_source(source: Source, event: SourceEvent, at: float) -> Source:
    """The source after what Tap was seen to do at `at`."""
    match event:
        case ReposObserved():  # first: there are thousands for one of the others
            return source
        case TapConnected():
            return replace(source, connected=True, since=at, why="")
        case TapDisconnected():
            since = at if source.connected or source.since is None else source.since
            return replace(source, connected=False, since=since, why=event.message)
        case _:
            assert_never(event)


def evolve_index(source: Source, event: IndexEvent, *, actor: str, position: int) -> Source:
    """The source after `event`, which `actor` caused. Receipts have no gap; see IndexEvent."""
    match event:
        case RecordsCommitted():
            return _took(source, event.first, event.last)
        case RecordsRemoved():
            return _removed(_took(source, event.receipt, event.receipt), event)
        case RemovalAsked():
            asked = Removal(event.id, event.collection, event.upto, actor, position)
            return replace(source, removals={**source.removals, event.id: asked})
        case _:
            assert_never(event)


def _took(source: Source, first: int, last: int) -> Source:
    if first != source.receipts + 1 or last < first:
        raise ValueError(f"receipts {first}..{last} do not follow receipt {source.receipts}")
    return replace(source, receipts=last, index_version=source.index_version + 1)


def _removed(source: Source, event: RecordsRemoved) -> Source:
    before = source.removals.get(event.removal or "")
    if before is None:
        return source
    removals = {**source.removals}
    if event.last:
        del removals[before.id]
    else:
        more = sum(one.count for one in event.repos)
        removals[before.id] = replace(before, deleted=before.deleted + more)
    return replace(source, removals=removals)
