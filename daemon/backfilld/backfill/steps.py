"""Carries out the steps of a plan: the only place of the backfill with effects.

A step ends in events for the log, whatever happened; foreign trouble is an event too.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from backfilld_events.catalog.job import JobEvent
from backfilld_events.folds.job import Job
from backfilld_events.ids import Did, Nsid

from ..clock import Clock
from ..discovery.page import Page
from ..failures import Failure
from . import outcomes
from .plan import FetchPage, HandOff, Limits

ReadDids = Callable[[Job, int, int], Awaitable[list[Did]]]
"""(job, first, upto) -> the DIDs with these ordinals, from the log."""


class Lister(Protocol):
    """Lists the repositories that hold a collection. Raises Failure."""

    async def list_page(
        self, relay: str, collection: Nsid, cursor: str | None, size: int
    ) -> Page: ...


class Taker(Protocol):
    """Takes DIDs over for fetching; doing it twice is harmless. Raises Failure."""

    @property
    def url(self) -> str: ...

    async def hand_over(self, dids: Sequence[Did]) -> None: ...


class Steps:
    """The steps' means: a relay client, Tap, the log's DIDs, the time and a source of jitter."""

    def __init__(
        self,
        lister: Lister,
        taker: Taker,
        read_dids: ReadDids,
        clock: Clock,
        jitter: Callable[[], float],
    ) -> None:
        self._lister, self._taker, self._read_dids = lister, taker, read_dids
        self._clock, self._jitter = clock, jitter
        self.handed_over = 0  # repositories, since the start

    async def fetch_page(self, job: Job, step: FetchPage, limits: Limits) -> list[JobEvent]:
        """Asks the relay for a page."""
        try:
            page = await self._lister.list_page(step.relay, step.collection, step.cursor, step.size)
            head = await self._head(step) if outcomes.needs_head(step) else None
        except Failure as failure:
            return outcomes.page_failed(
                job, step, failure, now=self._clock(), jitter=self._jitter(), limits=limits
            )
        return outcomes.page_came(job, step, page, limits, head)

    async def _head(self, step: FetchPage) -> Page:
        """Asked for after the page: then a rebuild in between is seen too."""
        return await self._lister.list_page(step.relay, step.collection, None, 1)

    async def hand_off(self, job: Job, step: HandOff, limits: Limits) -> list[JobEvent]:
        """Hands a batch to Tap. A crash before its event hands it over again: Tap ignores those
        it has."""
        dids = await self._read_dids(job, step.first, step.upto)
        try:
            await self._taker.hand_over(dids)
        except Failure as failure:
            return outcomes.batch_failed(
                job,
                self._taker.url,
                failure,
                now=self._clock(),
                jitter=self._jitter(),
                limits=limits,
            )
        self.handed_over += len(dids)
        return outcomes.batch_taken(step, self._taker.url)
