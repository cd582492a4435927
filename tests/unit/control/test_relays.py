"""What is told of the relays is what the jobs that are under way know of them."""

from msgspec.structs import replace
from support.given import LIKES, NOON, POSTS, RELAY, SECOND, given, page, started

from backfilld.control.relays import relays
from backfilld_events.catalog.job import AttemptFailed
from backfilld_events.folds import State
from backfilld_events.row import utc_text


def failed(peer: str, kind: str, retry_at: float) -> AttemptFailed:
    return AttemptFailed("discovery", peer, kind, "no", 3, retry_at)


def test_a_relay_that_has_us_wait_says_until_when_and_who_waits() -> None:
    one = given(started(POSTS), page(0, 3), failed(RELAY, "rate_limited", NOON + 60))
    two = replace(given(started(LIKES), failed(RELAY, "timeout", NOON + 9)), id="8")
    told = relays(State(jobs={one.id: one, two.id: two}), [RELAY, SECOND])
    first, second = told
    assert (first.url, first.configured, first.last_answer_at) == (RELAY, True, utc_text(NOON))
    assert first.cooling_down_until == utc_text(NOON + 60)
    assert [(wait.job_id, wait.kind, wait.attempt) for wait in first.waiting] == [
        ("7", "rate_limited", 3), ("8", "timeout", 3),
    ]  # fmt: skip
    assert first.waiting[1].retry_at == utc_text(NOON + 9)
    assert (second.last_answer_at, second.cooling_down_until, second.waiting) == (None, None, [])


def test_a_relay_that_only_an_older_job_asks_is_told_of_too() -> None:
    job = given(started(POSTS), page(0, 3))
    (new, old) = relays(State(jobs={job.id: job}), [SECOND])
    assert ((new.url, new.configured), (old.url, old.configured)) == (
        (SECOND, True),
        (RELAY, False),
    )
