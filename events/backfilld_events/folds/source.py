"""The source and the index as the log knows them: channel up or down, receipts taken in."""

from collections.abc import Mapping
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from ..catalog.index import (
    GhostsRemoved,
    IndexEvent,
    IndexLost,
    IndexRestored,
    RecordsCommitted,
    RecordsRemoved,
    RemovalAsked,
    RowsRecounted,
)
from ..catalog.source import (
    CensusEnded,
    ReposDiffer,
    ReposLeaving,
    ReposLeft,
    ReposMissing,
    ReposObserved,
    ReposReturned,
    SourceEvent,
    TapConnected,
    TapDisconnected,
    TapMoving,
    TapStalled,
    Why,
)
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


class Outing(Struct, frozen=True, gc=False):
    """Repositories, `count` of them, that are being taken out of Tap, and if `again` put back; the
    event at `position` names them. `left`: Tap has removed them."""

    position: int
    why: Why
    again: bool
    count: int
    left: bool = False


class Stall(Struct, frozen=True, gc=False):
    """What stands still, since when (unix seconds), in a sentence."""

    kind: str
    since: float
    message: str


class Source(Struct, frozen=True, gc=False):
    """`since` is when the channel came up or went down (unix seconds); None: never opened yet.
    `opened` is the position at which it came up last.

    `receipts` is the number of the last receipt that stands in the log, `removals` by id what is
    still to be removed from the index. `outings` are those not finished, by position; `stalls` by
    kind; `census`: since when (unix seconds) all repositories are asked about, because Tap has
    forgotten some.
    """

    connected: bool = False
    since: float | None = None
    why: str = ""
    receipts: int = 0
    index_version: int = 0
    removals: Mapping[str, Removal] = {}
    opened: int = 0
    outings: Mapping[int, Outing] = {}
    stalls: Mapping[str, Stall] = {}
    census: float | None = None


def evolve_source(source: Source, event: SourceEvent, at: float, position: int = 0) -> Source:
    """The source after what Tap was seen to do at `at`, and what we did with it."""
    match event:
        case ReposObserved() | ReposDiffer():  # first: thousands for one of the others
            return source
        case TapConnected():
            return replace(source, connected=True, since=at, why="", opened=position)
        case TapDisconnected():
            since = at if source.connected or source.since is None else source.since
            return replace(source, connected=False, since=since, why=event.message)
        case ReposLeaving() | ReposLeft() | ReposReturned():
            return replace(source, outings=_outings(source.outings, event, position))
        case ReposMissing():
            return replace(source, census=at if source.census is None else source.census)
        case CensusEnded():
            return replace(source, census=None)
        case TapStalled():
            before = source.stalls.get(event.kind)
            since = event.since if before is None else before.since
            stall = Stall(event.kind, since, event.message)
            return replace(source, stalls={**source.stalls, event.kind: stall})
        case TapMoving():
            left = {kind: one for kind, one in source.stalls.items() if kind != event.kind}
            return replace(source, stalls=left)
        case _:
            assert_never(event)


def _outings(
    before: Mapping[int, Outing], event: ReposLeaving | ReposLeft | ReposReturned, position: int
) -> Mapping[int, Outing]:
    after = dict(before)
    if isinstance(event, ReposLeaving):
        after[position] = Outing(position, event.why, event.again, event.count)
        return after
    if (outing := after.pop(event.leaving, None)) is None:
        return before
    if isinstance(event, ReposLeft) and outing.again:
        after[event.leaving] = replace(outing, left=True)
    return after


def evolve_index(source: Source, event: IndexEvent, *, actor: str, position: int) -> Source:
    """The source after `event`, which `actor` caused. Receipts have no gap; see IndexEvent."""
    match event:
        case RecordsCommitted():
            return _took(source, event.first, event.last)
        case GhostsRemoved() | RowsRecounted():
            return _took(source, event.receipt, event.receipt)
        case RecordsRemoved():
            return _removed(_took(source, event.receipt, event.receipt), event)
        case RemovalAsked():
            asked = Removal(event.id, event.collection, event.upto, actor, position)
            return replace(source, removals={**source.removals, event.id: asked})
        case IndexLost():
            version = source.index_version + 1
            return replace(source, receipts=0, index_version=version, removals={})
        case IndexRestored():
            return source
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
