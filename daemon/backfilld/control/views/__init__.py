"""Answers questions from the log's projections and from the index. Reads only.

It has its own read-only connections, so that no question waits for a writer. What is asked about
jobs, records, events and so on stands in a module each.
"""

import msgspec

from backfilld_events.catalog.lexicon import LexiconFetched, LexiconUploaded
from backfilld_events.folds.job import Job
from backfilld_events.folds.lexicon import Lexicon
from backfilld_events.ids import Did, Nsid
from backfilld_events.log import read
from backfilld_events.projections import outings, stuck
from backfilld_events.projections import pages as entries
from backfilld_events.projections import repos as known
from backfilld_events.projections.asked import Asked
from backfilld_events.projections.classes import Ask, Need
from backfilld_events.projections.still import Stuck

from ...backfill import queues
from ..present import lexicon_shape
from ..shapes import LexiconDetail
from .account import AccountViews
from .arrivals import ArrivalViews
from .dead_letters import LetterViews
from .errors import ErrorViews
from .events import EventViews
from .export import ExportViews
from .measures import MeasureViews
from .pages import PageViews
from .reconcile import ReconcileViews
from .records import RecordViews
from .repos import RepoViews
from .stream import StreamViews


class Views(
    StreamViews,
    PageViews,
    RecordViews,
    EventViews,
    ExportViews,
    ReconcileViews,
    ArrivalViews,
    LetterViews,
    RepoViews,
    ErrorViews,
    AccountViews,
    MeasureViews,
):  # fmt: skip
    """Every answer is one read of a connection in its thread."""

    async def dids(self, job: Job, first: int, upto: int) -> list[Did]:
        """The DIDs with these ordinals of the job."""
        return await self._worker(entries.dids, self._events, job.position, first, upto)

    async def due(self, now: float, limit: int) -> list[Asked]:
        """Repositories to ask Tap about now; see queues.chosen."""
        return await self._worker(self._due, now, limit)

    async def needy(self, need: Need, now: float, limit: int) -> list[Asked]:
        """Repositories for which something is to be done; see repos.needy."""
        return await self._worker(known.needy, self._events, need, now, limit)

    async def with_tap(self, after: int, limit: int) -> list[Asked]:
        """Repositories that should be with Tap; see repos.with_tap."""
        return await self._worker(known.with_tap, self._events, after, limit)

    async def expected(self) -> int:
        """How many repositories should be with Tap, at least."""
        return await self._worker(known.expected, self._events)

    async def stuck(self) -> Stuck:
        """What does not get on; see projections.stuck."""
        return await self._worker(stuck.stuck, self._events)

    async def first_unsettled(self, limit: int) -> list[Asked]:
        """The repositories that Tap is likely to be at; see projections.stuck."""
        return await self._worker(stuck.first_unsettled, self._events, limit)

    async def outing(self, position: int) -> list[Did]:
        """The repositories that the event at that position took out of Tap."""
        return await self._worker(outings.dids, self._events, position)

    async def delivered_since(self, position: int) -> set[Nsid]:
        """The collections of which Tap has sent records after that position."""
        return await self._worker(known.delivered_since, self._events, position)

    async def lexicon(self, lexicon: Lexicon) -> LexiconDetail:
        """A lexicon with its document."""
        document = await self._worker(self._document, lexicon)
        shape = msgspec.to_builtins(lexicon_shape(lexicon))
        return LexiconDetail(**shape, lexicon_json=document)

    def _due(self, now: float, limit: int) -> list[Asked]:
        waiting: dict[Ask, list[int]] = {
            queue: known.due(self._events, queue, now, limit)
            for queue in Ask
            if queue is not Ask.NEVER
        }
        return known.to_ask(self._events, queues.chosen(waiting, limit))

    def _document(self, lexicon: Lexicon) -> msgspec.Raw:
        row = read.row(self._events, lexicon.position)
        event = None if row is None else row.event
        if not isinstance(event, LexiconUploaded | LexiconFetched):
            raise TypeError(f"event {lexicon.position} should hold lexicon {lexicon.nsid}")
        return msgspec.Raw(event.document)
