"""The log itself, one event a line."""

from collections.abc import AsyncIterator
from typing import Annotated

import trio
from litestar import get
from litestar.params import Parameter
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from ..door import Door

LOG_PAGE_BYTES = 256 * 2**10  # a reader that does not read holds no more than this
POSITION_MAX = 2**62


def routes(door: Door) -> list[ControllerRouterHandler]:
    """See the handlers."""

    @get("/admin/log", opt={"query": ("after", "tail", "stream", "type", "limit", "follow")})
    async def log(
        after: Annotated[int, Parameter(ge=0, le=POSITION_MAX)] = 0,
        tail: Annotated[int, Parameter(ge=0, le=10_000)] = 0,
        stream: str | None = None,
        event_type: Annotated[str | None, Parameter(query="type")] = None,
        limit: Annotated[int, Parameter(ge=1, le=1_000_000)] = 1_000_000,
        follow: bool = False,
    ) -> Stream:
        """Events as JSON, one a line: after a position, or the last `tail`; with `follow` it goes
        on until one of the two sides ends."""
        start = await door.log_views.tail(tail, stream, event_type) if tail else after
        lines = _lines(door, start, stream, event_type, limit, follow)
        return Stream(lines, media_type="application/x-ndjson")

    return [log]


async def _lines(
    door: Door, after: int, stream: str | None, event_type: str | None, limit: int, follow: bool
) -> AsyncIterator[bytes]:
    while limit > 0:
        news = door.journal.watch()
        page = await door.log_views.log(after, stream, event_type, limit, LOG_PAGE_BYTES)
        if page.lines:
            yield page.lines
        limit -= page.rows
        after = page.last
        if page.more:
            continue
        if not follow:
            return
        while not news.is_set():
            if door.stop.is_set():
                return
            with trio.move_on_after(1):
                await news.wait()
