"""What failed in a job, one by one, and another try for it."""

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, RawBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from ..control.door import Asked
from ..control.routes.errors import errors_of, job_named, tried_again
from ..control.shapes.errors import RetryBody
from . import forms, places
from .frame import Frame

ROWS = 25


def routes(frame: Frame) -> list[ControllerRouterHandler]:
    """See the handlers."""

    @get("/jobs/{job_id:str}/errors", opt={"query": ("kind", "cursor")})
    async def errors(
        job_id: FromPath[str],
        request: Asked,
        kind: FromQuery[str] = "",
        cursor: FromQuery[str | None] = None,
    ) -> Response[str]:
        """What failed in a job."""
        return await _page(frame, request, job_id, kind, cursor)

    @post("/jobs/{job_id:str}/retry-failed", status_code=200)
    async def retry(job_id: FromPath[str], body: RawBody, request: Asked) -> Redirect:
        """Starts a job for what failed: of one kind, or all that another try may help."""
        sent = forms.fields(body)
        frame.door.check_csrf(request, sent.get("csrf"))
        kinds = [sent["kind"]] if sent.get("kind") else None
        wanted = RetryBody(kinds=kinds, reason=forms.reason(sent) or None)
        job = await job_named(frame.door, job_id)
        done = await tried_again(frame.door, request, job, wanted)
        told = "joined=1" if done.joined is True else f"wrote={done.position}"
        return Redirect(f"{places.job(done.id)}?{told}", status_code=303)

    return [errors, retry]


async def _page(
    frame: Frame, request: Asked, name: str, kind: str, cursor: str | None
) -> Response[str]:
    job = await job_named(frame.door, name)
    told = await errors_of(frame.door, job, kind or None, cursor, ROWS)
    path = f"{places.job(job.id)}/errors"
    values = {
        "here": "jobs",
        "job": job,
        "kind": kind,
        "told": told,
        "first": places.asked(path, kind=kind) if cursor else "",
        "next": places.asked(path, kind=kind, cursor=told.cursor) if told.cursor else "",
        "back": places.asked(path, kind=kind, cursor=cursor),
    }
    return await frame.page(request, "errors.html", values)
