"""A job is paused, resumed, cancelled: what is decided, and what is refused."""

import pytest
from support.given import NOON, POSTS, TAP

from backfilld.backfill import decide
from backfilld.backfill.commands import CancelJob, PauseJob, ResumeJob, StartJob, UploadLexicon
from backfilld.backfill.decide import Decision, Refused
from backfilld.lexicons import parse
from backfilld_events.catalog.job import (
    BatchHandedOff,
    JobCancelAsked,
    JobCancelled,
    JobEvent,
    JobPaused,
    JobResumed,
)
from backfilld_events.folds import INITIAL, State, evolve
from backfilld_events.row import Row

LEXICON = (
    b'{"lexicon":1,"id":"net.example.post","defs":{"main":{"type":"record","key":"tid",'
    b'"record":{"type":"object","properties":{}}}}}'
)


def row(state: State, stream: str, actor: str) -> Row:
    return Row(state.position + 1, stream, 1, "", 1, int(NOON * 1e6), actor, None, b"", b"")


def after(state: State, decision: Decision) -> State:
    for new in decision.events:
        state = evolve(state, row(state, new.stream, new.actor), new.event)
    return state


def then(state: State, *events: JobEvent) -> State:
    for event in events:
        state = evolve(state, row(state, "job/j", "system"), event)
    return state


@pytest.fixture
def running() -> State:
    upload = UploadLexicon(parse(LEXICON), backfill=False)
    state = after(INITIAL, decide.upload_lexicon(INITIAL, upload, job_id="-", actor="uid:1"))
    return after(state, decide.start_job(state, StartJob(POSTS), job_id="j", actor="uid:1"))


def paused(state: State, reason: str = "") -> State:
    return after(state, decide.pause_job(state, PauseJob("j", reason), actor="uid:7"))


def cancelling(state: State) -> State:
    return after(state, decide.cancel_job(state, CancelJob("j"), actor="uid:7"))


def test_a_pause_says_who_and_why_and_holds_only_on_the_version_it_was_decided_on(
    running: State,
) -> None:
    decision = decide.pause_job(running, PauseJob("j", "PDS maintenance"), actor="uid:7")
    (new,) = decision.events
    assert (new.event, new.actor) == (JobPaused(reason="PDS maintenance"), "uid:7")
    assert decision.expected == {"job/j": running.jobs["j"].version}
    stopped = after(running, decision).jobs["j"].paused
    assert stopped is not None
    assert (stopped.actor, stopped.reason, stopped.at) == ("uid:7", "PDS maintenance", NOON)


def test_asking_twice_is_no_error_and_writes_nothing(running: State) -> None:
    state = paused(running)
    assert decide.pause_job(state, PauseJob("j"), actor="uid:8").events == []
    assert decide.resume_job(running, ResumeJob("j"), actor="uid:8").events == []
    state = cancelling(running)
    assert decide.cancel_job(state, CancelJob("j"), actor="uid:8").events == []


def test_a_resumed_job_is_as_it_was_before_the_pause(running: State) -> None:
    state = paused(running)
    decision = decide.resume_job(state, ResumeJob("j", "done"), actor="uid:7")
    assert [new.event for new in decision.events] == [JobResumed(reason="done")]
    assert after(state, decision).jobs["j"].paused is None


@pytest.mark.parametrize("stop", [lambda state: state, paused])
def test_a_job_can_be_cancelled_from_every_state_that_is_not_final(
    running: State, stop: object
) -> None:
    state = stop(running)  # type: ignore[operator]
    decision = decide.cancel_job(state, CancelJob("j", "wrong one"), actor="uid:7")
    assert [new.event for new in decision.events] == [JobCancelAsked(reason="wrong one")]
    job = after(state, decision).jobs["j"]
    assert job.cancel is not None
    assert job.paused is None


def test_a_job_that_is_being_cancelled_is_neither_paused_nor_resumed(running: State) -> None:
    state = cancelling(running)
    with pytest.raises(Refused, match=r"job is not running \(status: cancelling\)"):
        decide.pause_job(state, PauseJob("j"), actor="uid:8")
    with pytest.raises(Refused, match=r"job is not paused \(status: cancelling\)"):
        decide.resume_job(state, ResumeJob("j"), actor="uid:8")


def test_a_job_that_has_ended_takes_no_command(running: State) -> None:
    ended = then(cancelling(running), JobCancelled(discovered=0, handed_off=0))
    assert ended.jobs == {}
    for command, decided in (
        (PauseJob("j"), decide.pause_job),
        (ResumeJob("j"), decide.resume_job),
        (CancelJob("j"), decide.cancel_job),
    ):
        with pytest.raises(Refused) as refused:
            decided(ended, command, actor="uid:8")  # type: ignore[operator]
        assert refused.value.code in ("job-not-running", "job-not-paused")


def test_a_batch_that_was_under_way_counts_though_the_job_was_cancelled_meanwhile(
    running: State,
) -> None:
    state = then(cancelling(running), BatchHandedOff(first=0, upto=20, tap=TAP))
    assert state.jobs["j"].handed_off == 20
    assert state.jobs["j"].cancel is not None
