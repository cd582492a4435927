"""Notes in the log how long a job was to take, when that can first be said."""

import trio

from backfilld_events.catalog.job import JobEstimated
from backfilld_events.row import NewEvent

from ...journal import Journal, Stale
from ..views import Views
from . import progress


async def estimating(journal: Journal, views: Views) -> None:
    """Looks at the jobs that have no estimate, as often as their progress is; until cancelled."""
    while True:
        await trio.sleep(progress.EVERY_S)
        for job in [one for one in journal.state.jobs.values() if one.estimate is None]:
            low_s, high_s, _ = views.completion(job)
            if low_s is None or high_s is None:
                continue
            event = NewEvent(f"job/{job.id}", JobEstimated(low_s, high_s), "system", job.position)
            try:
                await journal.append([event], expected={event.stream: job.version})
            except Stale:
                continue  # it has moved on, and may have ended: the next look says it
