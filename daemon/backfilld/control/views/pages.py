"""What a page for people asks about many jobs at once, and about the newest events of one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from backfilld_events.audit.show import summary
from backfilld_events.codec import Undecodable
from backfilld_events.faults import Fault
from backfilld_events.folds.job import Job
from backfilld_events.ids import Nsid
from backfilld_events.log import read
from backfilld_events.projections import history, repos, targets
from backfilld_events.projections.classes import Class
from backfilld_events.row import COLUMNS, Row, from_columns, utc_text

from ...backfill.standing import Scene
from ..shapes import JobShape
from .base import ViewsBase, at_one_moment
from .jobs import PAGE_JOBS, JobViews

NEW_MAX = 100  # more than so many are told as "more than"


class Sought(msgspec.Struct, frozen=True):
    """Which jobs a list shows; "": any. `state` is our word, not HappyView's."""

    state: str = ""
    collection: str = ""


class Listed(NamedTuple):
    """Some jobs, newest first; `before` asks for the next page, None: there is no more."""

    jobs: list[JobShape]
    before: int | None


class Told(NamedTuple):
    """An event in words."""

    position: int
    stream: str
    at: str
    type: str
    says: str
    actor: str
    cause: int | None


class Counted(NamedTuple):
    """How many repositories were found, how many of them are in which class, and how many of the
    failed ones failed in which way."""

    found: int
    classes: Mapping[Class, int]
    faults: Mapping[Fault, int]


class PageViews(JobViews, ViewsBase):
    """The part of the views that knows pages."""

    async def counted(self, counter: int) -> Counted:
        """The repositories of a job, of a collection (minus its number), or all (0)."""
        return await self._worker(self._counted, counter)

    async def counted_by_collection(self, nsids: Sequence[Nsid]) -> dict[Nsid, Counted]:
        """Those of each of these collections that a job has asked for."""
        return await self._worker(self._by_collection, nsids)

    async def listed(self, sought: Sought, before: int | None, limit: int) -> Listed:
        """The next `limit` jobs that are sought. One call of the worker a PAGE_JOBS looked at, so
        that nobody waits behind a long list."""
        found: list[JobShape] = []
        scene = await self._worker(self._scene)
        while True:
            wanted = limit + 1 - len(found)
            looked = await self._worker(self._look, sought, before, wanted, scene)
            found += looked.jobs
            before = looked.before
            if len(found) > limit:
                return Listed(found[:limit], found[limit - 1].position)
            if before is None:
                return Listed(found, None)

    async def at(self, positions: Sequence[int]) -> list[JobShape]:
        """The jobs that began at these positions, in their order."""
        return await self._worker(lambda: list(self._at(positions)))

    async def newer(self, sought: Sought, position: int) -> int:
        """How many of the jobs that are sought began after a position; at most NEW_MAX."""
        return await self._worker(self._newer, sought, position)

    async def newest(self, stream: str, limit: int) -> list[Told]:
        """The newest events of a stream in words, newest first."""
        return await self._worker(lambda: [told(row) for row in self._newest(stream, limit)])

    async def event(self, position: int) -> Told | None:
        """The event at a position, in words."""
        row = await self._worker(read.row, self._events, position)
        return None if row is None else told(row)

    def _counted(self, counter: int) -> Counted:
        with at_one_moment(self._events):
            return self._counted_now(counter)

    def _counted_now(self, counter: int) -> Counted:
        db = self._events
        return Counted(
            repos.found(db, counter), repos.counts(db, counter), repos.faults(db, counter)
        )

    def _by_collection(self, nsids: Sequence[Nsid]) -> dict[Nsid, Counted]:
        with at_one_moment(self._events):
            names = targets.counters(self._events, nsids)
            return {nsid: self._counted_now(counter) for counter, nsid in names.items()}

    def _newest(self, stream: str, limit: int) -> list[Row]:
        """By version, which has an index: a sort by position would read the whole stream."""
        rows = self._events.execute(
            f"SELECT {COLUMNS} FROM event WHERE stream = ? ORDER BY version DESC LIMIT ?",
            (stream, limit),
        )
        return [from_columns(columns) for columns in rows]

    def _look(self, sought: Sought, before: int | None, limit: int, scene: Scene) -> Listed:
        jobs: list[JobShape] = []
        with at_one_moment(self._events):
            page = history.page(self._events, before, PAGE_JOBS)
            for job in self._sought(sought, page, scene):
                jobs.append(job)
                if len(jobs) == limit:
                    return Listed(jobs, job.position)
        return Listed(jobs, page[-1][0].position if len(page) == PAGE_JOBS else None)

    def _sought(
        self, sought: Sought, page: Iterable[tuple[Job, int]], scene: Scene
    ) -> Iterator[JobShape]:
        for job, records in page:
            if sought.collection and sought.collection not in (job.asked_for, *job.collections):
                continue
            shape = self._job(job, records, scene)
            if sought.state in ("", shape.state):
                yield shape

    def _newer(self, sought: Sought, position: int) -> int:
        with at_one_moment(self._events):
            found = history.page(self._events, None, NEW_MAX)
            newer = [one for one in found if one[0].position > position]
            return len(list(self._sought(sought, newer, self._scene()))) if newer else 0

    def _at(self, positions: Sequence[int]) -> Iterator[JobShape]:
        scene = self._scene()
        with at_one_moment(self._events):
            for position in positions:
                for job, records in history.page(self._events, position + 1, 1):
                    if job.position == position:
                        yield self._job(job, records, scene)


def told(row: Row) -> Told:
    """An event in words; one that cannot be read says so."""
    try:
        says = summary(row)
    except Undecodable as error:
        says = f"it cannot be read: {error}"
    at = utc_text(row.at)
    return Told(row.position, row.stream, at, row.type, says, row.actor, row.cause)
