"""What the answer of a peer means for the job."""

import pytest
from support.given import (
    LIKES,
    NOON,
    POSTS,
    RELAY,
    SECOND,
    TAP,
    dids,
    given,
    handed_off,
    page,
    started,
)

from backfilld.backfill import outcomes
from backfilld.backfill.plan import FetchPage, HandOff, Limits
from backfilld.discovery.page import Page
from backfilld.failures import Failure
from backfilld_events import ids
from backfilld_events.catalog.job import (
    AttemptFailed,
    JobCompleted,
    JobFailed,
    ListingFailed,
    ListingRestarted,
    PageDiscovered,
)
from backfilld_events.folds.job import evolve
from backfilld_events.ids import Did

LIMITS = Limits(relays=(RELAY, SECOND), attempts_max=3)


def ask(cursor: str | None = None, resumed: bool = False, relay: str = RELAY) -> FetchPage:
    return FetchPage(POSTS, relay, cursor, 1000, resumed)


def test_a_page_keeps_every_did_in_the_relays_order_with_duplicates() -> None:
    twice: list[Did] = [*dids(0, 3), *dids(1, 2)]
    job = given(started(POSTS), page(0, 7, cursor="c1"))
    (event,) = outcomes.page_came(job, ask("c1"), Page(twice, ["'x'"], "c2"), LIMITS)
    assert isinstance(event, PageDiscovered)
    assert (event.first, event.count, event.cursor, event.malformed) == (7, 5, "c2", ["'x'"])
    assert ids.unpack(event.dids) == twice


def test_a_resumed_listing_that_is_empty_at_its_first_request_starts_over() -> None:
    job = given(started(POSTS), page(0, 7, cursor="c1"))
    empty = Page([], [], None)
    assert outcomes.page_came(job, ask("c1", resumed=True), empty, LIMITS) == [
        ListingRestarted(POSTS, RELAY)
    ]
    (event,) = outcomes.page_came(job, ask("c1"), empty, LIMITS)
    assert isinstance(event, PageDiscovered), "an empty last page is the end when nobody restarted"


TWO = "QQAAAAIAAAGiDhmifmRpZDpwbGM6ZHd0Y2s1eXFiZWtzbTJoN3QyZWVueGh1AA"
LATER_IN_TWO = "QQAAAAIAAAGiDhmifmRpZDpwbGM6d3d0Y2s1eXFiZWtzbTJoN3QyZWVueGh1AA"
THREE = "QQAAAAMAAAGiDhmifmRpZDpwbGM6ZHd0Y2s1eXFiZWtzbTJoN3QyZWVueGh1AA"


@pytest.mark.parametrize("now", [THREE, "did:plc:aaaa", None])
@pytest.mark.parametrize("cursor", [LATER_IN_TWO, None])
def test_nothing_is_believed_of_a_directory_in_which_the_collection_has_another_number_now(
    cursor: str | None, now: str | None
) -> None:
    """The page may be that of another collection, to its last entry, and never say so."""
    job = given(started(POSTS), page(0, 7, cursor=TWO))
    step = ask(TWO, resumed=True)
    assert outcomes.needs_head(step)
    strangers, head = Page(dids(100, 9), ["'x'"], cursor), Page(dids(0, 1), [], now)
    assert outcomes.page_came(job, step, strangers, LIMITS, head) == [
        ListingRestarted(POSTS, RELAY)
    ]


def test_a_resumed_listing_goes_on_where_the_collection_has_its_number_still() -> None:
    job = given(started(POSTS), page(0, 7, cursor=TWO))
    came, head = Page(dids(7, 3), [], LATER_IN_TWO), Page(dids(0, 1), [], TWO)
    (event,) = outcomes.page_came(job, ask(TWO, resumed=True), came, LIMITS, head)
    assert isinstance(event, PageDiscovered)
    assert ids.unpack(event.dids) == dids(7, 3)


def test_only_a_place_that_is_doubted_is_held_against_the_head_of_the_listing() -> None:
    assert not outcomes.needs_head(ask(TWO))
    assert not outcomes.needs_head(ask())
    assert not outcomes.needs_head(ask("did:plc:aaaa", resumed=True)), "it has no number"


def test_a_short_page_with_a_cursor_is_not_the_end() -> None:
    (event,) = outcomes.page_came(given(started(POSTS)), ask(), Page(dids(0, 1), [], "c"), LIMITS)
    assert isinstance(event, PageDiscovered)
    assert event.cursor == "c"


def test_a_repeated_cursor_ends_this_relay_and_keeps_the_page() -> None:
    job = given(started(POSTS), page(0, 7, cursor="c1"))
    kept, gone = outcomes.page_came(job, ask("c1"), Page(dids(0, 2), [], "c1"), LIMITS)
    assert isinstance(kept, PageDiscovered)
    assert isinstance(gone, ListingFailed)
    assert (gone.kind, gone.next_relay) == ("cursor_repeated", SECOND)


def test_a_circle_of_cursors_of_any_length_is_noticed() -> None:
    for length in (1, 2, 3, 7, 50):
        job, cursor, asked = given(started(POSTS)), None, 0
        while asked < 10 * length + 10:
            came = Page(dids(0, 1), [], f"c{asked % length}")
            events = outcomes.page_came(job, ask(cursor), came, LIMITS)
            for event in events:
                job = evolve(job, event, NOON)
            if isinstance(events[-1], ListingFailed):
                break
            cursor, asked = came.cursor, asked + 1
        assert isinstance(events[-1], ListingFailed)
        assert asked <= 4 * length + 1


def test_the_cursor_of_another_relay_is_no_circle() -> None:
    job = given(started(POSTS), page(0, 7, cursor="c1"))
    came = Page(dids(0, 2), [], "c1")
    (event,) = outcomes.page_came(job, ask(relay=SECOND), came, LIMITS)
    assert isinstance(event, PageDiscovered)
    job = evolve(job, event, NOON)
    assert (job.listing.relay, job.listing.pages, job.listing.landmark) == (SECOND, 1, "c1")


def test_empty_pages_with_a_cursor_are_followed_but_not_for_ever() -> None:
    job, asked = given(started(POSTS)), 0
    while True:
        cursor = None if asked == 0 else f"c{asked - 1}"
        events = outcomes.page_came(job, ask(cursor), Page([], [], f"c{asked}"), LIMITS)
        asked += 1
        for event in events:
            job = evolve(job, event, NOON)
        if isinstance(events[-1], ListingFailed):
            break
    assert asked == outcomes.EMPTY_PAGES_MAX
    assert events[-1].kind == "empty_pages"


def test_a_failed_page_is_tried_again_with_full_jitter_and_a_growing_bound() -> None:
    job, waits = given(started(POSTS)), []
    limits = Limits(relays=(RELAY,), attempts_max=100, relay_backoff_s_max=8)
    for _ in range(6):
        (event,) = outcomes.page_failed(
            job, ask(), Failure("timeout", "no answer"), now=NOON, jitter=1.0, limits=limits
        )
        assert isinstance(event, AttemptFailed)
        waits.append(event.retry_at - NOON)
        job = evolve(job, event, NOON)
    assert waits == [1, 2, 4, 8, 8, 8]


def test_a_peer_that_says_when_is_not_asked_before() -> None:
    slow = Failure("rate_limited", "answered 429", retry_after=133)
    (event,) = outcomes.page_failed(
        given(started(POSTS)), ask(), slow, now=NOON, jitter=0.5, limits=LIMITS
    )
    assert isinstance(event, AttemptFailed)
    assert event.retry_at == NOON + 133


def test_after_the_last_try_the_next_relay_is_asked_and_then_none() -> None:
    failures = [AttemptFailed("discovery", RELAY, "timeout", "x", n, NOON) for n in (1, 2)]
    job = given(started(POSTS), *failures)
    down = Failure("timeout", "no answer")
    for relay, then in ((RELAY, SECOND), (SECOND, None)):
        (event,) = outcomes.page_failed(
            job, ask(relay=relay), down, now=NOON, jitter=0, limits=LIMITS
        )
        assert isinstance(event, ListingFailed)
        assert (event.attempts, event.next_relay) == (3, then)


def test_a_relay_without_the_listing_is_not_asked_twice() -> None:
    without = Failure("not_offered", "this relay does not offer it")
    (event,) = outcomes.page_failed(
        given(started(POSTS)), ask(), without, now=NOON, jitter=0, limits=LIMITS
    )
    assert isinstance(event, ListingFailed)
    assert event.next_relay == SECOND


def test_a_batch_is_tried_for_as_long_as_it_takes() -> None:
    job = given(started(POSTS), page(0, 5, cursor=None))
    for attempt in range(1, 40):
        (event,) = outcomes.batch_failed(
            job, TAP, Failure("unreachable", "x"), now=NOON, jitter=1.0, limits=LIMITS
        )
        assert isinstance(event, AttemptFailed)
        assert event.attempt == attempt
        assert event.retry_at - NOON <= 60
        job = evolve(job, event, NOON)


def listing_failed(collection: ids.Nsid) -> ListingFailed:
    return ListingFailed(collection, RELAY, "not_offered", "answered 404", 1, None)


def test_a_job_none_of_whose_listings_came_fails_and_says_why() -> None:
    (event,) = outcomes.finished(given(started(POSTS), listing_failed(POSTS)))
    assert isinstance(event, JobFailed)
    assert POSTS in event.why
    assert RELAY in event.why


@pytest.mark.parametrize("first", [POSTS, LIKES])
def test_a_job_one_of_whose_listings_failed_completes_and_names_it(first: ids.Nsid) -> None:
    job = given(started(first, POSTS), listing_failed(first), page(0, 5, None), handed_off(5))
    (event,) = outcomes.finished(job)
    assert isinstance(event, JobCompleted)
    assert event.failed_listings == [first]


def test_a_batch_that_was_taken_is_noted_with_its_ordinals() -> None:
    (event,) = outcomes.batch_taken(HandOff(1000, 1037), TAP)
    assert event == handed_off(first=1000, upto=1037)
