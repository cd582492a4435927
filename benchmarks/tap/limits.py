"""How many requests the PDS of a world bears before it answers 429; it counts them besides."""

import time
from collections.abc import Callable
from threading import Lock
from typing import Final

WINDOW_S: Final = 10.0


class Limit:
    """Bears all. Asked once a request, by many threads."""

    def __init__(self) -> None:
        self.asked = self.refused = 0
        self._lock = Lock()

    def refuses(self) -> bool:
        """Whether this request is too many."""
        with self._lock:
            self.asked += 1
            too_many = self._too_many()
            self.refused += too_many
            return too_many

    def _too_many(self) -> bool:
        return False


class OneRefusal(Limit):
    """A single request, counted from 1, is too many."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._at = at

    def _too_many(self) -> bool:
        return self.asked == self._at


class Window(Limit):
    """So many are served in 10 s, which begin with the first one after the last ten. `now`: in
    seconds."""

    def __init__(self, most: int, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._most, self._now = most, now
        self._until, self._left = float("-inf"), 0

    def _too_many(self) -> bool:
        now = self._now()
        if now >= self._until:
            self._until, self._left = now + WINDOW_S, self._most
        self._left -= 1
        return self._left < 0
