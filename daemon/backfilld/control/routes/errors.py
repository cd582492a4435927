"""What failed in a job, and another try for it."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, NamedTuple, NoReturn

import trio
from litestar import get, post
from litestar.params import FromPath, FromQuery, HeaderParameter, RawBody
from litestar.types import ControllerRouterHandler

from backfilld_events import ids
from backfilld_events.faults import MEANINGS, Fault
from backfilld_events.folds.job import Job
from backfilld_events.ids import Did
from backfilld_events.projections.classes import Class

from ...backfill import decide
from ...backfill.commands import Accounts, Retry, StartJob, packed
from ...failures import clean
from .. import covered
from ..door import Asked, Door, actor
from ..jobs.accounts import accounts
from ..problems import BadRequest, decoded
from ..shapes.errors import Errors, Retried, RetryBody
from ..shapes.progress import REASON_CHARS_MAX
from ..views.errors import Place
from .backfill import KEY
from .coverage import Limit, after, job_of
from .jobs import the_job

_NO_REPOS = (Fault.LISTING_FAILED, Fault.HANDOFF_REFUSED)  # there is nothing to hand over
_BY_ITSELF = (Fault.RATE_PARKED,)  # in a pace that their servers bear


class _Chosen(NamedTuple):
    """What is tried again, and how many failures are left out, by the reason."""

    dids: Sequence[Did]
    skipped: dict[str, int]


def routes(door: Door) -> list[ControllerRouterHandler]:
    """See the handlers."""

    @get("/admin/backfill/{job_id:str}/errors", opt={"query": ("kind", "cursor", "limit")})
    async def errors(
        job_id: FromPath[str],
        kind: FromQuery[str | None] = None,
        cursor: FromQuery[str | None] = None,
        limit: Limit = 50,
    ) -> Errors:
        """What failed, with the kind, the reason and what to do; of one `kind` if so asked."""
        return await errors_of(door, await job_named(door, job_id), kind, cursor, limit)

    @post(
        "/admin/backfill/{job_id:str}/retry-failed",
        status_code=201,
        opt={"body": RetryBody, "body_required": False},
    )
    async def retry_failed(
        job_id: FromPath[str],
        body: RawBody,
        request: Asked,
        idempotency_key: Annotated[
            str | None, HeaderParameter(name="Idempotency-Key", pattern=KEY)
        ] = None,
    ) -> Retried:
        """Starts a job for all of a job's repositories that failed: those that another try may
        help, or those of `kinds`, or `dids`. Tap fetches them anew."""
        wanted = decoded(body, RetryBody) if body.strip() else RetryBody()
        job = await job_named(door, job_id)
        return await tried_again(door, request, job, wanted, idempotency_key)

    return [errors, retry_failed]


async def job_named(door: Door, name: str) -> Job:
    """The job of this name. Raises BadRequest."""
    of = await job_of(door, name)
    if of.job is None:
        raise TypeError(f"{name} should be a job")
    return of.job


async def errors_of(
    door: Door, job: Job, kind: str | None, cursor: str | None, limit: int
) -> Errors:
    """What failed in a job. Raises BadRequest."""
    kinds, place = list(MEANINGS) if kind is None else _kinds([kind], "kind"), _place(cursor)
    found, upto = await door.log_views.errors(job, kinds, place, limit)
    counts = covered.kinds(await door.views.failed(job))
    return Errors(found, None if upto is None else _cursor(upto), counts)


async def tried_again(
    door: Door, request: Asked, job: Job, wanted: RetryBody, key: str | None = None
) -> Retried:
    """The job for what failed in another. Raises BadRequest, Refused."""
    if wanted.dids is not None and wanted.kinds is not None:
        raise BadRequest(
            400, "kinds and dids do not go together", "bad-request",
            "leave one of them out: dids says which repositories already", "kinds",
        )  # fmt: skip
    kinds = None if wanted.kinds is None else _kinds(wanted.kinds, "kinds")
    named: Accounts | None = None
    dids: Sequence[Did] = ()
    if wanted.dids is not None:
        dids = await accounts(door.handles, None, wanted.dids)
        named = await trio.to_thread.run_sync(packed, dids)
    command = StartJob(
        job.asked_for,
        None,
        mode="refetch",
        retries=Retry(
            job.id,
            job.collections,
            tuple(kind.word for kind in kinds or ()),
            None if named is None else named.digest,
        ),
        reason=clean(wanted.reason or "", REASON_CHARS_MAX),
        idempotency_key=key,
    )
    if (known := decide.asked_before(door.journal.state, command, actor(request))) is not None:
        return await _answer(door, known, job, {}, joined=True)
    chosen = await _of_dids(door, job, dids) if named else await _of_kinds(door, job, kinds)
    if not chosen.dids:
        _nothing(chosen.skipped)
    given = await trio.to_thread.run_sync(packed, chosen.dids)
    command = StartJob(
        command.collection,
        given,
        mode=command.mode,
        retries=command.retries,
        reason=command.reason,
        idempotency_key=key,
    )
    done = await door.desk.submit(command, actor(request))
    return await _answer(door, done.id or "", job, chosen.skipped, joined=done.joined)


async def _answer(
    door: Door, job_id: str, retries: Job, skipped: dict[str, int], *, joined: bool
) -> Retried:
    detail = await the_job(door, job_id)
    answer = Retried(
        id=detail.id,
        status=detail.status,
        state=detail.state,
        retries=retries.id,
        retried_repos=detail.total_repos,
        skipped=skipped,
        position=detail.position,
    )
    if joined:
        answer.joined = True
    return answer


async def _of_kinds(door: Door, job: Job, kinds: Sequence[Fault] | None) -> _Chosen:
    """Those that failed so; None: those that another try may help."""
    failed = await door.views.failed(job)
    if kinds is None:
        wanted = [fault for fault in failed if MEANINGS[fault].retryable]
    else:
        wanted = [fault for fault in failed if fault in kinds]
    left_out = {
        fault.word: n
        for fault, n in sorted(failed.items())
        if fault in (*_NO_REPOS, *_BY_ITSELF) or (kinds is None and fault not in wanted)
    }
    taken = [fault for fault in wanted if fault.word not in left_out]
    return _Chosen(await door.log_views.failed_dids(job, taken) if taken else [], left_out)


async def _of_dids(door: Door, job: Job, dids: Sequence[Did]) -> _Chosen:
    """Those of the named ones that failed, in whatever way."""
    found = await door.log_views.told_apart(job, [ids.pack_one(did) for did in dids])
    left_out: Counter[str] = Counter()
    chosen: list[Did] = []
    for did, told in zip(dids, found, strict=True):
        if told is not None and told[0] is Class.FAILED:
            chosen.append(did)
        else:
            left_out["not_of_this_job" if told is None else told[0].name.lower()] += 1
    return _Chosen(chosen, dict(left_out))


def _nothing(skipped: dict[str, int]) -> NoReturn:
    why = ", ".join(f"{kind} {n:,}" for kind, n in skipped.items())
    hint = "nothing of it has failed: GET …/coverage says how it stands"
    if why:
        hint = f"left out: {why}. To try failures that are final, name their kinds"
    raise BadRequest(400, "no retryable failures for this job", "nothing-to-retry", hint)


def _kinds(words: Sequence[str], field: str) -> list[Fault]:
    bad = next((word for word in words if word not in covered.KINDS), None)
    if bad is not None or not words:
        what = "no kind is named" if bad is None else f"there is no kind {ids.shown(bad)}"
        raise BadRequest(400, what, "bad-request", f"of {', '.join(covered.KINDS)}", field)
    return [covered.KINDS[word] for word in dict.fromkeys(words)]


def _cursor(place: Place) -> str:
    if place.listings is not None:
        return f"l{place.listings}"
    return f"e{place.repo}.{place.position}.{place.entries}"


def _place(cursor: str | None) -> Place:
    if cursor is None:
        return Place()
    if cursor[:1] == "l":
        return Place(after(cursor, "l"))
    parts = cursor[1:].split(".")
    numbers = [part.removeprefix("-") for part in parts[:1]] + parts[1:]
    good = [one.isascii() and one.isdecimal() and len(one) < 19 for one in numbers]
    if cursor[:1] != "e" or len(good) != 3 or not all(good):
        raise BadRequest(
            400, f"invalid cursor: {ids.shown(cursor)}", "bad-request",
            "take it from the page before, or leave it out", "cursor",
        )  # fmt: skip
    return Place(None, *map(int, parts))
