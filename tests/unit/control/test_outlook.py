"""What comes next, how long it takes, and what may be done, in every state."""

import pytest
from msgspec.structs import replace
from support.given import NOON, POSTS, RELAY, given, handed_off, page, started

from backfilld.backfill.plan import Limits
from backfilld.backfill.standing import Scene, Standing, standing
from backfilld.control.jobs import outlook, progress
from backfilld.control.jobs.progress import EVERY_S, Sample, Samples
from backfilld_events.catalog.job import (
    AttemptFailed,
    JobCancelAsked,
    JobCancelled,
    JobCompleted,
    JobPaused,
)
from backfilld_events.folds.job import Job, evolve
from backfilld_events.projections.classes import Class

LIMITS = Limits(relays=(RELAY,), batch_size=10, read_ahead=30)
LISTED = given(started(POSTS), page(0, 10_000, None), handed_off(4_000))
LISTING = given(started(POSTS), page(0, 10_000), handed_off(4_000))
ENDED = evolve(
    given(started(POSTS), page(0, 10_000, None), handed_off(10_000)),
    JobCompleted(10_000, 10_000, 0, []),
    NOON,
)
CLASSES = {
    Class.DISCOVERED: 6_000, Class.HANDED_OFF: 1_000, Class.ARRIVING: 500,
    Class.SYNCED: 2_200, Class.EMPTY: 100, Class.PARKED: 58, Class.FAILED: 140, Class.GONE: 2,
}  # fmt: skip


def watched(seconds: int = 600, *, per_s: int = 10) -> Samples:
    kept: Samples = ()
    for at in range(0, seconds + 1, int(EVERY_S)):
        done = at * per_s
        kept = progress.add(kept, Sample(float(at), done, done, done * 3, done, going=True))
    return kept


def stands(job: Job) -> Standing:
    return standing(job, Scene(LIMITS))


def etas(job: Job, samples: Samples, classes: dict[Class, int] | None = None) -> outlook.EtasShape:
    return outlook.etas(job, stands(job), classes or CLASSES, samples)


def test_percent_is_only_told_against_a_finished_total() -> None:
    lanes = outlook.lanes(LISTING, CLASSES, 4_000, 99)
    assert (lanes.handoff.done, lanes.handoff.of, lanes.handoff.percent) == (4_000, None, None)
    lanes = outlook.lanes(LISTED, CLASSES, 4_000, 99)
    assert (lanes.handoff.done, lanes.handoff.of, lanes.handoff.percent) == (4_000, 10_000, 40)
    assert (lanes.arrival.done, lanes.arrival.records) == (2_800, 99)
    assert lanes.synced.done == 2_300


def test_a_hundred_percent_is_said_of_a_whole_only() -> None:
    lanes = outlook.lanes(LISTED, {Class.SYNCED: 9_999, Class.FAILED: 1}, 9_999, 0)
    assert lanes.handoff.percent == 99
    assert lanes.synced.percent == 99


def test_both_ends_are_foretold_while_the_job_runs() -> None:
    known = etas(LISTED, watched())
    assert known.completed.left == 6_000
    assert known.completed.text == "about 10 min"
    assert known.synced.left == 7_500
    assert known.synced.left_out == {"parked": 58, "failed": 140}
    assert known.synced.text == "10-15 min, not counting 58 parked, not counting 140 failed"


@pytest.mark.parametrize(
    ("job", "withheld"),
    [
        (LISTING, "listing"),
        (evolve(LISTED, JobPaused(reason=""), NOON), "paused"),
        (evolve(LISTED, JobCancelAsked(reason=""), NOON), "ended"),
        (
            evolve(
                LISTED,
                AttemptFailed("hand-off", "http://tap", "unreachable", "refused", 1, NOON),
                NOON,
            ),
            "stalled",
        ),
        (given(started(POSTS)), "pending"),
    ],
    ids=["while it lists", "paused", "cancelling", "stalled", "waiting for its turn"],
)
def test_no_end_is_foretold_of_a_job_that_stands_or_has_no_total(job: Job, withheld: str) -> None:
    known = etas(job, watched())
    assert known.completed.withheld == known.synced.withheld == withheld
    assert known.completed.high_s is None
    assert known.completed.text


def test_nothing_is_foretold_in_the_first_two_minutes() -> None:
    assert etas(LISTED, watched(115)).completed.text == "too early to say"
    assert etas(LISTED, ()).completed.withheld == "too_early"


def test_of_an_uneven_job_the_least_is_told() -> None:
    samples = watched(300, per_s=1)
    for at in range(305, 601, 5):
        done = 300 + (at - 300) * 20
        samples = progress.add(samples, Sample(float(at), done, done, done, done, going=True))
    assert etas(LISTED, samples).completed.text == "too uneven to say; at least 5 min"


def test_after_the_hand_over_the_sync_is_foretold_alone() -> None:
    known = etas(ENDED, watched(), {Class.ARRIVING: 3_000, Class.SYNCED: 7_000})
    assert known.completed.withheld == "ended"
    assert known.synced.text == "about 5 min"
    done = etas(ENDED, watched(), {Class.SYNCED: 10_000})
    assert done.synced.withheld == "nothing_left"


def test_of_a_cancelled_job_only_what_it_handed_over_is_left() -> None:
    job = evolve(LISTED, JobCancelAsked(reason=""), NOON)
    job = evolve(job, JobCancelled(10_000, 4_000), NOON)
    assert etas(job, watched()).synced.left == 1_500


def test_rates_say_how_old_they_are_and_are_null_before_they_are_known() -> None:
    known = outlook.rates(watched(), now=603.0)
    assert (known.handoff.now, known.handoff.typical, known.arrival.now) == (10, 10, 30)
    assert (known.minutes, known.age_s) == (10, 3.0)
    none = outlook.rates((), now=603.0)
    assert (none.handoff.now, none.handoff.typical, none.age_s) == (None, None, None)


def test_what_comes_next_is_told_in_every_state() -> None:
    def told(job: Job, scene: Scene | None = None) -> str:
        return outlook.comes_next(job, standing(job, scene or Scene(LIMITS)), CLASSES)

    new = given(started(POSTS))
    waits = Scene(LIMITS, {new.id: 2})
    assert told(new, waits) == "It begins by itself when its turn comes: 2 jobs are ahead."
    assert told(LISTED).startswith("It goes on by itself")
    paused = evolve(LISTED, JobPaused(reason=""), NOON)
    assert told(paused) == "Nothing, until somebody resumes it."
    assert "is paused when" in told(paused, Scene(LIMITS, busy=frozenset({paused.id})))
    assert "It ends when" in told(evolve(LISTED, JobCancelAsked(reason=""), NOON))
    assert told(ENDED) == "Tap sends what is missing of 7,558 repositories."
    done = outlook.comes_next(ENDED, stands(ENDED), {Class.SYNCED: 10_000})
    assert done == "Nothing: the job has ended."


def test_what_tap_does_not_send_again_by_itself_is_not_promised() -> None:
    held = outlook.comes_next(ENDED, stands(ENDED), {Class.SYNCED: 9_000, Class.HELD: 1_000})
    assert held == "Nothing: the job has ended."


def test_what_is_fetched_again_by_itself_is_told() -> None:
    auto = replace(ENDED, mode="auto")
    told = outlook.comes_next(auto, stands(auto), {Class.SYNCED: 9_999, Class.HELD: 1})
    assert told == "1 repository is taken out of Tap and put in again, to be fetched anew."
    both = outlook.comes_next(auto, stands(auto), {Class.ARRIVING: 7, Class.HELD: 2})
    assert both.startswith("Tap sends what is missing of 7 repositories. 2 repositories are taken")


def test_a_job_that_is_held_up_goes_on_by_itself() -> None:
    waits = Scene(replace(LIMITS, room=0))
    listed = standing(LISTED, waits)
    assert outlook.comes_next(LISTED, listed, CLASSES) == (
        "It goes on by itself, as soon as that is so."
    )


def test_actions_that_cannot_be_taken_say_why() -> None:
    def why_not(job: Job, *, frozen: bool = False) -> dict[str, str | None]:
        state = stands(job).state
        listed = outlook.actions(state, job.ended_at is not None, frozen=frozen)
        assert all(one.allowed == (one.why_not is None) for one in listed)
        return {one.action: one.why_not for one in listed}

    assert why_not(LISTED) == {"pause": None, "resume": "it is not paused", "cancel": None}
    paused = evolve(LISTED, JobPaused(reason=""), NOON)
    assert why_not(paused) == {"pause": "it is paused", "resume": None, "cancel": None}
    ending = evolve(LISTED, JobCancelAsked(reason=""), NOON)
    assert set(why_not(ending).values()) == {"it is being cancelled"}
    assert set(why_not(ENDED).values()) == {"it has ended: completed"}
    assert set(why_not(paused, frozen=True).values()) == {"the log does not verify"}
