"""States of the log as the API's shapes. Pure but for the words' local zone."""

from backfilld_events.folds import State
from backfilld_events.folds.job import Job, Waiting
from backfilld_events.folds.lexicon import Lexicon
from backfilld_events.projections.classes import OPEN, Class
from backfilld_events.row import utc_text

from ..backfill.standing import Scene, standing
from . import words
from .shapes import JobShape, LexiconShape, SyncShape, WaitingShape


def job_shape(job: Job, records: int, classes: dict[Class, int], scene: Scene) -> JobShape:
    """A job as the API shows it. Pure."""
    total = sum(classes.values())
    handed = total if job.handed_off == job.discovered else min(job.handed_off, total)
    stands = standing(job, scene)
    waiting = stands.waiting
    sync_state, sync_sentence = words.sync(job, classes)
    open_ = sum(n for kind, n in classes.items() if kind in OPEN)
    failed, gone = classes.get(Class.FAILED, 0), classes.get(Class.GONE, 0)
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
        reason=_reason(job, waiting),
        waiting_until=None if waiting is None else utc_text(waiting.retry_at),
        waiting=[_waiting(lane) for lane in (job.discovery, job.hand_off) if lane is not None],
        since=utc_text(_since(job, waiting)),
        collections=list(job.collections),
        mode="add",
        priority=job.priority,
        why=job.reason or None,
        actor=job.actor,
        cause=job.cause,
        position=job.position,
        malformed=job.malformed,
        sync=SyncShape(
            state=sync_state,
            sentence=sync_sentence,
            active=total - open_ - failed - gone,
            failed=failed,
            gone=gone,
            open=open_,
            classes={kind.name.lower(): classes.get(kind, 0) for kind in Class},
        ),
    )


def lexicon_shape(lexicon: Lexicon) -> LexiconShape:
    """A lexicon as a list shows it. Pure."""
    return LexiconShape(
        id=lexicon.nsid,
        revision=lexicon.revision,
        lexicon_type=lexicon.kind,
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
    )


def lexicons(state: State) -> list[LexiconShape]:
    """The lexicons that are there, by id."""
    return [
        lexicon_shape(lexicon)
        for _, lexicon in sorted(state.lexicons.items())
        if not lexicon.deleted
    ]


def _reason(job: Job, waiting: Waiting | None) -> str | None:
    if job.failure is not None:
        return job.failure.code
    if waiting is not None:
        return f"{'tap' if waiting.lane == 'hand-off' else 'relay'}_{waiting.kind}"
    return "listing_failed" if job.failed_listings else None


def _since(job: Job, waiting: Waiting | None) -> float:
    if waiting is not None:
        return waiting.since
    return job.last_at if job.paused is None else job.paused.at


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
