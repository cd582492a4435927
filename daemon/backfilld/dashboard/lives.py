"""Where the live parts of pages come from."""

from collections.abc import AsyncIterator
from typing import Annotated

from litestar import Response, get
from litestar.params import FromPath, FromQuery, Parameter, QueryParameter
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from ..control.door import Asked
from . import covering, detail, listing, live, overview, tap_page
from .frame import HEADERS, Frame, html
from .listing import Watched
from .said import Voice

POSITION_MAX = 2**62

State = Annotated[str, QueryParameter(name="state")]
Position = Annotated[int | None, Parameter(ge=0, le=POSITION_MAX)]


def routes(frame: Frame) -> list[ControllerRouterHandler]:
    """See the handlers. With `once` the parts are one answer, for who gets no stream through."""
    return [*_of_jobs(frame), *_of_others(frame)]


def _of_jobs(frame: Frame) -> list[ControllerRouterHandler]:
    @get("/live/jobs", opt={"query": ("rows", "seen", "state", "collection", "once")})
    async def live_jobs(
        request: Asked,
        rows: str = "",
        seen: Position = 0,
        in_state: State = "",
        collection: FromQuery[str] = "",
        once: bool = False,
    ) -> Response[str] | Stream:
        """The live parts of the list."""
        numbers = tuple(int(row) for row in rows.split(".")[: listing.ROWS] if _is_number(row))
        watched = Watched(numbers, seen or 0, listing.sought(in_state, collection))
        return await answered(frame, request, once, lambda: listing.look(frame, request, watched))

    @get("/live/jobs/{job_id:str}", opt={"query": ("once",)})
    async def live_job(
        job_id: FromPath[str], request: Asked, once: bool = False
    ) -> Response[str] | Stream:
        """The live parts of one job."""
        return await answered(frame, request, once, lambda: detail.look(frame, request, job_id))

    return [live_jobs, live_job]


def _of_others(frame: Frame) -> list[ControllerRouterHandler]:
    @get("/live/overview", opt={"query": ("once",)})
    async def live_overview(request: Asked, once: bool = False) -> Response[str] | Stream:
        """The live parts of the first page."""
        return await answered(frame, request, once, lambda: overview.look(frame, request))

    @get("/live/coverage/{nsid:str}", opt={"query": ("once",)})
    async def live_coverage(
        nsid: FromPath[str], request: Asked, once: bool = False
    ) -> Response[str] | Stream:
        """The live parts of one collection."""
        return await answered(frame, request, once, lambda: covering.look(frame, nsid))

    @get("/live/tap", opt={"query": ("once",)})
    async def live_tap(request: Asked, once: bool = False) -> Response[str] | Stream:
        """The live parts of Tap's page."""
        return await answered(frame, request, once, lambda: tap_page.look(frame))

    return [live_overview, live_coverage, live_tap]


async def answered(
    frame: Frame, request: Asked, once: bool, look: live.Look
) -> Response[str] | Stream:
    """A stream; with `once` the same parts as one answer, for who gets no stream through."""
    first = await look()  # what is wrong with the question is said before the stream begins
    if once:
        return html(live.partials(first.parts))
    headers = {**HEADERS, "x-accel-buffering": "no"}
    messages: AsyncIterator[bytes] = live.stream(frame.door, request, look, Voice())
    return Stream(messages, media_type="text/event-stream", headers=headers)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19
