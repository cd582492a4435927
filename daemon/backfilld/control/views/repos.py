"""What is asked about the repositories of a job as HappyView lists them."""

from collections.abc import Sequence
from typing import NamedTuple

from backfilld_events.ids import Nsid
from backfilld_events.log import read
from backfilld_events.projections import jobs, listing, repos, targets
from backfilld_events.projections.classes import Class
from backfilld_events.projections.listing import Listed
from backfilld_events.projections.repo import counters_of
from backfilld_events.row import utc_text

from .. import covered
from ..covered import Sought
from ..shapes.repos import JobRepo, PdsShape
from .base import PIECE, at_one_moment
from .coverage import CoverageViews, Of

HOSTS_LOOKED_MAX = 100_000  # repositories with a server that we know

_HERE = (Class.SYNCED, Class.EMPTY)


class RepoViews(CoverageViews):
    """The part of the views that knows a job's repositories one by one, and by server."""

    async def repos_of_job(
        self, of: Of, wanted: Sought, after: int, limit: int
    ) -> tuple[list[JobRepo], int | None]:
        """The same, as HappyView lists the repositories of a job."""
        return await self._worker(self._repos_of_job, of, wanted, after, limit)

    async def repo_of_job(self, of: Of, key: bytes) -> list[JobRepo]:
        """The one with this key (ids.pack_one), if the job counts it."""
        return await self._worker(self._repo_of_job, of, key)

    async def by_server(self, of: Of) -> list[PdsShape]:
        """How many repositories of a job are on which server, of at most HOSTS_LOOKED_MAX."""
        sums: dict[str, list[int]] = {}
        after = looked = 0
        while looked < HOSTS_LOOKED_MAX:
            rows = await self._worker(self._hosted, of.counter, after)
            for _, host, here, records in rows.ours:
                one = sums.setdefault(host, [0, 0, 0])
                one[0], one[1], one[2] = one[0] + 1, one[1] + here, one[2] + records
            looked, after = looked + PIECE, rows.last
            if not rows.more:
                break
        whole = await self._worker(self._whole, of)
        known = [sum(column) for column in zip(*sums.values(), strict=True)] or [0, 0, 0]
        rest = [max(0, all_ - some) for all_, some in zip(whole, known, strict=True)]
        ordered = sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))
        servers = [PdsShape(covered.pds(host), *one) for host, one in ordered]
        return [*servers, PdsShape(None, *rest)] if rest[0] else servers

    # --- calls of the worker ---------------------------------------------------------------

    def _repos_of_job(
        self, of: Of, wanted: Sought, after: int, limit: int
    ) -> tuple[list[JobRepo], int | None]:
        with at_one_moment(self._events):
            found = self._listed(of, wanted, after, limit + 1)
            shapes = self._of_the_job(of, found[:limit])
        return shapes, found[limit - 1].id if len(found) > limit else None

    def _repo_of_job(self, of: Of, key: bytes) -> list[JobRepo]:
        with at_one_moment(self._events):
            (number,) = self._find([key])
            if number is None:
                return []
            one, classes = listing.one(self._events, number)
            if of.counter not in classes:
                return []
            (shape,) = self._of_the_job(of, [one])
        shape.state = classes[of.counter].name.lower()
        return [shape]

    def _of_the_job(self, of: Of, found: Sequence[Listed]) -> list[JobRepo]:
        times = read.times(self._events, {one.since for one in found})
        counters = counters_of(self._events, [one.id for one in found])
        names = targets.counters(self._events, [Nsid(one) for one in of.collections])
        return [
            JobRepo(
                did=one.did,
                pds_endpoint=covered.pds(one.host),
                status="completed" if one.kind in _HERE else "pending",
                records_fetched=one.live,
                state=one.kind.name.lower(),
                since=utc_text(times[one.since]),
                position=one.since,
                reason=_why(one),
                collections=sorted(
                    names[counter] for counter, _ in counters[one.id] if counter in names
                ),
            )
            for one in found
        ]

    def _hosted(self, counter: int, after: int) -> "_Hosted":
        rows = self._events.execute(
            "SELECT repo, host.name, class IN (3, 4), live FROM seen"
            " JOIN host ON host.number = seen.host JOIN repo ON repo.id = seen.repo"
            " WHERE host > 0 AND repo > ? ORDER BY repo LIMIT ?",
            (after, PIECE),
        ).fetchall()
        counters = counters_of(self._events, [row[0] for row in rows])
        ours = [row for row in rows if any(one == counter for one, _ in counters[row[0]])]
        return _Hosted(ours, rows[-1][0] if rows else after, more=len(rows) == PIECE)

    def _whole(self, of: Of) -> tuple[int, int, int]:
        """(repositories, those that are here, records) of a job."""
        classes = repos.counts(self._events, of.counter)
        records = jobs.find(self._events, of.job.id)[0][1] if of.job is not None else 0
        return sum(classes.values()), sum(classes.get(kind, 0) for kind in _HERE), records


class _Hosted(NamedTuple):
    ours: list[tuple[int, str, int, int]]
    last: int
    more: bool


def _why(one: Listed) -> str | None:
    if one.kind in (Class.FAILED, Class.GONE):
        return listing.reason(one)
    return covered.says(one) if one.kind in (Class.PARKED, Class.HELD) or one.differs else None
