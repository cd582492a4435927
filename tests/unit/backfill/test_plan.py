"""What a job does next."""

from hypothesis import given as for_all
from hypothesis import strategies as st
from support.given import NOON, POSTS, RELAY, SECOND, TAP, did, given, handed_off, page, started

from backfilld.backfill import plan
from backfilld.backfill.plan import FetchPage, Finish, HandOff, Limits, Stop, WaitUntil
from backfilld_events.catalog.job import AttemptFailed, JobCompleted, JobPickedUp, Lane

LIMITS = Limits(relays=(RELAY, SECOND), read_ahead=3000)


def waiting(lane: Lane) -> AttemptFailed:
    return AttemptFailed(lane, TAP, "unreachable", "connection refused", 1, NOON + 30)


def test_a_new_job_asks_the_first_relay_from_the_start() -> None:
    step = plan.discover(given(started(POSTS)), NOON, LIMITS)
    assert step == FetchPage(POSTS, RELAY, None, 1000, resumed=False)


def test_the_next_page_is_asked_for_with_the_cursor_of_the_last() -> None:
    job = given(started(POSTS), page(0, 1000, cursor="c1"))
    assert plan.discover(job, NOON, LIMITS) == FetchPage(POSTS, RELAY, "c1", 1000, resumed=False)


def test_a_cursor_is_never_carried_over_to_another_relay() -> None:
    job = given(started(POSTS), page(0, 1000, cursor="c1"))
    moved = Limits(relays=(SECOND,))
    assert plan.discover(job, NOON, moved) == FetchPage(POSTS, SECOND, None, 1000, resumed=False)


def test_a_cursor_is_doubted_after_a_restart_and_after_a_long_wait() -> None:
    job = given(started(POSTS), page(0, 10, cursor="c1"), JobPickedUp())
    step = plan.discover(job, NOON, LIMITS)
    assert isinstance(step, FetchPage)
    assert step.resumed
    job = given(started(POSTS), page(0, 10, cursor="c1"))
    later = plan.discover(job, NOON + 601, LIMITS)
    assert isinstance(later, FetchPage)
    assert later.resumed


def test_discovery_runs_ahead_by_a_bounded_number_of_dids() -> None:
    job = given(started(POSTS), page(0, 3000))
    assert plan.discover(job, NOON, LIMITS) is None
    job = given(started(POSTS), page(0, 3000), handed_off(1000))
    assert isinstance(plan.discover(job, NOON, LIMITS), FetchPage)


def test_each_lane_waits_for_itself() -> None:
    job = given(started(POSTS), page(0, 1000), waiting("discovery"))
    assert plan.discover(job, NOON, LIMITS) == WaitUntil(NOON + 30)
    assert plan.hand_off(job, NOON, LIMITS) == HandOff(0, 1000)
    assert isinstance(plan.discover(job, NOON + 30, LIMITS), FetchPage)


def test_a_clock_that_was_set_back_stops_no_lane() -> None:
    job = given(started(POSTS), page(0, 1000), waiting("discovery"), waiting("hand-off"))
    yesterday = NOON - 86_400
    assert isinstance(plan.discover(job, yesterday, LIMITS), FetchPage)
    assert plan.hand_off(job, yesterday, LIMITS) == HandOff(0, 1000)


def test_batches_are_full_while_more_may_come() -> None:
    assert plan.hand_off(given(started(POSTS), page(0, 999)), NOON, LIMITS) is None
    job = given(started(POSTS), page(0, 999), page(999, 1000))
    assert plan.hand_off(job, NOON, LIMITS) == HandOff(0, 1000)


def test_the_last_part_batch_goes_out_when_the_relay_has_no_more() -> None:
    job = given(started(POSTS), page(0, 1000), handed_off(1000), page(1000, 37, cursor=None))
    assert plan.hand_off(job, NOON, LIMITS) == HandOff(1000, 1037)


def test_a_job_finishes_when_all_is_listed_and_handed_over() -> None:
    job = given(started(POSTS), page(0, 5, cursor=None), handed_off(5))
    assert plan.hand_off(job, NOON, LIMITS) == Finish()
    assert plan.discover(job, NOON, LIMITS) is None
    assert plan.hand_off(given(started(POSTS), page(0, 0, cursor=None)), NOON, LIMITS) == Finish()


def test_an_ended_job_does_nothing_more() -> None:
    job = given(started(POSTS), page(0, 5, cursor=None), JobCompleted(5, 5, 0, []))
    assert plan.hand_off(job, NOON, LIMITS) == Stop()
    assert plan.discover(job, NOON, LIMITS) == Stop()


@for_all(st.lists(st.integers(0, 2500), max_size=8), st.integers(1, 1500), st.integers(1, 4000))
def test_every_did_is_handed_over_once_in_order_in_batches_within_the_limit(
    counts: list[int], batch: int, ahead: int
) -> None:
    """A perfect world: the lanes take turns until the job is finished."""
    limits = Limits(relays=(RELAY,), batch_size=batch, read_ahead=max(ahead, batch))
    job, left, handed = given(started(POSTS)), list(counts), []
    from backfilld_events.folds.job import evolve

    while True:
        step = plan.discover(job, NOON, limits)
        if isinstance(step, FetchPage):
            count = left.pop(0) if left else 0
            event = page(job.discovered, count, cursor=f"c{len(left)}" if left else None)
            job = evolve(job, event, NOON)
            continue
        step = plan.hand_off(job, NOON, limits)
        if isinstance(step, HandOff):
            assert 0 < step.upto - step.first <= batch
            handed += [did(n) for n in range(step.first, step.upto)]
            job = evolve(job, handed_off(first=step.first, upto=step.upto), NOON)
            continue
        assert step == Finish(), "one lane can always go on"
        break
    assert handed == [did(n) for n in range(sum(counts))]
