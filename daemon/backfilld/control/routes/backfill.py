"""Jobs: start one, list them, look at one."""

import msgspec
from litestar import get, post
from litestar.types import ControllerRouterHandler

from backfilld_events import ids
from backfilld_events.ids import Did

from ...backfill.commands import StartJob
from ..door import Asked, Door, actor
from ..problems import BadRequest, decoded, nsid_of
from ..shapes import (
    JobDetail,
    JobShape,
    StartBody,
    Started,
)


def routes(door: Door) -> list[ControllerRouterHandler]:
    """See the handlers."""

    @post("/admin/backfill", status_code=201)
    async def start(body: bytes, request: Asked) -> Started:
        """Starts a job; answers as soon as its first event is durable."""
        done = await door.desk.submit(_command(decoded(body, StartBody)), actor(request))
        detail = await _the_job(door, done.id or "")
        return Started(
            id=detail.id,
            status="failed" if detail.state == "failed" else "pending",
            state=detail.state if detail.state == "failed" else "pending",
            collections=detail.collections,
            position=done.rows[-1].position if done.rows else detail.position,
            error=msgspec.UNSET if detail.error is None else detail.error,
        )

    @get("/admin/backfill/status")
    async def jobs() -> list[JobShape]:
        """Every job, newest first."""
        return await door.views.jobs()

    @get("/admin/backfill/{job_id:str}")
    async def job(job_id: str) -> JobDetail:
        """One job: by its id, a unique beginning of it, or `last`."""
        return await _the_job(door, job_id)

    return [start, jobs, job]


async def _the_job(door: Door, job_id: str) -> JobDetail:
    detail = await door.views.job(job_id)
    if detail is None:
        raise BadRequest(
            404, "backfill job not found", "job-not-found",
            "name it by its id or a beginning that fits one job; see backfillctl jobs",
        )  # fmt: skip
    return detail


def _command(body: StartBody) -> StartJob:
    given = [*([body.did] if body.did is not None else []), *(body.dids or [])]
    if body.dids is not None and not any(entry.strip() for entry in given):
        raise BadRequest(
            400, "no valid accounts given: every entry was blank", "bad-request",
            "name DIDs, or leave dids out to ask the relay", "dids",
        )  # fmt: skip
    dids: list[Did] = []
    bad: list[str] = []
    for entry in given:
        if ids.is_did(entry):
            dids.append(Did(entry))
        else:
            bad.append(ids.shown(entry))
    if bad:
        raise BadRequest(
            400, f"not a DID: {', '.join(bad)}", "bad-did",
            "a DID looks like did:plc:ewvi7nxzyoun6zhxrhs64oiz", "did",
        )  # fmt: skip
    return StartJob(nsid_of(body.collection, "collection"), tuple(dict.fromkeys(dids)))
