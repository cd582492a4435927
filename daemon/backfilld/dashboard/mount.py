"""All routes under /dashboard, as one router."""

from collections.abc import AsyncIterator
from typing import Annotated

from litestar import Response, Router, get
from litestar.params import FromPath, FromQuery, Parameter, QueryParameter
from litestar.response import Redirect, Stream
from litestar.types import ControllerRouterHandler

from ..control.door import Asked, Door
from . import acting, detail, entry, files, listing, live
from .frame import HEADERS, HOME, Frame, html
from .listing import Watched
from .said import Voice
from .wrong import HANDLERS

POSITION_MAX = 2**62

_State = Annotated[str, QueryParameter(name="state")]
_Position = Annotated[int | None, Parameter(ge=0, le=POSITION_MAX)]


def routes(door: Door) -> list[ControllerRouterHandler]:
    """The router; none if control.dashboard is false."""
    if not door.config().control.dashboard:
        return []
    frame = Frame(door)
    parts = [*_pages(frame), *_lives(frame), *acting.routes(frame), *entry.routes(frame)]
    return [
        Router(
            "/dashboard",
            route_handlers=[*parts, *files.routes()],
            exception_handlers=HANDLERS,
            include_in_schema=False,
        )
    ]


def _pages(frame: Frame) -> list[ControllerRouterHandler]:
    @get("/")
    async def first() -> Redirect:
        """The page to begin with."""
        return Redirect(HOME, status_code=303)

    @get("/jobs", opt={"query": ("state", "collection", "before")})
    async def jobs(
        request: Asked,
        in_state: _State = "",
        collection: FromQuery[str] = "",
        before: _Position = None,
    ) -> Response[str]:
        """Jobs, newest first."""
        return await listing.page(frame, request, listing.sought(in_state, collection), before)

    @get("/jobs/{job_id:str}", opt={"query": ("wrote", "joined")})
    async def job(
        job_id: FromPath[str], request: Asked, wrote: _Position = None, joined: bool = False
    ) -> Response[str]:
        """One job."""
        note = await detail.note_of(frame, job_id, wrote)
        if joined:
            note = "An equal job was under way already: this is it. Nothing was written."
        return await detail.page(frame, request, job_id, note)

    @get("/jobs/{job_id:str}/cancel")
    async def cancel(job_id: FromPath[str], request: Asked) -> Response[str]:
        """Asks before a job is cancelled."""
        return await detail.cancel_page(frame, request, job_id)

    return [first, jobs, job, cancel]


def _lives(frame: Frame) -> list[ControllerRouterHandler]:
    @get("/live/jobs", opt={"query": ("rows", "seen", "state", "collection", "once")})
    async def live_jobs(
        request: Asked,
        rows: str = "",
        seen: _Position = 0,
        in_state: _State = "",
        collection: FromQuery[str] = "",
        once: bool = False,
    ) -> Response[str] | Stream:
        """The live parts of the list."""
        numbers = tuple(int(row) for row in rows.split(".")[: listing.ROWS] if _is_number(row))
        watched = Watched(numbers, seen or 0, listing.sought(in_state, collection))
        return await _live(frame, request, once, lambda: listing.look(frame, request, watched))

    @get("/live/jobs/{job_id:str}", opt={"query": ("once",)})
    async def live_job(
        job_id: FromPath[str], request: Asked, once: bool = False
    ) -> Response[str] | Stream:
        """The live parts of one job."""
        return await _live(frame, request, once, lambda: detail.look(frame, request, job_id))

    return [live_jobs, live_job]


async def _live(
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
