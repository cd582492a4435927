"""Commands become events, or a refusal that says why: pure functions of state and command.

A decision with nothing to do has no events, so asking twice is no error. Ids come in as values.
"""

from collections.abc import Mapping

from msgspec import Struct

from backfilld_events import ids
from backfilld_events.catalog.job import DidsGiven, JobFailed, JobStarted
from backfilld_events.catalog.lexicon import LexiconDeleted, LexiconUploaded
from backfilld_events.folds import State
from backfilld_events.ids import Nsid
from backfilld_events.row import PREVIOUS, NewEvent

from .commands import DeleteLexicon, StartJob, UploadLexicon


class Refused(Exception):
    """A command that cannot be carried out. `code` is a stable word, `hint` what to do now."""

    def __init__(self, code: str, why: str, hint: str) -> None:
        super().__init__(why)
        self.code, self.why, self.hint = code, why, hint


class Decision(Struct, frozen=True):
    """Events to append if the streams in `expected` still stand at these versions."""

    events: list[NewEvent]
    expected: Mapping[str, int]


def start_job(state: State, command: StartJob, *, job_id: str, actor: str) -> Decision:
    """Starts a job. One that has no target is started and failed in one breath, so that whoever
    waits for its end finds it."""
    stream = f"job/{job_id}"
    given = bool(command.dids)
    collections = _targets(state, command)
    started = JobStarted(
        collections=collections,
        asked_for=command.collection,
        asked_did=command.dids[0] if len(command.dids) == 1 else None,
        given=given,
        mode="add",
    )
    events = [NewEvent(stream, started, actor)]
    if not collections:
        events.append(NewEvent(stream, _no_target(command), actor, PREVIOUS))
    elif given:
        dids = DidsGiven(first=0, count=len(command.dids), dids=ids.pack(command.dids))
        events.append(NewEvent(stream, dids, actor, PREVIOUS))
    return Decision(events, {stream: 0})


def upload_lexicon(state: State, command: UploadLexicon, *, job_id: str, actor: str) -> Decision:
    """Takes in a document. The job it asks for stands in the same append, so neither is ever
    there without the other: at the first upload, and when `backfill` turns true."""
    document = command.document
    before = state.lexicons.get(document.id)
    stream = f"lexicon/{document.id}"
    uploaded = LexiconUploaded(
        nsid=document.id,
        revision=1 if before is None else before.revision + 1,
        kind=document.kind,
        backfill=command.backfill,
        target_collection=command.target_collection,
        document=document.text,
    )
    events = [NewEvent(stream, uploaded, actor)]
    expected = {stream: 0 if before is None else before.version}
    asked_before = before is not None and not before.deleted and before.backfill
    if document.kind == "record" and command.backfill and not asked_before:
        started = JobStarted(
            collections=[document.id],
            asked_for=document.id,
            asked_did=None,
            given=False,
            mode="add",
        )
        events.append(NewEvent(f"job/{job_id}", started, actor, PREVIOUS))
        expected[f"job/{job_id}"] = 0
    return Decision(events, expected)


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


def _targets(state: State, command: StartJob) -> list[Nsid]:
    records = [lexicon for lexicon in state.lexicons.values() if lexicon.is_record]
    if command.collection is not None:
        return [lexicon.nsid for lexicon in records if lexicon.nsid == command.collection]
    wanted = [lexicon for lexicon in records if lexicon.backfill or command.dids]
    return sorted(lexicon.nsid for lexicon in wanted)


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
