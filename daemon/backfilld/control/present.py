"""States of the log as the API's shapes. Pure but for the words' local zone."""

from collections.abc import Collection, Sequence
from typing import Any

from msgspec import Struct

from backfilld_events.folds.job import Job, Waiting
from backfilld_events.folds.lexicon import Lexicon
from backfilld_events.projections.classes import Class
from backfilld_events.projections.listing import Listed, reason
from backfilld_events.row import utc_text

from ..backfill.standing import Scene, Standing, standing
from . import words
from .jobs import outlook
from .jobs.progress import Sample, Samples
from .shapes import FailureShape, JobDetail, JobShape, LexiconShape, SyncShape, WaitingShape

_HAPPYVIEWS = ("record", "query", "procedure")  # what it tells apart in lexicons


def job_shape(
    job: Job,
    records: int,
    classes: dict[Class, int],
    scene: Scene,
    silent: Collection[str] = (),
) -> JobShape:
    """A job as the API shows it; `silent` as in words.sync. Pure."""
    total = sum(classes.values())
    handed = _handed(job, classes, total)
    stands = standing(job, scene)
    waiting = stands.waiting
    unmanaged = scene.limits.filters is None  # of a Tap that we run we know what it sends
    sync_state, sync_sentence = words.sync(job, classes, silent if unmanaged else ())
    added = words.summed(job, classes)
    return JobShape(
        id=job.id,
        collection=job.asked_for,
        did=job.asked_did,
        status=words.status(job, stands.state),
        total_repos=total,
        processed_repos=handed,
        total_records=records,
        error=words.error(job, total),
        started_at=utc_text(job.started_at),
        completed_at=None if job.ended_at is None else utc_text(job.ended_at),
        created_at=utc_text(job.started_at),
        stage=words.stage(job, stands.state),
        resolved_repos=handed,
        scope="accounts" if job.given else "network",
        discovery_complete=job.listed,
        recent_completions_limit=None,
        state=stands.state,
        sentence=words.sentence(job, stands, total),
        reason="log_broken" if stands.held_up == "log" else _reason(job, waiting),
        waiting_until=None if waiting is None else utc_text(waiting.retry_at),
        waiting=[_waiting(lane) for lane in (job.discovery, job.hand_off) if lane is not None],
        since=utc_text(_since(job, waiting)),
        collections=list(job.collections),
        mode=job.mode,
        priority=job.priority,
        why=job.reason or None,
        actor=job.actor,
        cause=job.cause,
        position=job.position,
        malformed=job.malformed,
        sync=SyncShape(
            state=sync_state,
            sentence=sync_sentence,
            active=added.here,
            failed=added.failed,
            gone=added.gone,
            open=added.open,
            classes={kind.name.lower(): classes.get(kind, 0) for kind in Class},
        ),
        ahead=stands.ahead,
        retries=job.retries,
        kinds=list(job.kinds),
    )


def job_detail(
    job: Job,
    row: JobShape,
    classes: dict[Class, int],
    scene: Scene,
    unfit: Sequence[Listed],
    samples: Samples,
    now: float,
    retried_by: Sequence[str] = (),
) -> JobDetail:
    """A job with all that is told of it beside its `row`; `samples` of its progress, and `now` as
    in them. Pure."""
    stands = standing(job, scene)
    return JobDetail(
        **_fields(row),
        lanes=outlook.lanes(job, classes, row.processed_repos, row.total_records),
        rates=outlook.rates(samples, now),
        eta=outlook.etas(job, stands, classes, samples),
        estimate=outlook.first_estimate(job),
        next=outlook.comes_next(job, stands, classes),
        actions=outlook.actions(stands.state, job.ended_at is not None, frozen=scene.frozen),
        failures=[
            FailureShape(one.did, one.kind.name.lower(), reason(one), one.since) for one in unfit
        ],
        failures_total=classes.get(Class.FAILED, 0) + classes.get(Class.GONE, 0),
        retried_by=list(retried_by),
    )


def job_sample(
    job: Job, records: int, classes: dict[Class, int], stands: Standing, at: float
) -> Sample:
    """What the job has done by `at` (seconds of trio's clock). Pure."""
    added = words.summed(job, classes)
    return Sample(
        at=at,
        found=job.discovered,
        handed_off=job.handed_off,
        records=records,
        settled=added.total - added.open,
        going=stands.state == "running",
    )


def lexicon_shape(lexicon: Lexicon) -> LexiconShape:
    """A lexicon as a list shows it. Pure."""
    return LexiconShape(
        id=lexicon.nsid,
        revision=lexicon.revision,
        lexicon_type=lexicon.kind if lexicon.kind in _HAPPYVIEWS else "definitions",
        backfill=lexicon.backfill,
        action=None,
        target_collection=lexicon.target_collection,
        source="manual" if lexicon.authority is None else "network",
        authority_did=lexicon.authority,
        last_fetched_at=None if lexicon.authority is None else utc_text(lexicon.updated_at),
        created_at=utc_text(lexicon.created_at),
        updated_at=utc_text(lexicon.updated_at),
        token_cost=None,
        has_script=False,
        has_index_hook=False,
        kind=lexicon.kind,
    )


def _reason(job: Job, waiting: Waiting | None) -> str | None:
    if job.failure is not None:
        return job.failure.code
    if waiting is not None:
        return f"{'tap' if waiting.lane == 'hand-off' else 'relay'}_{waiting.kind}"
    return "listing_failed" if job.failed_listings else None


def _handed(job: Job, classes: dict[Class, int], total: int) -> int:
    """Repositories that are handed over, each counted once; ordinals count some twice, and those
    of a look also what is not new."""
    if job.look:
        return total - classes.get(Class.DISCOVERED, 0)
    return total if job.handed_off == job.discovered else min(job.handed_off, total)


def _since(job: Job, waiting: Waiting | None) -> float:
    if waiting is not None:
        return waiting.since
    stopped = job.paused or (job.cancel if job.ended_at is None else None)
    return job.last_at if stopped is None else stopped.at


def _waiting(waiting: Waiting) -> WaitingShape:
    return WaitingShape(
        lane=waiting.lane,
        peer=waiting.peer,
        kind=waiting.kind,
        message=waiting.message,
        attempt=waiting.attempt,
        since=utc_text(waiting.since),
        retry_at=utc_text(waiting.retry_at),
    )


def _fields(shape: Struct) -> dict[str, Any]:
    return {name: getattr(shape, name) for name in shape.__struct_fields__}
