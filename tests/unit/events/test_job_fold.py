"""A job's state is what its events make it."""

from support.given import LIKES, NOON, POSTS, RELAY, SECOND, TAP, given, handed_off, page, started

from backfilld_events.catalog.job import (
    AttemptFailed,
    JobCompleted,
    JobFailed,
    JobPickedUp,
    Lane,
    ListingFailed,
    ListingRestarted,
)


def failed(lane: Lane, attempt: int = 1, retry_at: float = NOON + 60) -> AttemptFailed:
    peer = TAP if lane == "hand-off" else RELAY
    return AttemptFailed(lane, peer, "unreachable", "connection refused", attempt, retry_at)


def listing_failed(next_relay: str | None = None) -> ListingFailed:
    return ListingFailed(POSTS, RELAY, "not_offered", "answered 404", 1, next_relay)


def test_since_is_the_first_failure_in_a_row() -> None:
    job = given(started(POSTS), page(0, 5, cursor=None))
    from backfilld_events.folds.job import evolve

    job = evolve(job, failed("hand-off"), NOON + 5)
    job = evolve(job, failed("hand-off", 2), NOON + 65)
    assert job.hand_off is not None
    assert (job.hand_off.since, job.hand_off.attempt) == (NOON + 5, 2)
    job = evolve(job, handed_off(5), NOON + 70)
    assert job.hand_off is None


def test_a_page_that_arrives_never_shortens_the_wait_of_the_hand_off() -> None:
    job = given(started(POSTS), page(0, 5), failed("hand-off"), page(5, 5))
    assert job.hand_off is not None


def test_collections_are_listed_one_after_the_other() -> None:
    job = given(started(POSTS, LIKES))
    assert job.collection == POSTS
    job = given(started(POSTS, LIKES), page(0, 5, cursor=None))
    assert (job.collection, job.listed, job.listing.cursor) == (LIKES, False, None)
    job = given(started(POSTS, LIKES), page(0, 5, cursor=None), page(5, 5, None, LIKES))
    assert job.listed


def test_a_listing_that_fails_at_one_relay_begins_anew_at_the_next() -> None:
    job = given(started(POSTS), page(0, 5), listing_failed(next_relay=SECOND))
    assert (job.listing.relay, job.listing.cursor, job.listed) == (SECOND, None, False)
    assert not job.failed_listings


def test_a_failed_listing_never_ends_as_a_success() -> None:
    end = JobCompleted(discovered=0, handed_off=0, malformed=0, failed_listings=[POSTS])
    job = given(
        started(POSTS, LIKES), listing_failed(), page(0, 5, None, LIKES), handed_off(5), end
    )
    assert job.outcome == "completed_with_errors"


def test_entries_that_are_no_dids_make_it_completed_with_errors() -> None:
    end = JobCompleted(discovered=5, handed_off=5, malformed=1, failed_listings=[])
    bad = page(0, 5, cursor=None, malformed=["'nonsense'"])
    assert given(started(POSTS), bad, handed_off(5), end).outcome == "completed_with_errors"


def test_a_restart_ends_waits_and_doubts_the_cursor() -> None:
    job = given(started(POSTS), page(0, 5), failed("discovery"), failed("hand-off"), JobPickedUp())
    assert job.discovery is None
    assert job.hand_off is None
    assert job.listing.doubted
    assert not given(started(POSTS), JobPickedUp()).listing.doubted
    assert not given(started(POSTS), page(0, 5), JobPickedUp(), page(5, 5)).listing.doubted


def test_a_listing_that_starts_over_forgets_its_cursor_and_keeps_its_dids() -> None:
    job = given(started(POSTS), page(0, 5), ListingRestarted(collection=POSTS, relay=RELAY))
    assert (job.listing.cursor, job.discovered) == (None, 5)


def test_the_landmark_moves_at_powers_of_two() -> None:
    pages = [page(n, 1, cursor=f"c{n + 1}") for n in range(6)]
    landmarks = [given(started(POSTS), *pages[: n + 1]).listing.landmark for n in range(6)]
    assert landmarks == ["c1", "c2", "c2", "c4", "c4", "c4"]


def test_a_job_that_failed_says_so() -> None:
    job = given(started(POSTS), JobFailed("no_such_lexicon", "no record lexicon"))
    assert (job.outcome, job.ended_at) == ("failed", NOON)
