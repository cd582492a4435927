"""What the notifier asks of the log and its projections. Reads only, on a connection of its own."""

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from backfilld_events.log import read
from backfilld_events.projections import jobs, repos, targets
from backfilld_events.projections.classes import OPEN

from ..worker import Worker
from .letter import Letter, letter
from .news import Found

JOBS_LOOKED_AT = 1_000  # when a target is added: the newest


class Reading:
    """Every answer is one read of the connection in its thread. `folder` is data_dir."""

    def __init__(self, db: sqlite3.Connection, worker: Worker, folder: Path) -> None:
        self._db, self._worker, self.folder = db, worker, folder

    async def letter(self, position: int) -> Letter:
        """The news at `position`."""
        return await self._worker(self._letter, position)

    async def jobs(self, ids: Iterable[str]) -> list[Found]:
        """The jobs with these ids."""
        return await self._worker(lambda: [one for job in ids for one in self._found(job)])

    async def unsynced(self) -> list[str]:
        """Jobs that have ended well, and whose records still come; oldest first."""
        return await self._worker(self._unsynced)

    async def dead_letters(self) -> int:
        """How many records could not be used, of all that ever came."""
        return await self._worker(repos.dead_letters, self._db)

    async def disk_free(self) -> int:
        """Bytes that we may still write to the disk of the folder."""
        found = await self._worker(os.statvfs, self.folder)
        return found.f_bavail * found.f_frsize

    def _letter(self, position: int) -> Letter:
        row = read.row(self._db, position)
        if row is None:
            raise ValueError(f"event {position} should be news, and is not there")
        return letter(row)

    def _found(self, job_id: str) -> list[Found]:
        found = [job for job, _ in jobs.find(self._db, job_id) if job.id == job_id]
        silent = targets.silent(self._db)
        return [Found(job, repos.counts(self._db, job.position), silent) for job in found]

    def _unsynced(self) -> list[str]:
        ended = (job for job, _ in jobs.newest(self._db, JOBS_LOOKED_AT))
        found = [
            job.id
            for job in ended
            if job.outcome in ("completed", "completed_with_errors")
            and not OPEN.isdisjoint(repos.counts(self._db, job.position))
        ]
        return found[::-1]
