"""The log itself, one event a line."""

from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
import trio
from litestar import get
from litestar.params import Parameter
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from ..door import Door

LOG_PAGE = 500


def routes(door: Door) -> list[ControllerRouterHandler]:
    """See the handlers."""

    @get("/admin/log")
    async def log(
        after: Annotated[int, Parameter(ge=0)] = 0,
        tail: Annotated[int, Parameter(ge=0, le=10_000)] = 0,
        stream: str | None = None,
        event_type: Annotated[str | None, Parameter(query="type")] = None,
        limit: Annotated[int, Parameter(ge=1, le=1_000_000)] = 1_000_000,
        follow: bool = False,
    ) -> Stream:
        """Events as JSON, one a line: after a position, or the last `tail`; with `follow` it goes
        on until one of the two sides ends."""
        start = await door.views.tail(tail, stream, event_type) if tail else after
        lines = _lines(door, start, stream, event_type, limit, follow)
        return Stream(lines, media_type="application/x-ndjson")

    return [log]


async def _lines(
    door: Door, after: int, stream: str | None, event_type: str | None, limit: int, follow: bool
) -> AsyncIterator[bytes]:
    while limit > 0:
        news = door.journal.watch()
        end = door.journal.state.position
        page = await door.views.log(after, stream, event_type, min(limit, LOG_PAGE))
        for row in page:
            yield msgspec.json.encode(row) + b"\n"
        limit -= len(page)
        if len(page) == LOG_PAGE:
            after = int(str(page[-1]["position"]))
            continue
        if not follow:
            return
        after = max(end, int(str(page[-1]["position"])) if page else 0)
        while not news.is_set():
            if door.stop.is_set():
                return
            with trio.move_on_after(1):
                await news.wait()
