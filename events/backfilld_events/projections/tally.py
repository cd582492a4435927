"""How many repositories stand in each class: changes gathered, written once an event.

Counted for each job, for each collection (under minus its number) and for all (under 0); and once
more by blocks of repository numbers, so that those of a class are found without a look at all.

The one rule: counts are kept, never scanned; they move with every change of a class.
"""

import sqlite3
from collections import Counter

from .classes import Class, Held, for_job

ALL = 0
BLOCK_BITS = 8  # of a repository's number: as many rows are looked through for one of a block
_FAULTS = 16
FOUND = -1  # in place of a class: how many a counter has in all, which its classes add up to


def block_of(number: int) -> int:
    """The block in which a repository is counted."""
    return number >> BLOCK_BITS


def of_fault(fault: int) -> int:
    """Under what the FAILED of this faults.Fault are counted, beside their class."""
    return _FAULTS + fault


def fault_in(code: int) -> int | None:
    """The faults.Fault of a code of `of_fault`; None: it is a Class."""
    return code - _FAULTS if code >= _FAULTS else None


class Tally:
    """The changes of one event."""

    def __init__(self) -> None:
        self._more: Counter[tuple[int, int, int]] = Counter()
        self._found: Counter[int] = Counter()

    def add(
        self,
        counter: int,
        kind: int,
        n: int,
        block: int,
        *,
        held: int = Held.NOT,
        fault: int = 0,
    ) -> None:
        """`n` more repositories of this class in a block, or fewer. `fault` counts if FAILED."""
        code = int(for_job(kind, held))
        self._more[counter, code, block] += n
        if code == Class.FAILED:
            self._more[counter, of_fault(fault), block] += n

    def found(self, counter: int, n: int) -> None:
        """`n` repositories more are counted here, whatever their class."""
        self._found[counter] += n

    def add_range(self, counter: int, kind: int, first: int, count: int) -> None:
        """The `count` repositories with the numbers from `first` on are more of this class."""
        at, end = first, first + count
        while at < end:
            upto = min(end, (block_of(at) + 1) << BLOCK_BITS)
            self.add(counter, kind, upto - at, block_of(at))
            at = upto

    def write(self, db: sqlite3.Connection) -> None:
        """Adds them to the tables."""
        by_class = Counter({(counter, FOUND): n for counter, n in self._found.items()})
        for (counter, code, _), n in self._more.items():
            by_class[counter, code] += n
        db.executemany(
            "INSERT INTO tally (job, class, n) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET n = n + excluded.n",
            [(*key, n) for key, n in by_class.items() if n],
        )
        zones = [(*key, n) for key, n in self._more.items() if n]
        db.executemany(
            "INSERT INTO zone (job, class, block, n) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET n = n + excluded.n",
            zones,
        )
        fewer = [zone[:3] for zone in zones if zone[3] < 0]
        db.executemany(
            "DELETE FROM zone WHERE job = ? AND class = ? AND block = ? AND n = 0", fewer
        )
