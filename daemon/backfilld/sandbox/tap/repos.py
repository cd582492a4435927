"""Tap's table of repositories: which it was given, the state of each, and whose turn it is. Pure.

States go pending -> resyncing -> active | error | desynchronized. Whatever the cause of a failure,
it is tried again after one minute to one hour, and from the 64th time on at once. A pending
repository goes before any that failed.
"""

import heapq
import random
from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..changes import Status

State = Literal["pending", "resyncing", "active", "desynchronized", "error"]
RETRY_MINUTES_MAX = 60
_SHIFT_MAX = 62  # one more, and Go's 1 << retries is below zero: from then on there is no wait


@dataclass(slots=True)
class Repo:
    """A row. `data` names the tree of its last commit; the next one must be built on it."""

    did: str
    state: State = "pending"
    status: Status = "active"
    handle: str = ""
    rev: str = ""
    data: str = ""
    error: str = ""
    retries: int = 0
    retry_after: int = 0


class Untouched:
    """Accounts of the world that were added and not looked at yet: a bit and four bytes each, so
    that a Tap that only stores can be given a million."""

    def __init__(self) -> None:
        self._bits = bytearray()
        self._queue = array("I")
        self._head = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, ordinal: int) -> bool:
        at = ordinal >> 3
        return at < len(self._bits) and bool(self._bits[at] >> (ordinal & 7) & 1)

    def add(self, ordinal: int) -> None:
        if len(self._bits) <= ordinal >> 3:
            self._bits.extend(bytes((ordinal >> 3) + 1 - len(self._bits) + 1024))
        self._bits[ordinal >> 3] |= 1 << (ordinal & 7)
        self._queue.append(ordinal)
        self._count += 1

    def discard(self, ordinal: int) -> bool:
        if ordinal not in self:
            return False
        self._bits[ordinal >> 3] &= ~(1 << (ordinal & 7))
        self._count -= 1
        return True

    def pop(self) -> int | None:
        """Takes the one added first."""
        while self._head < len(self._queue):
            ordinal = self._queue[self._head]
            self._head += 1
            if self.discard(ordinal):
                return ordinal
        self._queue, self._head = array("I"), 0
        return None


class RepoTable:
    """All rows. `ordinal` and `did` are the world's."""

    def __init__(
        self, ordinal: Callable[[str], int | None], did: Callable[[int], str], seed: int = 0
    ) -> None:
        self._ordinal, self._did = ordinal, did
        self._jitter = random.Random(seed)  # noqa: S311 - a simulation repeats
        self._untouched = Untouched()
        self._rows: dict[str, Repo] = {}
        self._strangers: deque[str] = deque()  # pending, but not among the untouched
        self._due: dict[State, list[tuple[int, int, str]]] = {"desynchronized": [], "error": []}
        self._failures = 0

    def __len__(self) -> int:
        return len(self._untouched) + len(self._rows)

    def add(self, did: str) -> None:
        """A new row; nothing at all if there is one, whatever its state."""
        if did in self._rows:
            return
        ordinal = self._ordinal(did)
        if ordinal is None:
            self._rows[did] = Repo(did)
            self._strangers.append(did)
        elif ordinal not in self._untouched:
            self._untouched.add(ordinal)

    def remove(self, did: str) -> None:
        if self._rows.pop(did, None) is None and (ordinal := self._ordinal(did)) is not None:
            self._untouched.discard(ordinal)

    def get(self, did: str) -> Repo | None:
        """The row as it is; do not change it."""
        row = self._rows.get(did)
        ordinal = self._ordinal(did) if row is None else None
        return row if ordinal is None or ordinal not in self._untouched else Repo(did)

    def change(self, did: str) -> Repo | None:
        """The row, to be changed."""
        row = self._rows.get(did)
        ordinal = self._ordinal(did) if row is None else None
        if ordinal is not None and self._untouched.discard(ordinal):
            row = self._rows[did] = Repo(did)
            self._strangers.append(did)
        return row

    def claim(self, now: float) -> str | None:
        """The next repository to fetch, now `resyncing`: pending before desynchronized before
        error, whose time has come."""
        did = self._claim_pending() or self._claim_due("desynchronized", now)
        did = did or self._claim_due("error", now)
        if did is not None:
            self._rows[did].state = "resyncing"
        return did

    def desynchronize(self, row: Repo) -> None:
        """To be fetched again; a wait that was set before still counts."""
        row.state = "desynchronized"
        self._wait(row)

    def fail(self, row: Repo, error: str | None, now: float) -> None:
        """A fetch failed; `error` None: its host said 429, or had just said so."""
        whole = min(1 << row.retries, RETRY_MINUTES_MAX) if row.retries <= _SHIFT_MAX else 0
        row.state, row.error = ("desynchronized", "") if error is None else ("error", error)
        row.retries += 1
        row.retry_after = int(now + 60 * (whole + self._jitter.random()))
        self._wait(row)

    def restart(self) -> None:
        """What was being fetched when the process died is fetched again."""
        for row in self._rows.values():
            if row.state == "resyncing":
                self.desynchronize(row)

    def _wait(self, row: Repo) -> None:
        self._failures += 1
        heapq.heappush(self._due[row.state], (row.retry_after, self._failures, row.did))

    def _claim_pending(self) -> str | None:
        ordinal = self._untouched.pop()
        if ordinal is not None:
            did = self._did(ordinal)
            self._rows[did] = Repo(did)
            return did
        while self._strangers:
            did = self._strangers.popleft()
            if did in self._rows and self._rows[did].state == "pending":
                return did
        return None

    def _claim_due(self, state: State, now: float) -> str | None:
        due = self._due[state]
        while due and due[0][0] < int(now):
            after, _, did = heapq.heappop(due)
            row = self._rows.get(did)
            if row is not None and row.state == state and row.retry_after == after:
                return did
        return None
