"""Runs every job that has work left: two lanes each, which follow the log and append to it.

It takes no commands: a paused or ended job is seen in the log, as everything is.
"""

from collections.abc import Callable, Sequence

import trio

from backfilld_events.catalog.job import JobEvent, JobPickedUp
from backfilld_events.folds.job import Job
from backfilld_events.row import NewEvent

from ..clock import Clock, sleep_until
from ..journal import Journal, Stale
from . import outcomes, plan
from .plan import FetchPage, Finish, HandOff, Limits, Step, WaitUntil
from .steps import Steps

Lane = Callable[[Job, float, Limits], Step | None]


class Runner:
    """`limits` is asked for at each step, so that a reload is in force at the next one."""

    def __init__(
        self, journal: Journal, steps: Steps, clock: Clock, limits: Callable[[], Limits]
    ) -> None:
        self._journal, self._steps, self._clock, self._limits = journal, steps, clock, limits

    async def pick_up(self) -> None:
        """Notes in the log that the jobs with work left go on; once, before `run`."""
        for job in self._journal.state.jobs.values():
            await self._append(job, [JobPickedUp()])

    async def run(self) -> None:
        """Runs until cancelled."""
        running: set[str] = set()
        async with trio.open_nursery() as nursery:
            while True:
                news = self._journal.watch()
                jobs = self._journal.state.jobs
                running &= set(jobs)
                for job_id in set(jobs) - running:
                    running.add(job_id)
                    nursery.start_soon(self._lane, job_id, plan.discover)
                    nursery.start_soon(self._lane, job_id, plan.hand_off)
                await news.wait()

    async def _lane(self, job_id: str, lane: Lane) -> None:
        while True:
            news = self._journal.watch(f"job/{job_id}")
            job = self._journal.state.jobs.get(job_id)
            if job is None:
                return
            limits = self._limits()
            match lane(job, self._clock(), limits):
                case None:
                    await news.wait()
                case WaitUntil(moment):
                    await self._wait(news, moment)
                case FetchPage() as step:
                    await self._append(job, await self._steps.fetch_page(job, step, limits))
                case HandOff() as step:
                    await self._append(job, await self._steps.hand_off(job, step, limits))
                case Finish():
                    await self._finish(job)

    async def _wait(self, news: trio.Event, moment: float) -> None:
        async with trio.open_nursery() as nursery:

            async def until_news() -> None:
                await news.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(until_news)
            await sleep_until(moment, self._clock)
            nursery.cancel_scope.cancel()

    async def _finish(self, job: Job) -> None:
        try:
            await self._append(job, outcomes.finished(job), expected={f"job/{job.id}": job.version})
        except Stale:
            return  # something came in between; the lane plans again

    async def _append(
        self, job: Job, events: Sequence[JobEvent], *, expected: dict[str, int] | None = None
    ) -> None:
        await self._journal.append(
            [NewEvent(f"job/{job.id}", event, "system", job.position) for event in events],
            expected=expected,
        )
