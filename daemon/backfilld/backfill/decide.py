"""Commands become events, or a refusal that says why: pure functions of state and command.

A decision with nothing to do has no events, so asking twice is no error. Ids come in as values.
"""

import hashlib
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from backfilld_events.catalog.job import (
    DidsGiven,
    JobCancelAsked,
    JobFailed,
    JobPaused,
    JobResumed,
    JobStarted,
)
from backfilld_events.catalog.lexicon import LexiconDeleted, LexiconFetched, LexiconUploaded
from backfilld_events.folds import State
from backfilld_events.folds.control import asked_as
from backfilld_events.folds.job import Job
from backfilld_events.ids import Nsid
from backfilld_events.row import PREVIOUS, NewEvent

from .commands import (
    CancelJob,
    DeleteLexicon,
    PauseJob,
    ResumeJob,
    StartJob,
    UploadLexicon,
)

_ENDED = "backfillctl jobs shows how each job stands; start a new one with backfillctl start"


class Refused(Exception):
    """A command that cannot be carried out. `code` is a stable word, `hint` what to do now, `field`
    the part of it that is at fault."""

    def __init__(self, code: str, why: str, hint: str, field: str | None = None) -> None:
        super().__init__(why)
        self.code, self.why, self.hint, self.field = code, why, hint, field


class Decision(Struct, frozen=True):
    """Events to append if the streams in `expected` still stand at these versions. `id` is that of
    the job or key it is about; `joined`: the job was there already."""

    events: list[NewEvent]
    expected: Mapping[str, int]
    id: str | None = None
    joined: bool = False


def start_job(state: State, command: StartJob, *, job_id: str, actor: str) -> Decision:
    """Starts a job, unless an equal one is under way: then that is the job. One that has no target
    is started and failed in one breath, so that whoever waits for its end finds it. Raises Refused
    for an idempotency key under which the actor asked for something else."""
    if (known := asked_before(state, command, actor)) is not None:
        return Decision([], {}, known, joined=True)
    stream = f"job/{job_id}"
    accounts = command.accounts
    collections = _targets(state, command)
    started = JobStarted(
        collections=collections,
        asked_for=command.collection,
        asked_did=None if accounts is None else accounts.only,
        given=accounts is not None,
        mode=command.mode,
        priority=command.priority,
        reason=command.reason,
        idempotency_key=command.idempotency_key,
        digest=None if accounts is None else accounts.digest,
        listed_from=command.listed_from,
        request=None if command.idempotency_key is None else _digest(command),
        retries=None if command.retries is None else command.retries.job_id,
        kinds=[] if command.retries is None else list(command.retries.kinds),
    )
    equal = _under_way(state, started)
    if equal is not None and command.idempotency_key is None:
        return Decision([], {}, equal, joined=True)
    events = [NewEvent(stream, started, actor, command.cause)]
    if not collections:
        events.append(NewEvent(stream, _no_target(command), actor, PREVIOUS))
    elif accounts is not None:
        first = 0
        for count, dids in accounts.parts:
            given = DidsGiven(first=first, count=count, dids=dids)
            events.append(NewEvent(stream, given, actor, PREVIOUS))
            first += count
    return Decision(events, {stream: 0}, job_id)


def asked_before(state: State, command: StartJob, actor: str) -> str | None:
    """The job that the actor started with the same idempotency key. Raises Refused for a key under
    which the actor asked for something else."""
    if command.idempotency_key is None:
        return None
    known = state.control.asked.get(asked_as(actor, command.idempotency_key))
    if known is not None and known.request != _digest(command):
        raise Refused(
            "idempotency-key-reused",
            f"this idempotency key was sent with another request: job {known.job_id}",
            "send a key of its own with each request, the same only to repeat it",
        )
    return None if known is None else known.job_id


def pause_job(state: State, command: PauseJob, *, actor: str) -> Decision:
    """Pauses a job; nothing to do for one that is paused. Raises Refused."""
    job = _unended(state, command.job_id)
    if job.cancel is not None:
        raise Refused("job-not-running", "job is not running (status: cancelling)", _ENDED)
    if job.paused is not None:
        return Decision([], {}, job.id)
    return _of_job(job, JobPaused(reason=command.reason), actor)


def resume_job(state: State, command: ResumeJob, *, actor: str) -> Decision:
    """Goes on with a job; nothing to do for one that is not paused. Raises Refused."""
    job = _unended(state, command.job_id, "paused")
    if job.cancel is not None:
        raise Refused("job-not-paused", "job is not paused (status: cancelling)", _ENDED)
    if job.paused is None:
        return Decision([], {}, job.id)
    return _of_job(job, JobResumed(reason=command.reason), actor)


def cancel_job(state: State, command: CancelJob, *, actor: str) -> Decision:
    """Asks for the end of a job; whoever runs it writes that end. Raises Refused."""
    job = _unended(state, command.job_id)
    if job.cancel is not None:
        return Decision([], {}, job.id)
    return _of_job(job, JobCancelAsked(reason=command.reason), actor)


def upload_lexicon(state: State, command: UploadLexicon, *, job_id: str, actor: str) -> Decision:
    """Takes in a document. The job it asks for stands in the same append, so neither is ever
    there without the other: at the first upload, and when `backfill` turns true. If an equal job is
    under way, that is the job."""
    document = command.document
    before = state.lexicons.get(document.id)
    stream = f"lexicon/{document.id}"
    revision = 1 if before is None else before.revision + 1
    events = [NewEvent(stream, _taken_in(command, revision), actor)]
    expected = {stream: 0 if before is None else before.version}
    asked_before = before is not None and not before.deleted and before.backfill
    wants = command.backfill and not asked_before and document.kind == "record"
    if not wants or not command.may_start:
        return Decision(events, expected)
    started = JobStarted(
        collections=[document.id],
        asked_for=document.id,
        asked_did=None,
        given=False,
        mode=command.mode,
    )
    if (equal := _under_way(state, started)) is not None:
        return Decision(events, expected, equal, joined=True)
    events.append(NewEvent(f"job/{job_id}", started, actor, PREVIOUS))
    expected[f"job/{job_id}"] = 0
    return Decision(events, expected, job_id)


def delete_lexicon(state: State, command: DeleteLexicon, *, actor: str) -> Decision:
    """Forgets a lexicon. Raises Refused for one that is not there."""
    lexicon = state.lexicons.get(command.nsid)
    if lexicon is None or lexicon.deleted:
        raise Refused(
            "lexicon-not-found",
            f"lexicon '{command.nsid}' not found",
            "backfillctl lexicon ls shows those that are there",
        )
    stream = f"lexicon/{command.nsid}"
    event = LexiconDeleted(nsid=command.nsid)
    return Decision([NewEvent(stream, event, actor)], {stream: lexicon.version})


def _taken_in(command: UploadLexicon, revision: int) -> LexiconUploaded | LexiconFetched:
    document, found_on = command.document, command.found_on
    if found_on is None:
        return LexiconUploaded(
            nsid=document.id,
            revision=revision,
            kind=document.kind,
            backfill=command.backfill,
            target_collection=command.target_collection,
            document=document.text,
        )
    return LexiconFetched(
        nsid=document.id,
        revision=revision,
        kind=document.kind,
        backfill=command.backfill,
        target_collection=command.target_collection,
        document=document.text,
        authority=found_on.authority,
        uri=found_on.uri,
        cid=found_on.cid,
    )


def _unended(state: State, job_id: str, wanted: str = "running") -> Job:
    job = state.jobs.get(job_id)
    if job is None:
        raise Refused(f"job-not-{wanted}", f"job is not {wanted} (it has ended)", _ENDED)
    return job


def _of_job(job: Job, event: JobPaused | JobResumed | JobCancelAsked, actor: str) -> Decision:
    stream = f"job/{job.id}"
    return Decision([NewEvent(stream, event, actor)], {stream: job.version}, job.id)


def _under_way(state: State, asked: JobStarted) -> str | None:
    return next((job.id for job in state.jobs.values() if _same(job, asked)), None)


def _same(job: Job, asked: JobStarted) -> bool:
    """Whether `job` finds, hands over and counts what `asked` would, and no later than `asked`
    would. A look that began by itself counts only what is new."""
    return (
        job.cancel is None
        and job.paused is None
        and job.collections == tuple(asked.collections)
        and (job.asked_for, job.given, job.digest) == (asked.asked_for, asked.given, asked.digest)
        and (job.mode, job.retries) == (asked.mode, asked.retries)
        and not job.look
        and (job.begun or job.priority >= asked.priority)
    )


def _digest(command: StartJob) -> bytes:
    # what failed has changed when somebody repeats his request, so that is not part of it
    named = None if command.accounts is None or command.retries else command.accounts
    accounts = None if named is None else named.digest
    asked: tuple[object, ...] = (
        command.collection, accounts, command.priority, command.reason
    )  # fmt: skip
    if command.mode != "auto" or command.retries is not None:
        asked = (*asked, command.mode, command.retries)
    return hashlib.sha256(msgspec.msgpack.encode(asked)).digest()


def _targets(state: State, command: StartJob) -> list[Nsid]:
    records = [lexicon for lexicon in state.lexicons.values() if lexicon.is_record]
    if command.retries is not None:
        known = {lexicon.nsid for lexicon in records}
        return [nsid for nsid in command.retries.collections if nsid in known]
    if command.collection is not None:
        return [lexicon.nsid for lexicon in records if lexicon.nsid == command.collection]
    return sorted(lexicon.nsid for lexicon in records)


def _no_target(command: StartJob) -> JobFailed:
    if command.collection is None:
        return JobFailed(
            code="no_collections",
            why="no backfill-eligible collections: add a record lexicon first",
        )
    return JobFailed(
        code="no_such_lexicon",
        why=f"no record lexicon {command.collection}: add it first (backfillctl lexicon add FILE)",
    )
