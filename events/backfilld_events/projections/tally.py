"""How many repositories of a job stand in each class: changes gathered, written once an event.

The one rule: counts are kept, never scanned; they move with every change of a class.
"""

import sqlite3
from collections import Counter

from .classes import Held, for_job


class Tally:
    """The changes of one event."""

    def __init__(self) -> None:
        self._more: Counter[tuple[int, int]] = Counter()

    def add(self, job: int, kind: int, n: int, *, held: int = Held.NOT) -> None:
        """`n` more repositories of this class, or fewer. Job 0 is none."""
        if job:
            self._more[job, int(for_job(kind, held))] += n

    def write(self, db: sqlite3.Connection) -> None:
        """Adds them to the table."""
        db.executemany(
            "INSERT INTO tally (job, class, n) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET n = n + excluded.n",
            [(job, kind, n) for (job, kind), n in self._more.items() if n],
        )
