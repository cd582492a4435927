"""What is asked about the log itself."""

from typing import NamedTuple

import msgspec

from backfilld_events.audit.checkpoint import Checkpoint, origin
from backfilld_events.audit.show import as_data
from backfilld_events.folds import State, replay
from backfilld_events.log import read
from backfilld_events.log.append import head
from backfilld_events.row import utc_text

from . import base
from .base import ViewsBase
from .pages import Told, told

LOOKED_MAX = 100_000  # events, for one page of what no index leads to


class LogPage(NamedTuple):
    """Some events, (position, JSON) each; `last` is how far was looked, `more` that it was not to
    the end."""

    events: list[tuple[int, bytes]]
    last: int
    more: bool


class Newest(NamedTuple):
    """Some events, newest first; `before` asks for the next page, None: there is no more."""

    events: list[Told]
    before: int | None


class LogViews(ViewsBase):
    """The part of the views that knows the log."""

    async def log(
        self, after: int, stream: str | None, type_name: str | None, limit: int, bytes_max: int
    ) -> LogPage:
        """Events after a position: at most `limit`, about `bytes_max` bytes."""
        is_sought = read.is_sought(stream, type_name)

        def page(after: int) -> LogPage:
            last, _ = head(self._events)
            upto = min(last, after + base.PIECE) if is_sought else last
            events: list[tuple[int, bytes]] = []
            size = 0
            for row in read.rows(
                self._events, after, upto=upto, stream=stream, type_name=type_name, limit=limit
            ):
                events.append((row.position, msgspec.json.encode(as_data(row))))
                size += len(events[-1][1])
                if size >= bytes_max or len(events) == limit:
                    return LogPage(events, row.position, more=True)
            return LogPage(events, max(after, upto), more=upto < last)

        found = await self._worker(page, after)
        while found.more and not found.events:
            found = await self._worker(page, found.last)
        return found

    async def before(
        self, before: int | None, stream: str | None, type_name: str | None, limit: int
    ) -> Newest:
        """The newest `limit` events before a position, of a stream and type if given."""
        upto, _ = await self._worker(head, self._events)
        upto = upto if before is None else min(upto, before - 1)
        piece = base.PIECE if read.is_sought(stream, type_name) else max(upto, 1)
        events: list[Told] = []

        def newest(limit: int, after: int, upto: int) -> list[Told]:
            rows = read.newest(
                self._events, limit, after=after, upto=upto, stream=stream, type_name=type_name
            )
            return [told(row) for row in rows[::-1]]

        looked = 0
        while upto > 0 and looked < LOOKED_MAX:
            after, more = max(upto - piece, 0), limit + 1 - len(events)
            events += await self._worker(newest, more, after, upto)
            upto, looked = after, looked + piece
            if len(events) > limit:
                return Newest(events[:limit], events[limit - 1].position)
        return Newest(events, upto + 1 if upto else None)

    async def checkpoint(self, now: float) -> Checkpoint:
        """The last event's, made at `now` (unix seconds). Raises ValueError when there is none to
        tell this log from another by."""

        def ends() -> Checkpoint:
            first = read.row(self._events, 1)
            position, last = head(self._events)
            if first is None:
                raise ValueError("event 1 is missing")
            return Checkpoint(origin(first.hash), position, last, utc_text(now))

        return await self._worker(ends)

    async def fold(self, state: State, upto: int, limit: int) -> State:
        """The state after at most `limit` more events, none after position `upto`."""

        return await self._worker(
            lambda: replay(read.rows(self._events, state.position, upto=upto, limit=limit), state)
        )

    async def tail(self, n: int, stream: str | None, type_name: str | None) -> int:
        """The position after which the last `n` events stand."""
        upto, _ = await self._worker(head, self._events)
        piece = base.PIECE if read.is_sought(stream, type_name) else max(upto, 1)
        oldest = 0

        def newest(limit: int, after: int, upto: int) -> list[int]:
            rows = read.newest(
                self._events, limit, after=after, upto=upto, stream=stream, type_name=type_name
            )
            return [row.position for row in rows]

        while upto > 0 and n > 0:
            found = await self._worker(newest, n, max(upto - piece, 0), upto)
            oldest, n, upto = (found or [oldest])[0], n - len(found), upto - piece
        return max(oldest - 1, 0)
