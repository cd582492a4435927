"""A job's state is the truth about what it can do."""

from support.given import LIKES, NOON, POSTS, RELAY, TAP, given, page, started

from backfilld.backfill.plan import Limits
from backfilld.backfill.standing import Scene, standing
from backfilld_events.catalog.job import AttemptFailed, JobCompleted, Lane, ListingFailed

LIMITS = Limits(relays=(RELAY,), batch_size=10, read_ahead=30)


def failed(lane: Lane, retry_at: float = NOON + 60) -> AttemptFailed:
    peer = TAP if lane == "hand-off" else RELAY
    return AttemptFailed(lane, peer, "unreachable", "connection refused", 1, retry_at)


def test_a_job_is_pending_until_its_first_step() -> None:
    assert standing(given(started(POSTS)), Scene(LIMITS)).state == "pending"
    assert standing(given(started(POSTS), page(0, 5)), Scene(LIMITS)).state == "running"


def test_a_job_runs_while_one_lane_can_do_something() -> None:
    relay_down = given(started(POSTS), page(0, 10), failed("discovery"))
    assert standing(relay_down, Scene(LIMITS)).state == "running", "a batch can be handed over"
    tap_down = given(started(POSTS), page(0, 10), failed("hand-off"))
    assert standing(tap_down, Scene(LIMITS)).state == "running", "there is room to read ahead"


def test_a_job_is_stalled_when_every_lane_with_work_waits() -> None:
    both = given(
        started(POSTS), page(0, 10), failed("discovery", NOON + 9), failed("hand-off", NOON + 5)
    )
    stands = standing(both, Scene(LIMITS))
    assert stands.state == "stalled"
    assert stands.waiting is not None
    assert stands.waiting.lane == "hand-off", "the one that is due first"


def test_a_lane_without_work_does_not_keep_a_job_running() -> None:
    no_full_batch = given(started(POSTS), page(0, 9), failed("discovery"))
    assert standing(no_full_batch, Scene(LIMITS)).state == "stalled"
    no_room = given(started(POSTS), page(0, 30), failed("hand-off"))
    assert standing(no_room, Scene(LIMITS)).state == "stalled"
    listed = given(started(POSTS), page(0, 3, cursor=None), failed("hand-off"))
    assert standing(listed, Scene(LIMITS)).state == "stalled"


def test_an_ended_job_stands_as_it_ended() -> None:
    bad = ListingFailed(POSTS, RELAY, "timeout", "no answer", 8, None)
    end = JobCompleted(discovered=0, handed_off=0, malformed=0, failed_listings=[POSTS])
    job = given(started(POSTS, LIKES), bad, page(0, 0, None, LIKES), end)
    assert standing(job, Scene(LIMITS)).state == "completed_with_errors"
