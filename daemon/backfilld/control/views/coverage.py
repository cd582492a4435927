"""What is asked about all repositories of a job, or of a collection over all jobs."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from backfilld_events import ids
from backfilld_events.faults import MEANINGS, Fault
from backfilld_events.folds.job import Job
from backfilld_events.ids import Did, Nsid
from backfilld_events.log import read
from backfilld_events.log.append import head
from backfilld_events.projections import history, jobs, listing, repos, restoring, targets
from backfilld_events.projections.classes import Class
from backfilld_events.projections.listing import Listed
from backfilld_events.projections.repo import batches, places
from backfilld_events.row import utc_text

from ...backfill.commands import Accounts
from .. import covered
from ..covered import Found, Sought
from ..shapes.coverage import AsOf, Behind
from .base import ViewsBase, at_one_moment

DIFFERING_MAX = 2_000  # that are counted

_HERE = (Class.SYNCED, Class.EMPTY)
_WITH_TAP = (
    Class.HANDED_OFF, Class.ARRIVING, *_HERE, Class.PARKED, Class.FAILED, Class.HELD
)  # fmt: skip


class Of(NamedTuple):
    """Whose repositories: of a job, or of a collection (`counter` is minus its number)."""

    counter: int
    job: Job | None = None
    nsid: Nsid | None = None

    @property
    def name(self) -> str:
        """As the command line takes it."""
        return self.job.id[:8] if self.job is not None else str(self.nsid)

    @property
    def collections(self) -> list[Nsid]:
        """Those that are asked for."""
        if self.job is not None:
            return list(self.job.collections)
        return [] if self.nsid is None else [self.nsid]


class CoverageViews(ViewsBase):
    """The part of the views that knows the repositories behind a number."""

    async def of_job(self, name: str) -> Of | None:
        """The job whose id is, or uniquely begins with, `name`; `last` is the newest."""
        return await self._worker(self._of_job, name)

    async def of_collection(self, nsid: Nsid) -> Of | None:
        """The collection, if any job has asked for it."""
        counters = await self._worker(targets.counters, self._events, [nsid])
        return next((Of(counter, nsid=nsid) for counter in counters), None)

    async def covered(self, of: Of) -> tuple[Found, AsOf]:
        """All that is counted of it."""
        return await self._worker(self._covered, of)

    async def behind(
        self, of: Of, wanted: Sought, after: int, limit: int
    ) -> tuple[list[Behind], int | None]:
        """Some repositories after that number, and the number to go on from, if there are more."""
        return await self._worker(self._behind, of, wanted, after, limit)

    async def dids_behind(
        self, of: Of, wanted: Sought, after: int, limit: int
    ) -> tuple[list[Did], int | None]:
        """The same, their DIDs alone."""
        return await self._worker(self._dids_behind, of, wanted, after, limit)

    async def fetched_anew(
        self, mode: str, collections: Sequence[Nsid], accounts: Accounts | None
    ) -> int:
        """How many repositories, of those now known, a job of this mode would take out of Tap."""
        if mode == "add":
            return 0
        if accounts is None or mode == "auto":
            return await self._worker(self._of_collections, mode, collections)
        found = 0
        for _, packed in accounts.parts:
            found += await self._worker(self._with_tap, ids.unpack_keys(packed))
        return found

    async def left_to_differ(self) -> list[Did]:
        """Repositories whose rows are not what they should be, and about which nothing more is done
        by itself; of many some."""
        return await self._worker(listing.left_to_differ, self._events, DIFFERING_MAX)

    async def restored(self, collections: Sequence[Nsid]) -> float | None:
        """When the backup was made (unix seconds) that the index is, if one of these collections
        was not fetched anew since that was put in place."""
        return await self._worker(restoring.since, self._events, collections)

    # --- calls of the worker ---------------------------------------------------------------

    def _of_job(self, name: str) -> Of | None:
        found = jobs.newest(self._events, 1) if name == "last" else jobs.find(self._events, name)
        return Of(found[0][0].position, job=found[0][0]) if len(found) == 1 else None

    def _covered(self, of: Of) -> tuple[Found, AsOf]:
        db = self._events
        with at_one_moment(db):
            position, _ = head(db)
            classes, faults = repos.counts(db, of.counter), repos.faults(db, of.counter)
            job = of.job if of.job is None else jobs.find(db, of.job.id)[0][0]
            related = [job] if job is not None else list(history.of(db, str(of.nsid)))
            cancelled = job is not None and job.outcome == "cancelled"
            found = Found(
                total=repos.found(db, of.counter),
                classes=classes,
                faults=faults,
                differing=listing.differ(db, of.counter, DIFFERING_MAX),
                left=classes.get(Class.DISCOVERED, 0) if cancelled else 0,
                listing=_listing(related, of.nsid),
                retry=self._retry(related, faults),
                malformed=0 if job is None else job.malformed,
                unlisted=_unlisted(related, of.nsid),
            )
            return found, AsOf(position, utc_text(read.times(db, [position]).get(position, 0.0)))

    def _retry(self, related: Sequence[Job], faults: dict[Fault, int]) -> tuple[int, str] | None:
        """How many of the failed another try may help, and the job of most of them."""
        if not (all_ := _retryable(faults)):
            return None
        by_job = [(_retryable(repos.faults(self._events, job.position)), job) for job in related]
        most, job = max(by_job, key=lambda one: (one[0], one[1].position))
        return min(most, all_), job.id

    def _listed(self, of: Of, wanted: Sought, after: int, limit: int) -> list[Listed]:
        if wanted.differing:
            return listing.differing(self._events, of.counter, after, limit)
        return listing.page(self._events, of.counter, wanted.codes, after, limit)

    def _behind(
        self, of: Of, wanted: Sought, after: int, limit: int
    ) -> tuple[list[Behind], int | None]:
        with at_one_moment(self._events):
            found = self._listed(of, wanted, after, limit + 1)
            times = read.times(self._events, {one.since for one in found})
        shapes = [_behind(one, times[one.since]) for one in found[:limit]]
        return shapes, found[limit - 1].id if len(found) > limit else None

    def _dids_behind(
        self, of: Of, wanted: Sought, after: int, limit: int
    ) -> tuple[list[Did], int | None]:
        with at_one_moment(self._events):
            found = self._listed(of, wanted, after, limit)
        return [one.did for one in found], found[-1].id if len(found) == limit else None

    def _of_collections(self, mode: str, collections: Sequence[Nsid]) -> int:
        kinds = (Class.HELD,) if mode == "auto" else _WITH_TAP
        counters = targets.counters(self._events, collections)
        by_counter = [repos.counts(self._events, counter) for counter in counters]
        return sum(counts.get(kind, 0) for counts in by_counter for kind in kinds)

    def _with_tap(self, keys: list[bytes]) -> int:
        found = 0
        with at_one_moment(self._events):
            known = sorted({number for number in self._find(keys) if number is not None})
            for some in batches(known):
                (n,) = self._events.execute(
                    f"SELECT count(*) FROM repo WHERE id IN ({places(some)})"
                    " AND handed IS NOT NULL AND class <> ?",
                    (*some, int(Class.GONE)),
                ).fetchone()
                found += n
        return found


def _behind(one: Listed, since: float) -> Behind:
    return Behind(
        did=one.did,
        handle=covered.handle(one),
        pds_endpoint=covered.pds(one.host),
        state=one.kind.name.lower(),
        kind=one.fault.word if one.kind is Class.FAILED else None,
        since=utc_text(since),
        position=one.since,
        records=one.live,
        sentence=covered.says(one),
        next=covered.comes_next(one),
    )


def _retryable(faults: dict[Fault, int]) -> int:
    return sum(n for fault, n in faults.items() if fault in MEANINGS and MEANINGS[fault].retryable)


def _listers(related: Sequence[Job], nsid: Nsid | None) -> Iterator[Job]:
    """Those that ask a relay, but for those that were cancelled before they came to the end."""
    for job in related:
        whole = nsid is None or _is_listed(job, nsid)
        if (nsid is None or not job.given) and (whole or job.outcome != "cancelled"):
            yield job


def _listing(related: Sequence[Job], nsid: Nsid | None) -> covered.Listing:
    """How the newest listing went: of all collections of a job, or of one over all jobs."""
    job = next(_listers(related, nsid), None)
    if job is None:
        return "failed" if any(not one.given for one in related) else "none"
    if job.listed if nsid is None else _is_listed(job, nsid):
        return "failed" if _unlisted(related, nsid) else "ended"
    return "under_way" if job.ended_at is None else "failed"


def _unlisted(related: Sequence[Job], nsid: Nsid | None) -> Collection[str]:
    """The collections whose newest listing failed for good."""
    job = next(_listers(related, nsid), None)
    failed = () if job is None else job.failed_listings
    return [one.collection for one in failed if nsid in (None, one.collection)]


def _is_listed(job: Job, nsid: Nsid) -> bool:
    return job.listed or nsid in job.collections[: job.listings_ended]
