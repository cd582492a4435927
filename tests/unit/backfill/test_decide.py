"""Commands become events, or a refusal that says why."""

import json

import pytest
from support.given import LIKES, POSTS, dids

from backfilld.backfill import commands, decide
from backfilld.backfill.commands import DeleteLexicon, Retry, StartJob, UploadLexicon, packed
from backfilld.backfill.decide import Decision, Refused
from backfilld.lexicons import parse
from backfilld_events import ids
from backfilld_events.catalog.job import DidsGiven, JobCompleted, JobFailed, JobStarted
from backfilld_events.catalog.lexicon import LexiconUploaded
from backfilld_events.folds import INITIAL, State, evolve
from backfilld_events.ids import Nsid
from backfilld_events.row import PREVIOUS, Row


def document(nsid: Nsid = POSTS, kind: str = "record") -> bytes:
    main: dict[str, object] = {"type": "object", "properties": {}}
    if kind == "record":
        main = {"type": "record", "key": "tid", "record": main}
    return json.dumps({"lexicon": 1, "id": nsid, "defs": {"main": main}}).encode()


def upload(nsid: Nsid = POSTS, kind: str = "record", *, backfill: bool = True) -> UploadLexicon:
    return UploadLexicon(parse(document(nsid, kind)), backfill)


def after(state: State, decision: Decision) -> State:
    """The state when the decision's events stand in the log."""
    for new in decision.events:
        row = Row(state.position + 1, new.stream, 1, "", 1, 0, new.actor, new.cause, b"", b"")
        state = evolve(state, row, new.event)
    return state


def uploaded(*commands: UploadLexicon) -> State:
    state = INITIAL
    for n, command in enumerate(commands):
        decision = decide.upload_lexicon(state, command, job_id=f"auto{n}", actor="uid:1")
        state = after(state, decision)
    return state


def start(state: State, command: StartJob) -> Decision:
    return decide.start_job(state, command, job_id="j", actor="uid:1")


def test_a_record_lexicon_and_its_job_are_one_append() -> None:
    decision = decide.upload_lexicon(INITIAL, upload(), job_id="j", actor="uid:1")
    assert [type(new.event) for new in decision.events] == [LexiconUploaded, JobStarted]
    assert decision.events[1].cause == PREVIOUS
    assert decision.expected == {f"lexicon/{POSTS}": 0, "job/j": 0}


@pytest.mark.parametrize("command", [upload(backfill=False), upload(kind="object")])
def test_no_job_starts_without_the_flag_or_without_records(command: UploadLexicon) -> None:
    decision = decide.upload_lexicon(INITIAL, command, job_id="j", actor="uid:1")
    assert [type(new.event) for new in decision.events] == [LexiconUploaded]


def test_a_replacement_takes_the_next_revision_and_starts_no_second_job() -> None:
    state = uploaded(upload())
    decision = decide.upload_lexicon(state, upload(), job_id="k", actor="uid:1")
    (event,) = [new.event for new in decision.events]
    assert isinstance(event, LexiconUploaded)
    assert event.revision == 2


def test_a_replacement_that_turns_the_flag_on_starts_a_job() -> None:
    state = uploaded(upload(backfill=False))
    decision = decide.upload_lexicon(state, upload(), job_id="k", actor="uid:1")
    assert len(decision.events) == 2


def test_a_lexicon_that_comes_back_after_its_deletion_starts_a_job_again() -> None:
    state = uploaded(upload())
    end = Row(state.position + 1, "job/auto0", 1, "", 1, 0, "system", None, b"", b"")
    state = evolve(state, end, JobCompleted(0, 0, 0, []))
    state = after(state, decide.delete_lexicon(state, DeleteLexicon(POSTS), actor="uid:1"))
    decision = decide.upload_lexicon(state, upload(), job_id="k", actor="uid:1")
    first, second = (new.event for new in decision.events)
    assert isinstance(first, LexiconUploaded)
    assert first.revision == 2
    assert isinstance(second, JobStarted)


def test_a_document_is_kept_byte_for_byte() -> None:
    odd = document().replace(b'"lexicon": 1', b'"lexicon":   1')
    command = UploadLexicon(parse(odd), backfill=False)
    event = decide.upload_lexicon(INITIAL, command, job_id="j", actor="x").events[0].event
    assert isinstance(event, LexiconUploaded)
    assert event.document == odd


def test_a_job_for_nothing_named_is_for_all_record_lexicons() -> None:
    state = uploaded(upload(POSTS), upload(LIKES, backfill=False))
    (event,) = [new.event for new in start(state, StartJob()).events]
    assert isinstance(event, JobStarted)
    assert event.collections == [LIKES, POSTS]
    assert not event.given


def test_accounts_are_handed_over_as_given_without_a_listing() -> None:
    state = uploaded(upload())
    decision = start(state, StartJob(POSTS, packed(dids(0, 3))))
    first, second = (new.event for new in decision.events)
    assert isinstance(first, JobStarted)
    assert (first.given, first.asked_did) == (True, None)
    assert isinstance(second, DidsGiven)
    assert ids.unpack(second.dids) == dids(0, 3)
    state = after(state, decision)
    assert state.jobs["j"].listed
    assert state.jobs["j"].discovered == 3


def test_a_long_list_of_accounts_is_several_events_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commands, "PART_DIDS_MAX", 2)
    decision = start(uploaded(upload()), StartJob(POSTS, packed(dids(0, 5))))
    given = [new.event for new in decision.events if isinstance(new.event, DidsGiven)]
    assert [(one.first, one.count) for one in given] == [(0, 2), (2, 2), (4, 1)]
    assert [found for one in given for found in ids.unpack(one.dids)] == dids(0, 5)
    assert after(uploaded(upload()), decision).jobs["j"].discovered == 5


def retry(n: int, *kinds: str, key: str | None = None) -> StartJob:
    """Another try for n repositories of the job "old"."""
    retries = Retry("old", (POSTS, LIKES), kinds)
    return StartJob(None, packed(dids(0, n)), mode="refetch", retries=retries, idempotency_key=key)


def test_a_retry_names_the_job_and_the_kinds_and_asks_for_what_is_still_wanted() -> None:
    decision = start(uploaded(upload(POSTS)), retry(3, "timeout"))
    started, *_ = (new.event for new in decision.events)
    assert isinstance(started, JobStarted)
    assert (started.retries, started.kinds, started.mode) == ("old", ["timeout"], "refetch")
    assert started.collections == [POSTS], "the lexicon of the other is gone"


def test_a_retry_that_is_repeated_is_the_same_job_though_less_failed_by_then() -> None:
    state = uploaded(upload(POSTS))
    state = after(state, start(state, retry(3, key="k")))
    again = start(state, retry(1, key="k"))
    assert (again.id, again.joined, again.events) == ("j", True, [])
    with pytest.raises(Refused, match="another request"):
        start(state, retry(3, "timeout", key="k"))


@pytest.mark.parametrize(
    "command", [StartJob(POSTS), StartJob(), StartJob(None, packed(dids(0, 1)))]
)
def test_a_job_without_a_target_fails_in_the_same_append(command: StartJob) -> None:
    decision = start(INITIAL, command)
    event = decision.events[-1].event
    assert isinstance(event, JobFailed)
    assert "add" in event.why
    assert after(INITIAL, decision).jobs == {}


def test_a_lexicon_that_is_not_there_cannot_be_deleted() -> None:
    with pytest.raises(Refused, match="not found") as refused:
        decide.delete_lexicon(INITIAL, DeleteLexicon(POSTS), actor="x")
    assert "backfillctl lexicon ls" in refused.value.hint
