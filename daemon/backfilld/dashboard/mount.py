"""All routes under /dashboard, as one router."""

from typing import Annotated

from litestar import Response, Router, get
from litestar.params import FromPath, FromQuery, Parameter, QueryParameter
from litestar.response import Redirect, Stream
from litestar.types import ControllerRouterHandler

from ..control.door import Asked, Door
from . import (
    account,
    acting,
    behind,
    covering,
    detail,
    entry,
    errors,
    files,
    letters,
    listing,
    lives,
    log_page,
    overview,
    tap_page,
)
from .frame import HOME, Frame
from .lives import Position, State
from .wrong import HANDLERS

_Word = Annotated[str, QueryParameter(name="class")]


def routes(door: Door) -> list[ControllerRouterHandler]:
    """The router; none if control.dashboard is false."""
    if not door.config().control.dashboard:
        return []
    frame = Frame(door)
    pages = [*_pages(frame), *_of_jobs(frame), *_of_repos(frame)]
    parts = (errors, letters, log_page, lives, acting, entry)
    handlers = [handler for part in parts for handler in part.routes(frame)]
    return [
        Router(
            "/dashboard",
            route_handlers=[*pages, *handlers, *files.routes()],
            exception_handlers=HANDLERS,
            include_in_schema=False,
        )
    ]


def _pages(frame: Frame) -> list[ControllerRouterHandler]:
    @get("/")
    async def first() -> Redirect:
        """The page to begin with."""
        return Redirect(HOME, status_code=303)

    @get("/overview")
    async def whole(request: Asked) -> Response[str]:
        """How all stands."""
        return await overview.page(frame, request)

    @get("/coverage/{nsid:str}")
    async def coverage(nsid: FromPath[str], request: Asked) -> Response[str]:
        """One collection over all jobs."""
        return await covering.page(frame, request, nsid)

    @get("/tap")
    async def tap(request: Asked) -> Response[str]:
        """Tap."""
        return await tap_page.page(frame, request)

    return [first, whole, coverage, tap]


def _of_jobs(frame: Frame) -> list[ControllerRouterHandler]:
    @get("/jobs", opt={"query": ("state", "collection", "before")})
    async def jobs(
        request: Asked,
        in_state: State = "",
        collection: FromQuery[str] = "",
        before: Position = None,
    ) -> Response[str]:
        """Jobs, newest first."""
        return await listing.page(frame, request, listing.sought(in_state, collection), before)

    @get("/jobs/{job_id:str}", opt={"query": ("wrote", "joined")})
    async def job(
        job_id: FromPath[str], request: Asked, wrote: Position = None, joined: bool = False
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

    return [jobs, job, cancel]


def _of_repos(frame: Frame) -> list[ControllerRouterHandler]:
    @get("/repos", opt={"query": ("job", "collection", "class", "cursor", "name")})
    async def repos(
        request: Asked,
        job: FromQuery[str] = "",
        collection: FromQuery[str] = "",
        word: _Word = "",
        cursor: FromQuery[str | None] = None,
        name: Annotated[str, Parameter(max_length=3_000)] = "",
    ) -> Response[str] | Redirect:
        """The repositories behind a number; or, by `name`, one of them."""
        if name.strip():
            return await behind.find(frame, request, name.strip())
        return await behind.page(frame, request, behind.question(job, collection, word), cursor)

    @get("/repos.txt", opt={"query": ("job", "collection", "class")})
    async def dids(
        request: Asked,
        job: FromQuery[str] = "",
        collection: FromQuery[str] = "",
        word: _Word = "",
    ) -> Stream:
        """The same as a list of DIDs."""
        return await behind.download(frame, request, behind.question(job, collection, word))

    @get("/repos/{name:str}", opt={"query": ("before",)})
    async def repo(name: FromPath[str], request: Asked, before: Position = None) -> Response[str]:
        """One account."""
        return await account.page(frame, request, name, before)

    return [repos, dids, repo]
