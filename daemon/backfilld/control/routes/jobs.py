"""One job: look at it, pause, resume or cancel it."""

import trio
from litestar import delete, get, post
from litestar.params import FromPath, RawBody
from litestar.types import ControllerRouterHandler

from ...backfill.commands import CancelJob, PauseJob, ResumeJob
from ...backfill.decide import Refused
from ...failures import clean
from ..door import Asked, Door, actor
from ..jobs import outlook
from ..jobs.holding import until_ended
from ..problems import BadRequest, decoded
from ..shapes import JobDetail
from ..shapes.progress import REASON_CHARS_MAX, VerbBody, VerbDone

SETTLES_S = 2.0  # so long the step that is under way may take, and the answer has the final word

_BODY = {"body": VerbBody, "body_required": False}

Verb = type[PauseJob] | type[ResumeJob] | type[CancelJob]


def routes(door: Door) -> list[ControllerRouterHandler]:
    """See the handlers. A job is named by its id, a unique beginning of it, or `last`."""

    @get("/admin/backfill/{job_id:str}")
    async def job(job_id: FromPath[str]) -> JobDetail:
        """One job, with all that is told of it."""
        return await the_job(door, job_id)

    @post("/admin/backfill/{job_id:str}/pause", status_code=200, opt=_BODY)
    async def pause(job_id: FromPath[str], body: RawBody, request: Asked) -> VerbDone:
        """Begins no further step of the job. Tap goes on with what it has."""
        return await carry_out(door, request, job_id, _reason(body), PauseJob)

    @post("/admin/backfill/{job_id:str}/resume", status_code=200, opt=_BODY)
    async def resume(job_id: FromPath[str], body: RawBody, request: Asked) -> VerbDone:
        """Goes on where the job was paused."""
        return await carry_out(door, request, job_id, _reason(body), ResumeJob)

    @post("/admin/backfill/{job_id:str}/cancel", status_code=200, opt=_BODY)
    async def cancel(job_id: FromPath[str], body: RawBody, request: Asked) -> VerbDone:
        """Ends the job. What it has handed over stays in Tap."""
        return await carry_out(door, request, job_id, _reason(body), CancelJob)

    @delete("/admin/backfill/{job_id:str}/details")
    async def forget(job_id: FromPath[str]) -> None:
        """Drops what was seen of the job's rates; the log keeps what was done."""
        if (detail := await door.views.job(job_id)) is not None:
            door.views.forget_samples(detail.position)

    @delete("/admin/backfill/details")
    async def forget_all() -> None:
        """The same for all jobs."""
        door.views.forget_samples(None)

    return [job, pause, resume, cancel, forget, forget_all]


async def the_job(door: Door, job_id: str) -> JobDetail:
    """The job of this name. Raises BadRequest."""
    detail = await door.views.job(job_id)
    if detail is None:
        raise not_found()
    return detail


def not_found() -> BadRequest:
    """What is said to whoever names a job that is not there, or several."""
    return BadRequest(
        404, "backfill job not found", "job-not-found",
        "name it by its id or a beginning that fits one job; see backfillctl jobs",
    )  # fmt: skip


async def carry_out(door: Door, request: Asked, job_id: str, reason: str, verb: Verb) -> VerbDone:
    """Does it, and waits a little for the final word. Raises BadRequest, Refused."""
    before = await the_job(door, job_id)
    if verb is CancelJob and before.state == "cancelled":
        return _done(before, None)
    _not_ended(before, verb)
    try:
        command = verb(before.id, clean(reason, REASON_CHARS_MAX))
        done = await door.desk.submit(command, actor(request))
    except Refused:
        _not_ended(await the_job(door, before.id), verb)  # it has ended in between
        raise
    if verb is PauseJob:
        with trio.move_on_after(SETTLES_S):
            await door.at_rest(before.id)
    elif verb is CancelJob:
        await until_ended(door, request, before.id, SETTLES_S)
    after = await the_job(door, before.id)
    return _done(after, done.rows[-1].position if done.rows else None)


def _reason(body: bytes) -> str:
    asked = decoded(body, VerbBody) if body.strip() else VerbBody()
    return asked.reason or ""


def _not_ended(job: JobDetail, verb: Verb) -> None:
    """Raises BadRequest for a job that has ended."""
    if job.completed_at is not None:
        wanted = "paused" if verb is ResumeJob else "running"
        raise BadRequest(
            400, f"job is not {wanted} (status: {job.status})", f"job-not-{wanted}",
            "it has ended; start a new one: backfillctl start",
        )  # fmt: skip


def _done(job: JobDetail, position: int | None) -> VerbDone:
    note = outlook.note(job.state, job.processed_repos)
    return VerbDone(job.id, job.status, job.state, note, position)
