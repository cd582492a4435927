"""What the answer to a step means, as events: pure functions of job, step, answer and time.

Randomness comes in as a value: `jitter` is 0 .. 1, so back-off is full jitter and testable.
"""

from backfilld_events import ids
from backfilld_events.catalog.job import (
    AttemptFailed,
    BatchHandedOff,
    JobCompleted,
    JobEvent,
    JobFailed,
    ListingFailed,
    ListingRestarted,
    PageDiscovered,
)
from backfilld_events.folds.job import Job

from ..discovery.page import Page
from ..failures import Failure
from .place import collection_number
from .plan import FetchPage, HandOff, Limits

BACKOFF_S_FIRST = 1.0
EMPTY_PAGES_MAX = 100  # in a row, with a cursor: the specification allows them, not for ever


def needs_head(step: FetchPage) -> bool:
    """Whether the answer is believed only beside the listing's head. A directory that was rebuilt
    takes a cursor of before for a place in another collection, and answers with accounts of that;
    only a listing from the start says which number ours has now."""
    return step.resumed and step.cursor is not None and collection_number(step.cursor) is not None


def page_came(
    job: Job, step: FetchPage, page: Page, limits: Limits, head: Page | None = None
) -> list[JobEvent]:
    """A page was fetched; with it `head`, the first entry of the listing, if the step needs it."""
    empty = not page.dids and not page.malformed
    ended = step.resumed and empty and page.cursor is None
    if ended or (head is not None and not _of_one_collection(step.cursor, head.cursor)):
        return [ListingRestarted(collection=step.collection, relay=step.relay)]
    came = PageDiscovered(
        collection=step.collection,
        relay=step.relay,
        first=job.discovered,
        count=len(page.dids),
        cursor=page.cursor,
        dids=ids.pack(page.dids),
        malformed=page.malformed,
    )
    landmark = job.listing.landmark if job.listing.relay == step.relay else None
    if page.cursor is not None and page.cursor in (step.cursor, landmark):
        circle = Failure("cursor_repeated", "the relay's cursor goes in a circle")
        return [came, _give_up(step, circle, attempts=1, limits=limits)]
    if empty and page.cursor is not None and job.listing.empty_pages + 1 >= EMPTY_PAGES_MAX:
        endless = Failure("empty_pages", f"{EMPTY_PAGES_MAX} empty pages in a row")
        return [came, _give_up(step, endless, attempts=1, limits=limits)]
    return [came]


def _of_one_collection(one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return False
    return collection_number(one) == collection_number(other)


def page_failed(
    job: Job, step: FetchPage, failure: Failure, *, now: float, jitter: float, limits: Limits
) -> list[JobEvent]:
    """A page did not come: another try later, or the end of this relay for this collection."""
    attempt = 1 if job.discovery is None else job.discovery.attempt + 1
    if failure.kind == "not_offered" or attempt >= limits.attempts_max:
        return [_give_up(step, failure, attempts=attempt, limits=limits)]
    wait = _backoff(attempt, failure, jitter, limits.relay_backoff_s_max)
    return [
        AttemptFailed(
            lane="discovery",
            peer=step.relay,
            kind=failure.kind,
            message=failure.message,
            attempt=attempt,
            retry_at=now + wait,
        )
    ]


def batch_taken(step: HandOff, tap: str) -> list[JobEvent]:
    """Tap accepted a batch."""
    return [BatchHandedOff(first=step.first, upto=step.upto, tap=tap)]


def batch_failed(
    job: Job, tap: str, failure: Failure, *, now: float, jitter: float, limits: Limits
) -> list[JobEvent]:
    """Tap did not accept a batch: tried again for as long as it takes."""
    attempt = 1 if job.hand_off is None else job.hand_off.attempt + 1
    wait = _backoff(attempt, failure, jitter, limits.tap_backoff_s_max)
    return [
        AttemptFailed(
            lane="hand-off",
            peer=tap,
            kind=failure.kind,
            message=failure.message,
            attempt=attempt,
            retry_at=now + wait,
        )
    ]


def finished(job: Job) -> list[JobEvent]:
    """The job's end, when no listing is open and no DID waits."""
    if job.failed_listings and len(job.failed_listings) == len(job.collections):
        last = job.failed_listings[-1]
        if not job.discovered:
            why = (
                f"{last.collection} could not be listed: {last.relay} {last.message}"
                f" ({last.attempts} {'try' if last.attempts == 1 else 'tries'}). "
                "Nothing was handed over."
            )
            return [JobFailed(code="listing_failed", why=why)]
    return [
        JobCompleted(
            discovered=job.discovered,
            handed_off=job.handed_off,
            malformed=job.malformed,
            failed_listings=[failed.collection for failed in job.failed_listings],
        )
    ]


def _give_up(step: FetchPage, failure: Failure, *, attempts: int, limits: Limits) -> ListingFailed:
    later = limits.relays[limits.relays.index(step.relay) + 1 :]
    return ListingFailed(
        collection=step.collection,
        relay=step.relay,
        kind=failure.kind,
        message=failure.message,
        attempts=attempts,
        next_relay=later[0] if later else None,
    )


def _backoff(attempt: int, failure: Failure, jitter: float, longest: float) -> float:
    """Full jitter up to a doubling bound, but never sooner than the peer asked for."""
    bound = min(longest, BACKOFF_S_FIRST * 2.0 ** min(attempt - 1, 30))
    return max(jitter * bound, failure.retry_after or 0.0)
