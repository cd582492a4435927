"""What a page's buttons do: the same commands as the API's, then back to a page that shows the
event which was written.

The one rule: a form is carried out only if it came from a page of this session.
"""

from litestar import Response, post
from litestar.params import FromPath, RawBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from ..backfill.commands import CancelJob, PauseJob, ResumeJob
from ..backfill.decide import Refused
from ..control.door import Asked, actor
from ..control.problems import BadRequest, note
from ..control.routes.backfill import command_of, plan_of
from ..control.routes.jobs import Verb, carry_out
from ..control.shapes import Problem
from . import forms, listing
from .frame import Frame
from .listing import Tried

Answer = Response[str] | Redirect


def routes(frame: Frame) -> list[ControllerRouterHandler]:
    """See the handlers."""

    @post("/jobs", status_code=200)
    async def start(body: RawBody, request: Asked) -> Answer:
        """Starts a job, or says what it would be. What is wrong is said on the page, with all that
        was filled in."""
        sent = _sent(frame, request, body)
        form = forms.start(sent)
        try:
            command = await command_of(frame.door, forms.start_body(form), None)
            if sent.get("do") == "preview":
                plan = await plan_of(frame.door, command, actor(request))
                return await _again(frame, request, Tried(form, plan))
            done = await frame.door.desk.submit(command, actor(request))
        except BadRequest as error:
            note(request, error.problem)
            return await _again(frame, request, Tried(form, problem=error.problem), error.status)
        except Refused as error:
            problem = Problem(error=error.why, code=error.code, hint=error.hint)
            note(request, problem)
            return await _again(frame, request, Tried(form, problem=problem), 409)
        told = "joined=1" if done.joined else f"wrote={done.rows[0].position}"
        return _to(f"/dashboard/jobs/{done.id}?{told}")

    @post("/jobs/{job_id:str}/pause", status_code=200)
    async def pause(job_id: FromPath[str], body: RawBody, request: Asked) -> Redirect:
        """Begins no further step of the job."""
        return await _do(frame, request, job_id, body, PauseJob)

    @post("/jobs/{job_id:str}/resume", status_code=200)
    async def resume(job_id: FromPath[str], body: RawBody, request: Asked) -> Redirect:
        """Goes on with the job."""
        return await _do(frame, request, job_id, body, ResumeJob)

    @post("/jobs/{job_id:str}/cancel", status_code=200)
    async def cancel(job_id: FromPath[str], body: RawBody, request: Asked) -> Redirect:
        """Ends the job."""
        return await _do(frame, request, job_id, body, CancelJob)

    return [start, pause, resume, cancel]


async def _do(frame: Frame, request: Asked, job_id: str, body: RawBody, verb: Verb) -> Redirect:
    reason = forms.reason(_sent(frame, request, body))
    done = await carry_out(frame.door, request, job_id, reason, verb)
    return _to(f"/dashboard/jobs/{done.id}?wrote={done.position or 0}")


async def _again(frame: Frame, request: Asked, tried: Tried, status: int = 200) -> Response[str]:
    return await listing.page(frame, request, listing.sought("", ""), tried=tried, status=status)


def _sent(frame: Frame, request: Asked, body: bytes) -> dict[str, str]:
    """The form's fields. Raises BadRequest."""
    sent = forms.fields(body)
    frame.door.check_csrf(request, sent.get("csrf"))
    return sent


def _to(path: str) -> Redirect:
    return Redirect(path, status_code=303)
