"""The page of one job, and the one that asks whether to cancel it."""

from typing import Any

from litestar import Response

from ..control import covered
from ..control.door import Asked
from ..control.problems import BadRequest
from ..control.routes.coverage import job_of
from ..control.routes.jobs import the_job
from ..control.shapes import JobDetail
from . import covering, places
from .bars import bars
from .frame import Frame, rendered
from .listing import saying
from .live import View

EVENTS = 20

_PARTS = {
    "top": "top",
    "as-of": "as_of",
    "banner": "banner",
    "may": "does",
    "lanes": "lanes",
    "coverage": "coverage",
    "errors": "errors",
    "events": "events",
}


async def page(frame: Frame, request: Asked, job_id: str, note: str) -> Response[str]:
    """The page; `note` is what was just done. Raises BadRequest."""
    job = await the_job(frame.door, job_id)
    values = {
        **await _values(frame, job),
        "note": note,
        "here": "jobs",
        "live": f"/dashboard/live/jobs/{job.id}",
        "back": places.job(job.id),
    }
    return await frame.page(request, "job.html", values)


async def look(frame: Frame, request: Asked, job_id: str) -> View:
    """The page's live parts as they are now. Raises BadRequest."""
    job = await the_job(frame.door, job_id)
    values = {
        **await frame.stands(),
        **await _values(frame, job),
        "csrf": frame.door.csrf(request),
    }
    return View(rendered(_PARTS, values), [saying(job)])


async def cancel_page(frame: Frame, request: Asked, job_id: str) -> Response[str]:
    """What a cancellation ends and what it does not undo, before it is asked for. Raises
    BadRequest."""
    job = await the_job(frame.door, job_id)
    refused = next(one.why_not for one in job.actions if one.action == "cancel")
    if refused is not None:
        raise BadRequest(
            400, f"Job {job.id[:8]} cannot be cancelled: {refused}.", "job-not-running",
            "Its page shows how it stands.",
        )  # fmt: skip
    values = {
        "here": "jobs",
        "job": job,
        "left": job.total_repos - job.processed_repos,
        "back": f"{places.job(job.id)}/cancel",
    }
    return await frame.page(request, "cancel.html", values)


async def note_of(frame: Frame, job_id: str, wrote: int | None) -> str:
    """What was just done to a job, by the log: `wrote` is the event's position, 0 if there was
    nothing to write. An event that is not of this job is not told."""
    if wrote is None:
        return ""
    if wrote == 0:
        return "Nothing was written: it is so already."
    told = await frame.door.views.event(wrote)
    if told is None or not told.stream.startswith(f"job/{job_id}"):
        return ""
    return f"Written: event #{told.position:,}, {told.type}, by {told.actor}."


async def _values(frame: Frame, job: JobDetail) -> dict[str, Any]:
    of = await job_of(frame.door, job.id)
    failed = {} if of.job is None else await frame.door.views.failed(of.job)
    return {
        **await covering.values(frame, of),
        "job": job,
        "bars": bars(job),
        **covering.errors(covered.kinds(failed)),
        "events": await frame.door.views.newest(f"job/{job.id}", EVENTS),
        "events_max": EVENTS,
    }
