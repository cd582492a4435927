"""A server of repositories, as far as whoever fetches one from it notices. Pure.

Everything can be changed while a network runs; time is an argument.
"""

from collections import deque

from .seeded import Fate


class Pds:
    """Serves what it has, until told otherwise."""

    def __init__(self) -> None:
        self.fate: Fate | None = None  # what meets whoever asks it for any repository at all
        self.asked = self.limited = 0  # fetches it answered, and those it answered 429
        self._every = 0
        self._window: tuple[int, float] | None = None
        self._served: deque[float] = deque()

    def answers_429(self, *, every: int) -> None:
        """Every so manieth fetch is answered 429; 0: none."""
        self._every = every

    def allows(self, fetches: int, within_s: float) -> None:
        """Answers 429 to what is more than so many within any such time."""
        self._window = fetches, within_s

    def fails(self, fate: Fate | None) -> None:
        """All fetches end so, such as `pds_down` or `pds_500`; None: each as its account says."""
        self.fate = fate

    def says_429(self, now: float) -> bool:
        """One more fetch; whether it is answered 429."""
        self.asked += 1
        limited = bool(self._every) and self.asked % self._every == 0
        if self._window is not None and not limited:
            most, within_s = self._window
            while self._served and self._served[0] <= now - within_s:
                self._served.popleft()
            limited = len(self._served) >= most
        if limited:
            self.limited += 1
        elif self._window is not None:
            self._served.append(now)
        return limited
