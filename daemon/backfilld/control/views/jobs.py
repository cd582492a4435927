"""What is asked about jobs."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec
import trio

from backfilld_events.folds.job import Job
from backfilld_events.ids import Did, Nsid
from backfilld_events.projections import history, jobs, listing, repos, targets
from backfilld_events.projections.classes import Class

from ...backfill.standing import Scene, standing
from ..jobs import outlook, progress
from ..jobs.forecast import Past
from ..jobs.progress import Range, Samples
from ..present import job_detail, job_sample, job_shape
from ..shapes import JobDetail, JobShape
from .base import ViewsBase, at_one_moment

FAILURES_MAX = 100  # in the job itself; the others are a page away
_UNFIT = (Class.FAILED, Class.GONE)
SAMPLED_MAX = 100  # jobs whose progress is watched at once: 3 MB
PAGE_JOBS = 100  # looked at in one call of the worker, so that nobody waits behind a long list
BATCHES_MAX = 5000  # of an earlier job, for its rates


class Wanted(msgspec.Struct, frozen=True):
    """Which jobs are asked for; None: any. `status` is HappyView's word."""

    status: str | None = None
    collection: Nsid | None = None
    did: Did | None = None


class JobPage(NamedTuple):
    """Some jobs, newest first; `before` asks for the next page, None: there is no more."""

    jobs: list[JobShape]
    before: int | None


class JobViews(ViewsBase):
    """The part of the views that knows jobs, and how fast they are: see `sampling`."""

    _samples: Mapping[int, Samples] = {}

    async def jobs(self, limit: int = -1) -> list[JobShape]:
        """All jobs, newest first."""
        return await self._worker(self._newest_jobs, limit)

    async def job(self, job_id: str) -> JobDetail | None:
        """The job whose id is, or uniquely begins with, `job_id`; `last` is the newest."""
        return await self._worker(self._detail, job_id, trio.current_time())

    async def page(self, wanted: Wanted, before: int | None) -> JobPage:
        """Those of the next PAGE_JOBS jobs that are wanted."""
        return await self._worker(self._page_of_jobs, wanted, before)

    async def past(self, collections: Collection[Nsid] | None, limit: int) -> list[Past]:
        """The newest jobs that listed exactly these collections (None: any), whole and without an
        error."""
        return await self._worker(self._past, collections, limit)

    async def sampling(self) -> None:
        """Looks now and again how far each job is that moves, until cancelled."""
        while True:
            self._samples = await self._worker(self._sampled, trio.current_time())
            await trio.sleep(progress.EVERY_S)

    def completion(self, job: Job) -> Range:
        """How long an unended job takes until every repository is handed to Tap."""
        return outlook.completion(
            job, standing(job, self._scene()), self._samples.get(job.position, ())
        )

    def forget_samples(self, number: int | None) -> None:
        """Drops what was seen of a job's progress; None: of all."""
        kept = {} if number is None else dict(self._samples)
        kept.pop(number or 0, None)
        self._samples = kept

    def _newest_jobs(self, limit: int) -> list[JobShape]:
        scene = self._scene()
        with at_one_moment(self._events):
            found = jobs.newest(self._events, limit)
            silent = targets.silent(self._events)
            return [self._job(job, records, scene, silent) for job, records in found]

    def _job(
        self,
        job: Job,
        records: int,
        scene: Scene | None = None,
        silent: Collection[Nsid] | None = None,
    ) -> JobShape:
        """Within `at_one_moment`, as is the job. `scene` and `silent`: for many jobs they are found
        once."""
        counts = repos.counts(self._events, job.position)
        silent = targets.silent(self._events) if silent is None else silent
        return job_shape(job, records, counts, scene or self._scene(), silent)

    def _detail(self, job_id: str, now: float) -> JobDetail | None:
        with at_one_moment(self._events):
            return self._detail_now(job_id, now)

    def _detail_now(self, job_id: str, now: float) -> JobDetail | None:
        if job_id == "last":
            found = jobs.newest(self._events, 1)
        else:
            found = jobs.find(self._events, job_id)
        if len(found) != 1:
            return None
        job, records = found[0]
        counts = repos.counts(self._events, job.position)
        unfit = listing.page(self._events, job.position, _UNFIT, 0, FAILURES_MAX)
        samples = self._samples.get(job.position, ())
        later = jobs.retried_by(self._events, job.id)
        scene = self._scene()
        row = job_shape(job, records, counts, scene, targets.silent(self._events))
        return job_detail(job, row, counts, scene, unfit, samples, now, later)

    def _page_of_jobs(self, wanted: Wanted, before: int | None) -> JobPage:
        scene = self._scene()
        with at_one_moment(self._events):
            found = history.page(self._events, before, PAGE_JOBS)
            asked = [(job, records) for job, records in found if self._asks(job, wanted)]
            silent = targets.silent(self._events)
            shapes = [self._job(job, records, scene, silent) for job, records in asked]
        if wanted.status is not None:
            shapes = [one for one in shapes if one.status == wanted.status]
        return JobPage(shapes, found[-1][0].position if len(found) == PAGE_JOBS else None)

    def _asks(self, job: Job, wanted: Wanted) -> bool:
        collection, did = wanted.collection, wanted.did
        if collection is not None and collection not in (job.asked_for, *job.collections):
            return False
        return did is None or history.was_given(self._events, job, did)

    def _past(self, collections: Collection[Nsid] | None, limit: int) -> list[Past]:
        return [
            Past(
                job,
                sum(repos.counts(self._events, job.position).values()),
                history.batches(self._events, job.id, BATCHES_MAX),
            )
            for job in history.listed(self._events, collections, limit)
        ]

    def _sampled(self, at: float) -> dict[int, Samples]:
        scene, before = self._scene(), self._samples
        sampled: dict[int, Samples] = {}
        with at_one_moment(self._events):
            for job, records in history.moving(self._events, SAMPLED_MAX):
                counts: dict[Class, int] = repos.counts(self._events, job.position)
                one = job_sample(job, records, counts, standing(job, scene), at)
                sampled[job.position] = progress.add(before.get(job.position, ()), one)
        return sampled
