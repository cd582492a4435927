"""What a target gets, as data; and what it is when it did not take it. Pure."""

from collections.abc import Awaitable, Callable

import msgspec
from msgspec import Struct

from backfilld_events.catalog.notify import NewsRaised
from backfilld_events.row import Row, utc_text

from ..verification.known import Problem

SAMPLE = "sample"  # the kind of what is sent to try a target
BROKEN = "verify.failed"


class Letter(Struct, frozen=True):
    """News on its way to a target. `body` is the whole of it, as JSON; `at` is unix seconds."""

    id: int
    kind: str
    job: str
    state: str
    at: float
    body: bytes


class NotTaken(Exception):
    """A target did not take a letter. `retry_after` is seconds, None: it did not say."""

    def __init__(self, why: str, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.why, self.retry_after = why, retry_after


Deliver = Callable[[Letter], Awaitable[None]]
"""Brings a letter to its target, which has taken it when this returns. Raises NotTaken."""


class _Body(Struct, frozen=True):
    """The JSON; documented in docs/notify.md."""

    id: int
    kind: str
    at: str
    sentence: str
    job: str | None
    collections: list[str]
    state: str
    since: str | None
    count: int | None
    cause: int | None
    sample: bool = False


def letter(row: Row) -> Letter:
    """The news that stands in `row`. Raises TypeError when it holds none."""
    event = row.event
    if not isinstance(event, NewsRaised):
        raise TypeError(f"event {row.position} should be news, and is {row.type}")
    body = _Body(
        id=row.position,
        kind=event.kind,
        at=utc_text(row.at),
        sentence=event.sentence,
        job=event.job,
        collections=[*event.collections],
        state=event.state,
        since=None if event.since is None else utc_text(event.since),
        count=event.count,
        cause=row.cause,
    )
    return _sealed(body, row.at)


def broken(problem: Problem) -> Letter:
    """That the log does not verify. It is no event: nothing is written any more."""
    body = _Body(
        id=problem.position,
        kind=BROKEN,
        at=utc_text(problem.since),
        sentence=f"{problem.told}.",
        job=None,
        collections=[],
        state="broken",
        since=utc_text(problem.since),
        count=None,
        cause=None,
    )
    return _sealed(body, problem.since)


def sample(at: float) -> Letter:
    """A letter to try a target with."""
    body = _Body(
        id=0,
        kind=SAMPLE,
        at=utc_text(at),
        sentence="This is a sample: backfilld can reach you here.",
        job=None,
        collections=[],
        state=SAMPLE,
        since=None,
        count=None,
        cause=None,
        sample=True,
    )
    return _sealed(body, at)


def _sealed(body: _Body, at: float) -> Letter:
    encoded = msgspec.json.encode(body)
    return Letter(body.id, body.kind, body.job or "", body.state, at, encoded)
