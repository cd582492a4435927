"""Collections of which the index is a backup that somebody restored, until they are fetched anew.

The one rule: Tap sends nothing again that was acked. So what came between the backup and its
restore is here only when a job that began after that has given all repositories to Tap once more.
"""

import sqlite3
from collections.abc import Collection

from ..catalog.job import JobCompleted
from ..folds.job import Job
from ..ids import Nsid
from .repo import places


def restored(db: sqlite3.Connection, position: int, made: float) -> None:
    """The index was found to be a backup, `made` then (unix seconds)."""
    db.execute(
        "INSERT INTO restored SELECT nsid, ?, ? FROM collection WHERE true"
        " ON CONFLICT DO UPDATE SET position = excluded.position, made = min(made, excluded.made)",
        (position, made),
    )


def refetched(db: sqlite3.Connection, job: Job, event: JobCompleted) -> None:
    """A job has ended, which may have had all repositories fetched anew."""
    some = job.given or job.asked_did is not None or job.listed_from is not None
    if job.mode != "refetch" or some:
        return
    whole = [nsid for nsid in job.collections if nsid not in event.failed_listings]
    db.executemany(
        "DELETE FROM restored WHERE collection = ? AND position < ?",
        [(nsid, job.position) for nsid in whole],
    )


def since(db: sqlite3.Connection, collections: Collection[Nsid]) -> float | None:
    """When the backup was made (unix seconds) that the index is, of one of these; None: of none."""
    (made,) = db.execute(
        f"SELECT min(made) FROM restored WHERE collection IN ({places([*collections])})",
        [*collections],
    ).fetchone()
    return None if made is None else float(made)
