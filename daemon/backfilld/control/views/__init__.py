"""Answers questions from the log's projections and from the index. Reads only.

It has its own read-only connections, so that no question waits for a writer. What is asked about
jobs, records, events and so on stands in a module each.
"""

import msgspec

from backfilld_events.catalog.lexicon import LexiconFetched, LexiconUploaded
from backfilld_events.folds.job import Job
from backfilld_events.folds.lexicon import Lexicon
from backfilld_events.ids import Did
from backfilld_events.log import read
from backfilld_events.projections import pages as entries
from backfilld_events.projections import repos
from backfilld_events.projections.repos import Asked

from ..present import lexicon_shape
from ..shapes import LexiconDetail
from .events import EventViews
from .log import LogViews
from .pages import PageViews
from .records import RecordViews
from .stream import StreamViews


class Views(StreamViews, PageViews, RecordViews, EventViews, LogViews):
    """Every answer is one read of a connection in its thread."""

    async def dids(self, job: Job, first: int, upto: int) -> list[Did]:
        """The DIDs with these ordinals of the job."""
        return await self._worker(entries.dids, self._events, job.position, first, upto)

    async def to_ask(self, after: int, limit: int, failed: bool) -> list[Asked]:
        """Repositories to ask Tap about; see repos.to_ask."""
        return await self._worker(lambda: repos.to_ask(self._events, after, limit, failed=failed))

    async def lexicon(self, lexicon: Lexicon) -> LexiconDetail:
        """A lexicon with its document."""
        document = await self._worker(self._document, lexicon)
        shape = msgspec.to_builtins(lexicon_shape(lexicon))
        return LexiconDetail(**shape, lexicon_json=document)

    def _document(self, lexicon: Lexicon) -> msgspec.Raw:
        row = read.row(self._events, lexicon.position)
        event = None if row is None else row.event
        if not isinstance(event, LexiconUploaded | LexiconFetched):
            raise TypeError(f"event {lexicon.position} should hold lexicon {lexicon.nsid}")
        return msgspec.Raw(event.document)
