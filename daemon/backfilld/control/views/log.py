"""What is asked about the log itself."""

from typing import NamedTuple

import msgspec

from backfilld_events.audit.show import as_data
from backfilld_events.folds import State, replay
from backfilld_events.log import read
from backfilld_events.log.append import head

from . import base
from .base import ViewsBase


class LogPage(NamedTuple):
    """Some events, (position, JSON) each; `last` is how far was looked, `more` that it was not to
    the end."""

    events: list[tuple[int, bytes]]
    last: int
    more: bool


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

    async def checkpoint(self) -> tuple[int, str]:
        """(position, hash) of the last event."""
        position, last = await self._worker(head, self._events)
        return position, last.hex()

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
