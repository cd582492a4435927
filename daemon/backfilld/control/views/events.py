"""The log as HappyView's list of events: filtered, newest first, in pages.

The one rule: a request looks at a bounded number of events, whatever it asks for. Who finds less
than a page is given a cursor all the same, and goes on from there.
"""

from collections.abc import Generator
from contextlib import closing
from typing import NamedTuple

from backfilld_events.log import read, seldom
from backfilld_events.log.append import head
from backfilld_events.log.seldom import Head
from backfilld_events.projections import jobs, repos
from backfilld_events.row import Row, utc_text

from .. import happyview_events as happyview
from ..happyview_events import About, Shown
from ..shapes.reads import EventCount, Events, EventShape
from . import base
from .base import ViewsBase

LOOKED_MAX = 10_000  # events that a page looks at
COUNTED_MAX = 100_000  # and a count
POSITION_MAX = 1 << 62
# A clock may have been set back, so that times are not in the order of the log. So far a search
# looks beyond where a time should be
SLACK = 1_000


class Filters(NamedTuple):
    """What is asked for; times are microseconds, UTC: at `after` or later, and before `before`."""

    event_type: str | None = None
    category: str | None = None
    severity: str | None = None
    subject: str | None = None
    after: int | None = None
    before: int | None = None


class EventViews(ViewsBase):
    """The part of the views that knows events by HappyView's names."""

    async def events(self, filters: Filters, below: int, limit: int) -> Events:
        """At most `limit` events below a position."""
        return await self._worker(self._events_page, filters, below, limit)

    async def count_events(self, filters: Filters) -> EventCount:
        """How many there are, as far as COUNTED_MAX events tell."""
        search = _Search(self, filters)
        async with self._counting:
            total = await self._worker(self._counted_at_once, search)
            if total is not None:
                return EventCount(total, exact=True)
            total, left = 0, COUNTED_MAX
            while left > 0 and not search.is_over:
                total += await self._worker(search.count, min(left, base.PIECE))
                left -= base.PIECE
        return EventCount(total, exact=search.is_over)

    def _events_page(self, filters: Filters, below: int, limit: int) -> Events:
        search, page = _Search(self, filters), Events([])
        with closing(search.found(below, LOOKED_MAX)) as found:
            for row, shown in found:
                if len(page.events) == limit:
                    page.cursor = page.events[-1].id
                    return page
                page.events.append(_shape(row, shown))
        if not search.is_over:
            page.cursor = str(search.last)
        return page

    def _counted_at_once(self, search: "_Search") -> int | None:
        """None: only a look at the events tells."""
        if search.filters == Filters():
            return head(self._events)[0]
        if search.types_suffice and not seldom.OFTEN & search.types:
            return seldom.count(self._events, search.types)
        return None

    def _about(self, stream: str) -> About | None:
        """What is told of the job of this stream."""
        found = jobs.find(self._events, stream.removeprefix("job/"))
        if len(found) != 1:
            return None
        job, records = found[0]
        return About(
            collection=job.asked_for or (job.collections[0] if len(job.collections) == 1 else None),
            repos=sum(repos.counts(self._events, job.position).values()),
            records=records,
            accounts=job.discovered if job.given else None,
        )


class _Search:
    """One search: `last` is the position of the last event it looked at; `is_over`: there are no
    more."""

    def __init__(self, views: EventViews, filters: Filters) -> None:
        self._views, self._db, self.filters = views, views._events, filters
        self.types = happyview.types_of(filters.event_type, filters.category, filters.severity)
        by_name = filters.event_type is not None or filters.category is not None
        self.types_suffice = (
            filters.subject is None
            and filters.after is None
            and filters.before is None
            and not (by_name and any(not happyview.is_told_by_type(one) for one in self.types))
        )
        self.last, self.is_over = POSITION_MAX, False
        self._stale = 0
        self._jobs: dict[str, About | None] = {}

    def found(self, below: int, looked_max: int) -> Generator[tuple[Row, Shown], None, None]:
        """What fits below a position, newest first."""
        with closing(self.heads(below, looked_max)) as heads:
            for one in heads:
                if (fit := self.fits(one)) is not None:
                    yield fit

    def count(self, looked_max: int) -> int:
        """How many fit of the next events to look at."""
        with closing(self.heads(self.last, looked_max)) as heads:
            return sum(1 for one in heads if self.types_suffice or self.fits(one) is not None)

    def heads(self, below: int, looked_max: int) -> Generator[Head, None, None]:
        """What fits so far as no payload tells."""
        filters = self.filters
        if filters.before is not None:
            newest, _ = head(self._db)
            near = seldom.at_time(self._db, filters.before, newest)
            below = min(below, near + SLACK + 1)
        everything = self.types == happyview.NAMES.keys()
        with closing(
            seldom.newest(self._db, None if everything else self.types, below)
        ) as newest_first:
            for looked, one in enumerate(newest_first, 1):
                self.last = one.position
                self._stale = self._stale + 1 if one.recorded_at < (filters.after or 0) else 0
                if self._stale == SLACK:
                    break
                if one.type in self.types and not self._stale and self._is_before(one):
                    yield one
                if looked == looked_max:
                    return
        self.is_over = True

    def fits(self, one: Head) -> tuple[Row, Shown] | None:
        """The event as it is shown, if it fits."""
        row = read.row(self._db, one.position)
        if row is None:
            return None
        about = None
        if row.stream.startswith("job/"):
            if row.stream not in self._jobs:
                self._jobs[row.stream] = self._views._about(row.stream)
            about = self._jobs[row.stream]
        shown, filters = happyview.shown(row, about), self.filters
        fits = (
            filters.event_type in (None, shown.event_type)
            and filters.subject in (None, shown.subject)
            and (filters.category is None or shown.event_type.startswith(f"{filters.category}."))
        )
        return (row, shown) if fits else None

    def _is_before(self, one: Head) -> bool:
        return self.filters.before is None or one.recorded_at < self.filters.before


def _shape(row: Row, shown: Shown) -> EventShape:
    return EventShape(
        id=str(row.position),
        event_type=shown.event_type,
        severity=shown.severity,
        actor_did=None,
        subject=shown.subject,
        detail=shown.detail,
        created_at=utc_text(row.at),
        actor=row.actor,
        type=row.type,
        stream=row.stream,
    )
