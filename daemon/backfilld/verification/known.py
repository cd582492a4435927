"""What this life of the daemon knows of its log. Written by the verifier alone, read by the faces.

The one rule: a problem stays. The daemon writes nothing more to the log, and a person decides.
"""

from msgspec import Struct


class Problem(Struct, frozen=True):
    """The log does not verify: `position` is the first that is wrong, `since` (unix seconds) when
    it was seen."""

    position: int
    what: str
    since: float

    @property
    def sentence(self) -> str:
        """What is so, for people."""
        return f"The log does not verify: event {self.position}: {self.what}"


class Verification(Struct):
    """`whole`: all up to this position has verified since the start, `hash` is the one there, and
    `at` (unix seconds) when that was; 0 and None: not yet. `tail`: the start looked from this
    position on. `under_way`: (position, upto) of a verification that is going on."""

    whole: int = 0
    hash: bytes = b""
    at: float | None = None
    tail: int | None = None
    under_way: tuple[int, int] | None = None
    problem: Problem | None = None
