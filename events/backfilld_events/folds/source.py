"""The source and the index as the log knows them: channel up or down, receipts taken in."""

from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from ..catalog.index import IndexEvent
from ..catalog.source import ReposObserved, SourceEvent, TapConnected, TapDisconnected


class Source(Struct, frozen=True, gc=False):
    """`since` is when the channel came up or went down (unix seconds); None: never opened yet.

    `receipts` is the number of the last receipt that stands in the log.
    """

    connected: bool = False
    since: float | None = None
    why: str = ""
    receipts: int = 0
    index_version: int = 0


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


def evolve_index(source: Source, event: IndexEvent) -> Source:
    """The source after receipts came into the log. Receipts have no gap; see IndexEvent."""
    if event.first != source.receipts + 1 or event.last < event.first:
        raise ValueError(
            f"receipts {event.first}..{event.last} do not follow receipt {source.receipts}"
        )
    return replace(source, receipts=event.last, index_version=source.index_version + 1)
