"""Jobs have their turn a few at a time: who has begun, then by priority, then who came first."""

from hypothesis import given as for_all
from hypothesis import strategies as st
from msgspec.structs import replace
from support.given import NOON, POSTS, RELAY, given, handed_off, page, started

from backfilld.backfill import plan
from backfilld.backfill.plan import Limits
from backfilld.backfill.standing import scene, standing
from backfilld_events.catalog.job import AttemptFailed, JobCancelAsked, JobPaused
from backfilld_events.folds.job import Job, evolve

TWO = Limits(relays=(RELAY,), concurrent=2)


def job(number: int, priority: int = 0, *, begun: bool = False) -> Job:
    made = given(started(POSTS), *([page(0, 5), handed_off(5)] if begun else []))
    return replace(made, id=f"j{number}", position=number, priority=priority)


def stalls(number: int, priority: int = 0) -> Job:
    down = AttemptFailed("discovery", RELAY, "rate_limited", "slow down", 1, NOON + 3600)
    return evolve(job(number, priority), down, NOON)


def turns(*jobs: Job, busy: frozenset[str] = frozenset()) -> tuple[list[str], list[str]]:
    running, waiting = plan.in_turn(jobs, TWO, busy)
    return [one.id for one in running], [one.id for one in waiting]


def stopped(one: Job, event: JobPaused | JobCancelAsked) -> Job:
    return evolve(one, event, NOON, "uid:7")


def test_the_third_job_waits_and_knows_how_many_are_ahead() -> None:
    jobs = [job(1), job(2), job(3), job(4)]
    assert turns(*jobs) == (["j1", "j2"], ["j3", "j4"])
    shown = scene({one.id: one for one in jobs}, TWO, frozenset({"j1", "j2"}))
    assert standing(jobs[2], shown)[:3] == ("pending", None, 2)
    assert standing(jobs[3], shown)[:3] == ("pending", None, 3)


def test_higher_priority_goes_first_and_the_same_in_the_order_in_which_they_came() -> None:
    assert turns(job(1), job(2), job(3, 5), job(4, 9)) == (["j4", "j3"], ["j1", "j2"])
    assert turns(job(1, -1), job(2), job(3)) == (["j2", "j3"], ["j1"])


def test_a_job_that_has_begun_gives_its_place_to_none_of_higher_priority() -> None:
    assert turns(job(1, begun=True), job(2, 9), job(3, 9))[0] == ["j1", "j2"]


def test_a_job_that_somebody_stopped_takes_no_place() -> None:
    paused = stopped(job(1, begun=True), JobPaused(reason=""))
    cancelled = stopped(job(2, begun=True), JobCancelAsked(reason=""))
    assert turns(paused, cancelled, job(3), job(4)) == (["j3", "j4"], [])


def test_a_resumed_job_waits_while_its_place_is_taken() -> None:
    """It began first; but what is under way is not broken off for it."""
    jobs = [job(1, begun=True), job(2, begun=True), job(3, begun=True)]
    busy = frozenset({"j2", "j3"})
    assert turns(*jobs, busy=busy) == (["j2", "j3"], ["j1"])
    shown = scene({one.id: one for one in jobs}, TWO, busy)
    assert standing(jobs[0], shown)[:3] == ("pending", None, 2)
    assert standing(jobs[2], shown).state == "running"


def test_a_lowered_limit_stops_nobody_who_runs() -> None:
    jobs = [job(1, begun=True), job(2, begun=True), job(3)]
    busy = frozenset({"j1", "j2"})
    shown = scene({one.id: one for one in jobs}, Limits(relays=(RELAY,), concurrent=1), busy)
    assert [standing(one, shown).state for one in jobs] == ["running", "running", "pending"]


def test_a_paused_job_is_pausing_until_its_last_step_is_over() -> None:
    one = stopped(job(1, begun=True), JobPaused(reason=""))
    assert standing(one, scene({one.id: one}, TWO, frozenset({"j1"}))).state == "pausing"
    assert standing(one, scene({one.id: one}, TWO, frozenset())).state == "paused"


def test_a_job_that_is_pausing_keeps_its_turn_until_its_last_step_is_over() -> None:
    one = stopped(job(1, begun=True), JobPaused(reason=""))
    assert turns(one, job(2), job(3), busy=frozenset({"j1"})) == (["j1", "j2"], ["j3"])
    assert turns(one, job(2), job(3)) == (["j2", "j3"], [])


def test_stalled_jobs_hold_nobodys_turn_and_keep_their_own() -> None:
    jobs = [stalls(1), stalls(2), job(3), job(4), job(5)]
    busy = frozenset({"j1", "j2"})
    assert turns(*jobs, busy=busy) == (["j1", "j2", "j3", "j4"], ["j5"])
    shown = scene({one.id: one for one in jobs}, TWO, busy)
    assert [standing(one, shown).state for one in jobs[:2]] == ["stalled", "stalled"]
    assert standing(jobs[2], shown)[:3] == ("pending", None, 0), "it begins now"
    assert standing(jobs[4], shown)[:3] == ("pending", None, 4)


def test_a_job_whose_wait_ended_goes_on_though_another_has_its_turn_by_then() -> None:
    jobs = [job(1, begun=True), job(2, begun=True), job(3, begun=True), job(4, 9)]
    busy = frozenset({"j1", "j2", "j3"})
    assert turns(*jobs, busy=busy) == (["j1", "j2", "j3"], ["j4"])


def test_a_peer_that_is_down_uses_up_the_tries_of_a_few_jobs_and_not_of_all() -> None:
    jobs = [stalls(1), stalls(2), stalls(3), stalls(4), job(5), job(6)]
    busy = frozenset({"j1", "j2", "j3", "j4"})
    assert turns(*jobs, busy=busy) == (["j1", "j2", "j3", "j4"], ["j5", "j6"])


def test_whoever_has_a_higher_priority_passes_all_stalled_jobs_however_many() -> None:
    jobs = [stalls(1), stalls(2), stalls(3), stalls(4), job(5), job(6, 1), job(7, 2), job(8, 3)]
    busy = frozenset({"j1", "j2", "j3", "j4"})
    assert turns(*jobs, busy=busy) == (["j1", "j2", "j3", "j4", "j8", "j7"], ["j6", "j5"])


@for_all(st.lists(st.sampled_from(["new", "begun", "stalls"]), max_size=12), st.data())
def test_nobody_who_runs_is_stopped_and_of_one_priority_never_begin_more_than_twice_the_limit(
    kinds: list[str], data: st.DataObject
) -> None:
    make = {"new": job, "begun": lambda n: job(n, begun=True), "stalls": stalls}
    jobs = [make[kind](n) for n, kind in enumerate(kinds)]
    names = [one.id for one in jobs]
    busy = data.draw(st.sets(st.sampled_from(names)) if names else st.just(set()))
    running, waiting = turns(*jobs, busy=frozenset(busy))
    assert sorted(running + waiting) == sorted(names)
    assert busy <= set(running)
    assert len(running) <= max(2 * TWO.concurrent, len(busy))
    at_work = [one.id for one in jobs if plan.stalled(one, TWO) is None and one.id in running]
    assert len(at_work) <= max(TWO.concurrent, len(set(at_work) & busy))
    if waiting:
        assert len(at_work) >= TWO.concurrent or len(running) >= 2 * TWO.concurrent
