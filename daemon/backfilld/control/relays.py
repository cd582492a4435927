"""The relays as the jobs that are under way know them. Pure."""

from collections.abc import Iterable, Sequence

from backfilld_events.folds import State
from backfilld_events.folds.job import Waiting
from backfilld_events.row import utc_text

from .shapes.reads import RelayShape, WaitShape

RATE_LIMITED = "rate_limited"  # a word of failures


def relays(state: State, configured: Sequence[str]) -> list[RelayShape]:
    """Those that are configured, in the order in which they are asked, and then those that jobs
    which began before still ask."""
    waits = [
        (job.id, job.discovery) for job in state.jobs.values() if job.discovery is not None
    ]  # fmt: skip
    asked = [one.listing.relay for one in state.jobs.values() if one.listing.relay is not None]
    urls = dict.fromkeys([*configured, *asked, *(wait.peer for _, wait in waits)])
    return [
        RelayShape(
            url=url,
            configured=url in configured,
            last_answer_at=_text(_last_answers(state, url)),
            cooling_down_until=_text(
                wait.retry_at for _, wait in waits if (wait.peer, wait.kind) == (url, RATE_LIMITED)
            ),
            waiting=[_wait(job_id, wait) for job_id, wait in waits if wait.peer == url],
        )
        for url in urls
    ]


def _last_answers(state: State, url: str) -> Iterable[float]:
    return (
        job.listing.last_page_at
        for job in state.jobs.values()
        if job.listing.relay == url and job.listing.last_page_at
    )


def _text(moments: Iterable[float]) -> str | None:
    last = max(moments, default=None)
    return None if last is None else utc_text(last)


def _wait(job_id: str, wait: Waiting) -> WaitShape:
    return WaitShape(
        job_id=job_id,
        kind=wait.kind,
        message=wait.message,
        attempt=wait.attempt,
        since=utc_text(wait.since),
        retry_at=utc_text(wait.retry_at),
    )
