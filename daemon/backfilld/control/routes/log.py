"""The log itself, one event a line; where it ends, and whether it verifies."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, NamedTuple

import trio
from litestar import get, post
from litestar.params import FromQuery, HeaderParameter, Parameter, QueryParameter
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from backfilld_events.audit.verify import Broken

from ..door import Asked, Door
from ..live import frames
from ..live.following import go_on, news_or_stop, streamed
from ..live.watch import EVERY_S
from ..live.watching import KEEP_ALIVE_S, position_of
from ..shapes.log import Checkpoint, VerificationShape
from ..verified import verification_shape

LOG_PAGE_BYTES = 256 * 2**10  # a reader that does not read holds no more than this
POSITION_MAX = 2**62
LINES = "application/x-ndjson"


class _Wanted(NamedTuple):
    """Which events; with `events` as server-sent ones, which follow in any case."""

    after: int
    stream: str | None
    type: str | None
    limit: int
    follow: bool
    events: bool


def routes(door: Door) -> list[ControllerRouterHandler]:
    """See the handlers."""

    @get(
        "/admin/log",
        opt={
            "query": ("after", "tail", "stream", "type", "limit", "follow"),
            "media": (LINES, frames.MEDIA_TYPE),
        },
    )
    async def log(
        request: Asked,
        after: Annotated[int, Parameter(ge=0, le=POSITION_MAX)] = 0,
        tail: Annotated[int, Parameter(ge=0, le=10_000)] = 0,
        stream: FromQuery[str | None] = None,
        event_type: Annotated[str | None, QueryParameter(name="type")] = None,
        limit: Annotated[int, Parameter(ge=1, le=1_000_000)] = 1_000_000,
        follow: FromQuery[bool] = False,
        last_event_id: Annotated[str | None, HeaderParameter(name="Last-Event-ID")] = None,
    ) -> Stream:
        """Events as JSON, one a line: after a position, or the last `tail`; with `follow` it goes
        on until one of the two sides ends. As server-sent events, and so on from Last-Event-ID, for
        those who accept text/event-stream."""
        is_sse = frames.MEDIA_TYPE in request.headers.get("accept", "")
        newest = door.journal.state.position
        known = position_of(last_event_id, newest) if is_sse else None
        if known is not None:
            after = known
        elif tail:
            after = await door.log_views.tail(tail, stream, event_type)
        wanted = _Wanted(after, stream, event_type, limit, follow or is_sse, is_sse)
        if is_sse:
            return streamed(_sent(door, request, wanted), frames.MEDIA_TYPE, frames.HEADERS)
        return streamed(_sent(door, request, wanted), LINES)

    return [log, *_verified(door)]


def _verified(door: Door) -> list[ControllerRouterHandler]:
    @get("/admin/log/checkpoint")
    async def checkpoint() -> Checkpoint:
        """Where the log ends, and the hash there: whoever keeps it elsewhere can prove later that
        nothing up to it was changed. Refused for a log that does not verify."""
        door.journal.check()
        kept = await door.log_views.checkpoint(door.clock())
        return Checkpoint(kept.origin, kept.position, kept.hash.hex(), kept.at, kept.line)

    @post("/admin/log/verify", status_code=202, opt={"writes": False})
    async def verify() -> VerificationShape:
        """Verifies all of the log, in the background. One that is under way is joined."""
        door.verify_now()
        return verification_shape(door.verification)

    @get("/admin/log/verify")
    async def verified() -> VerificationShape:
        """How verifying stands."""
        return verification_shape(door.verification)

    @get("/admin/log/export", opt={"media": (LINES,)})
    async def export(request: Asked) -> Stream:
        """All of the log in a form to be kept, one event a line, with its hashes: docs/audit.md.
        Refused, or cut, for a log that does not verify."""
        door.journal.check()
        return streamed(_exported(door, request), LINES)

    return [checkpoint, verify, verified, export]


async def _exported(door: Door, request: Asked) -> AsyncGenerator[bytes, None]:
    try:
        async with aclosing(door.log_views.export(door.clock())) as pieces:
            async for piece in pieces:
                yield piece
                door.journal.check()
                go_on(door, request)  # one that is cut must not look whole
    except Broken:
        door.verify_now()  # what was seen here, all shall see
        raise


async def _sent(door: Door, request: Asked, wanted: _Wanted) -> AsyncGenerator[bytes, None]:
    after, limit, sent = wanted.after, wanted.limit, trio.current_time()
    if wanted.events:
        yield frames.RETRY
    while limit > 0:
        news, looked = door.journal.watch(), trio.current_time()
        page = await door.log_views.log(after, wanted.stream, wanted.type, limit, LOG_PAGE_BYTES)
        if page.events:
            yield _page(page.events, wanted.events)
            sent = trio.current_time()
        limit -= len(page.events)
        after = page.last
        if page.more:
            go_on(door, request)
            continue  # the history is sent to its end: one that is cut must not look whole
        if not wanted.follow or door.stop.is_set() or not door.still_allowed(request):
            return
        if await news_or_stop(door, news, KEEP_ALIVE_S):
            # what comes soon after is sent with it
            await news_or_stop(door, trio.Event(), looked + EVERY_S - trio.current_time())
        elif wanted.events and trio.current_time() - sent >= KEEP_ALIVE_S:
            yield frames.KEEP_ALIVE
            sent = trio.current_time()


def _page(events: list[tuple[int, bytes]], sse: bool) -> bytes:
    if sse:
        return b"".join(frames.line(position, data) for position, data in events)
    return b"".join(data + b"\n" for _, data in events)
