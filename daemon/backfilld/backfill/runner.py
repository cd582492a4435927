"""Runs every job that has its turn: two lanes each, which follow the log and append to it.

It takes no commands: a paused, cancelled or ended job is seen in the log, as everything is.
"""

from collections.abc import Callable, Sequence

import trio

from backfilld_events.catalog.job import JobCancelled, JobEvent, JobPickedUp
from backfilld_events.folds.job import Job
from backfilld_events.row import NewEvent

from ..clock import Clock, sleep_until
from ..journal import Journal, Stale
from . import outcomes, plan
from .plan import FetchPage, Finish, HandOff, Limits, Step, Stop, WaitUntil
from .steps import Steps

LANES = 2
LOOK_S = 60.0  # how late a job may begin after a reload: no event says that the limits are others

Lane = Callable[[Job, float, Limits], Step | None]


class Runner:
    """`limits` is asked for at each step, so that a reload is in force at the next one."""

    def __init__(
        self, journal: Journal, steps: Steps, clock: Clock, limits: Callable[[], Limits]
    ) -> None:
        self._journal, self._steps, self._clock, self._limits = journal, steps, clock, limits
        self._running: dict[str, trio.Event] = {}  # is set when its lanes have come to rest
        self._ended = trio.Event()  # a place became free

    @property
    def busy(self) -> frozenset[str]:
        """The jobs whose lanes are at work: a paused one is until its last step is over."""
        return frozenset(self._running)

    async def at_rest(self, job_id: str) -> None:
        """Returns when nothing of the job is under way."""
        if (rest := self._running.get(job_id)) is not None:
            await rest.wait()

    async def pick_up(self) -> None:
        """Notes in the log that the jobs with work left go on; once, before `run`."""
        for job in self._journal.state.jobs.values():
            if job.begun:
                await self._append(job, [JobPickedUp()])

    async def run(self) -> None:
        """Runs until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                news, self._ended = self._journal.watch(), trio.Event()
                for job in self._due():
                    self._running[job.id] = trio.Event()
                    nursery.start_soon(self._job, job.id)
                with trio.move_on_after(LOOK_S):
                    await _either(news, self._ended)

    def _due(self) -> list[Job]:
        """The jobs to begin with, or to end since they are cancelled."""
        jobs, limits = self._journal.state.jobs, self._limits()
        idle = [job for job in jobs.values() if job.id not in self._running]
        if not idle:
            return []
        cancelled = [job for job in idle if job.cancel is not None]
        turn, _ = plan.in_turn(jobs.values(), limits, self.busy)
        return cancelled + [job for job in turn if job.id not in self._running]

    async def _job(self, job_id: str) -> None:
        """A job's turn, until it ends or is stopped."""
        stopped: set[Lane] = set()
        try:
            async with trio.open_nursery() as lanes:
                for lane in (plan.discover, plan.hand_off):
                    lanes.start_soon(self._lane, job_id, lane, stopped, lanes.cancel_scope)
            await self._end_cancelled(job_id)
        finally:
            self._running.pop(job_id).set()
            self._ended.set()

    async def _end_cancelled(self, job_id: str) -> None:
        while (job := self._journal.state.jobs.get(job_id)) is not None and job.cancel is not None:
            end = JobCancelled(job.discovered, job.handed_off)
            await self._end(job, [end], cause=job.cancel.position)

    async def _lane(
        self, job_id: str, lane: Lane, stopped: set[Lane], turn: trio.CancelScope
    ) -> None:
        while True:
            stopped.discard(lane)
            news = self._journal.watch(f"job/{job_id}")
            job = self._journal.state.jobs.get(job_id)
            if job is None:
                return
            limits = self._limits()
            match lane(job, self._clock(), limits):
                case None:
                    await news.wait()
                case Stop():
                    stopped.add(lane)
                    if len(stopped) == LANES:  # before that it may be resumed, and go on here
                        turn.cancel()
                    await news.wait()
                case WaitUntil(moment):
                    await self._wait(news, moment)
                case FetchPage() as step:
                    await self._append(job, await self._steps.fetch_page(job, step, limits))
                case HandOff() as step:
                    await self._append(job, await self._steps.hand_off(job, step, limits))
                case Finish():
                    await self._end(job, outcomes.finished(job))

    async def _wait(self, news: trio.Event, moment: float) -> None:
        async with trio.open_nursery() as nursery:

            async def until_news() -> None:
                await news.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(until_news)
            await sleep_until(moment, self._clock)
            nursery.cancel_scope.cancel()

    async def _end(self, job: Job, events: Sequence[JobEvent], cause: int | None = None) -> None:
        expected = {f"job/{job.id}": job.version}
        try:
            await self._append(job, events, cause=cause, expected=expected)
        except Stale:
            return  # something came in between; whoever called looks again

    async def _append(
        self,
        job: Job,
        events: Sequence[JobEvent],
        *,
        cause: int | None = None,
        expected: dict[str, int] | None = None,
    ) -> None:
        """Without a `cause` it is the job's start."""
        led_by = job.position if cause is None else cause
        await self._journal.append(
            [NewEvent(f"job/{job.id}", event, "system", led_by) for event in events],
            expected=expected,
        )


async def _either(one: trio.Event, other: trio.Event) -> None:
    async with trio.open_nursery() as nursery:

        async def wait(event: trio.Event) -> None:
            await event.wait()
            nursery.cancel_scope.cancel()

        nursery.start_soon(wait, one)
        nursery.start_soon(wait, other)
