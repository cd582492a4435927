"""Leaves the machine to a daemon that writes while its log is looked at.

The one rule: who looks rests only when somebody wrote meanwhile, and then for so long that the
writer does not feel it: a low priority alone is not enough where two processors share one core.
"""

import sqlite3
import time

RESTS = 9  # times as long as was worked


class Pace:
    """Belongs to one connection, which must not write itself. `schema` is the file's name in it."""

    def __init__(self, db: sqlite3.Connection, schema: str = "main") -> None:
        self._db, self._query = db, f"PRAGMA {schema}.data_version"
        self._version, self._since = self._now(), time.perf_counter()

    def rest(self) -> None:
        """To be called between two pieces of work, outside of a transaction."""
        version = self._now()
        if version != self._version:
            time.sleep(RESTS * (time.perf_counter() - self._since))
        self._version, self._since = version, time.perf_counter()

    def _now(self) -> int:
        # another number after each commit of others: sqlite.org/pragma.html#pragma_data_version
        (version,) = self._db.execute(self._query).fetchone()
        return int(version)
