"""How jobs stand, for all who watch at once.

The one rule: a job is looked at EVERY_S at most, whoever and however many watch it, and what was
seen is shared. So a hundred watchers cost the daemon what one costs, and none is told more often.
"""

import trio

from ..views.stream import StreamViews
from .frames import Glance

EVERY_S = 0.25
JOBS_MAX = 200  # that are remembered


class Live:
    """The glances of a door."""

    def __init__(self, views: StreamViews) -> None:
        self._views = views
        self._kept: dict[str, tuple[float, Glance]] = {}
        self._looking = trio.Lock()
        self._synced: dict[str, int] = {}

    async def glance(self, job_id: str) -> Glance | None:
        """The job with this whole id, as it was EVERY_S ago at most."""
        if (known := self._known(job_id)) is not None:
            return known
        async with self._looking:
            if (known := self._known(job_id)) is not None:  # somebody else has looked
                return known
            glance = await self._views.glance(job_id)
            if glance is None:
                return None
            self._keep(job_id, glance)
            return glance

    def synced_at(self, glance: Glance) -> int:
        """The position at which it was first seen that nothing of the job is to come."""
        return self._synced.get(glance.job.id, glance.position)

    def _known(self, job_id: str) -> Glance | None:
        at, glance = self._kept.get(job_id, (0.0, None))
        return glance if glance is not None and trio.current_time() - at < EVERY_S else None

    def _keep(self, job_id: str, glance: Glance) -> None:
        self._kept.pop(job_id, None)
        self._kept[job_id] = trio.current_time(), glance
        if glance.is_synced:
            self._synced.setdefault(job_id, glance.position)
        else:
            self._synced.pop(job_id, None)
        for kept in (self._kept, self._synced):
            while len(kept) > JOBS_MAX:
                del kept[next(iter(kept))]
