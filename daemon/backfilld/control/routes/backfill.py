"""Jobs: start one, say what it would be, list them."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
import trio
from litestar import Response, get, post
from litestar.openapi import ResponseSpec
from litestar.params import FromQuery, HeaderParameter, Parameter, RawBody
from litestar.types import ControllerRouterHandler

from backfilld_events import ids
from backfilld_events.catalog.job import JobFailed, JobStarted

from ...backfill import decide
from ...backfill.commands import StartJob, packed
from ...failures import clean
from ..door import Asked, Door, actor
from ..jobs import forecast, holding
from ..jobs.accounts import accounts
from ..live.following import go_on, streamed
from ..problems import BadRequest, decoded, nsid_of
from ..shapes import JobDetail, JobShape, StartBody, Started
from ..shapes.progress import REASON_CHARS_MAX, Plan
from ..views.jobs import JobPage, Wanted
from .jobs import the_job

PAST_JOBS = 5  # whose rates a plan rests on
LIST_MAX = 1000
STATUSES = (
    "pending", "running", "pausing", "paused", "cancelling", "cancelled", "completed", "failed",
)  # fmt: skip

KEY = "^[ -~]{1,255}$"  # a header's value has no line's end
_FILTERS = ("limit", "cursor", "status", "collection", "did")
_STARTED = ResponseSpec(data_container=Started, description="The job, durable.")
_PLAN = ResponseSpec(
    Plan, generate_examples=False, description="With dry_run: what the job would be."
)
_JOBS = ResponseSpec(list[JobShape], generate_examples=False, description="Newest first.")


def routes(door: Door) -> list[ControllerRouterHandler]:
    """See the handlers."""

    @post(
        "/admin/backfill",
        status_code=201,
        opt={"query": ("wait", "dry_run"), "body": StartBody},
        responses={200: _PLAN, 201: _STARTED},
    )
    async def start(
        body: RawBody,
        request: Asked,
        wait: Annotated[int | None, Parameter(ge=1, le=holding.WAIT_S_MAX)] = None,
        dry_run: FromQuery[bool] = False,
        idempotency_key: Annotated[
            str | None, HeaderParameter(name="Idempotency-Key", pattern=KEY)
        ] = None,
    ) -> Response[Any]:
        """Starts a job; answers as soon as its first event is durable, or when it has ended if
        asked to wait."""
        command = await command_of(door, decoded(body, StartBody), idempotency_key)
        if dry_run:
            return Response(await plan_of(door, command, actor(request)), status_code=200)
        done = await door.desk.submit(command, actor(request))
        job_id = done.id or ""
        seconds = wait or holding.preferred_wait(request)
        if seconds is not None:
            await holding.until_ended(door, request, job_id, seconds)
        detail = await the_job(door, job_id)
        started = _started(detail, as_it_is=done.joined or seconds is not None)
        if done.rows:
            started.position = done.rows[-1].position
        if done.joined:
            started.joined = True
        if seconds is not None:
            started.total_repos = detail.total_repos
        return Response(started, status_code=201)

    @get("/admin/backfill/status", opt={"query": _FILTERS}, responses={200: _JOBS})
    async def jobs(
        request: Asked,
        limit: Annotated[int | None, Parameter(ge=1, le=LIST_MAX)] = None,
        cursor: FromQuery[str | None] = None,
        status: FromQuery[str | None] = None,
        collection: FromQuery[str | None] = None,
        did: FromQuery[str | None] = None,
    ) -> Response[Any]:
        """Jobs, newest first: all, or `limit` of them and a Link to the next. `did`: those that
        were asked for this account, alone or in a list."""
        wanted = _wanted(status, collection, did)
        if limit is None:
            return streamed(_all(door, request, wanted, _before(cursor)), "application/json")
        found = await _some(door, wanted, _before(cursor), limit + 1)
        headers: dict[str, str] = {}
        if len(found) > limit:
            query = {"limit": limit, "status": status, "collection": collection, "did": did}
            headers["Link"] = _next(query, found[limit - 1].position)
        return Response(found[:limit], headers=headers)

    return [start, jobs]


async def command_of(door: Door, body: StartBody, idempotency_key: str | None) -> StartJob:
    """The command that a body asks for; handles are looked up. Raises BadRequest."""
    collection = nsid_of(body.collection, "collection")
    dids = await accounts(door.handles, body.did, body.dids)
    return StartJob(
        collection,
        await trio.to_thread.run_sync(packed, dids) if dids else None,
        mode=body.mode or door.config().jobs.mode,
        priority=body.priority or 0,
        reason=clean(body.reason or "", REASON_CHARS_MAX),
        idempotency_key=idempotency_key,
    )


def _started(detail: JobDetail, *, as_it_is: bool) -> Started:
    ended = detail.completed_at is not None and detail.state == "failed"
    return Started(
        id=detail.id,
        status=detail.status if as_it_is or ended else "pending",
        state=detail.state if as_it_is or ended else "pending",
        collections=detail.collections,
        position=detail.position,
        error=msgspec.UNSET if detail.error is None else detail.error,
    )


async def plan_of(door: Door, command: StartJob, actor: str) -> Plan:
    """What the job would be; nothing is written."""
    decision = decide.start_job(door.journal.state, command, job_id="", actor=actor)
    events = [new.event for new in decision.events]
    failed = next((one for one in events if isinstance(one, JobFailed)), None)
    started = next((one for one in events if isinstance(one, JobStarted)), None)
    if started is not None:
        collections = started.collections
    else:
        collections = [
            ids.Nsid(one) for one in (await the_job(door, decision.id or "")).collections
        ]
    if command.accounts is not None:
        expected = forecast.exactly(command.accounts.count)
    elif failed is not None:
        expected = forecast.nothing(failed.why)
    else:
        whole = await door.views.past(collections, 1)
        parts = [await door.views.past([one], 1) for one in collections] if not whole else []
        expected = forecast.expected(
            whole[0] if whole else None, [part[0] if part else None for part in parts]
        )
    past = await door.views.past(None, PAST_JOBS)
    anew = await door.views.fetched_anew(command.mode, collections, command.accounts)
    return Plan(
        dry_run=True,
        collections=list(collections),
        accounts=None if command.accounts is None else command.accounts.count,
        expected=expected,
        duration=forecast.duration(expected.repos, past),
        would_join=decision.id if decision.joined else None,
        error=msgspec.UNSET if failed is None else failed.why,
        mode=command.mode,
        refetch=None if failed is not None else forecast.refetched(command.mode, anew),
    )


def _wanted(status: str | None, collection: str | None, did: str | None) -> Wanted:
    if status is not None and status not in STATUSES:
        raise BadRequest(
            400, f"no job has the status {ids.shown(status)}", "bad-request",
            f"one of {', '.join(STATUSES)}", "status",
        )  # fmt: skip
    if did is not None and not ids.is_did(did):
        raise BadRequest(
            400, f"{ids.shown(did)} is not a DID", "bad-request",
            "a DID looks like did:plc:ewvi7nxzyoun6zhxrhs64oiz", "did",
        )  # fmt: skip
    return Wanted(status, nsid_of(collection, "collection"), None if did is None else ids.Did(did))


def _before(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if cursor[:1] != "j" or not cursor[1:].isascii() or not cursor[1:19].isdecimal():
        raise BadRequest(
            400, f"invalid cursor: {ids.shown(cursor)}", "bad-request",
            "take it from the Link of the page before, or leave it out", "cursor",
        )  # fmt: skip
    return int(cursor[1:19])


def _next(query: Mapping[str, str | int | None], last: int) -> str:
    asked = {name: value for name, value in query.items() if value is not None}
    where = urlencode({**asked, "cursor": f"j{last}"})
    return f'</admin/backfill/status?{where}>; rel="next"'


async def _some(door: Door, wanted: Wanted, before: int | None, limit: int) -> list[JobShape]:
    found: list[JobShape] = []
    async with aclosing(_pages(door, wanted, before)) as pages:
        async for page in pages:
            found += page.jobs
            if len(found) >= limit:
                break
    return found[:limit]


async def _all(
    door: Door, request: Asked, wanted: Wanted, before: int | None
) -> AsyncGenerator[bytes, None]:
    """One array, never whole in memory."""
    between = b"["
    async with aclosing(_pages(door, wanted, before)) as pages:
        async for page in pages:
            go_on(door, request)
            for job in page.jobs:
                yield between + msgspec.json.encode(job)
                between = b","
    yield b"[]" if between == b"[" else b"]"


async def _pages(door: Door, wanted: Wanted, before: int | None) -> AsyncGenerator[JobPage, None]:
    while True:
        page = await door.views.page(wanted, before)
        yield page
        if page.before is None:
            return
        before = page.before
