"""What this life of the daemon knows of its log. Written by this room alone, read by the faces.

The one rule: a problem stays. The daemon writes nothing more to the log, and a person decides.
"""

from msgspec import Struct

FILE = 0  # as the position of a problem: it is not an event that is wrong
REMEDY = (
    "stop backfilld, and restore events.db from a backup, or go on with it as it is: "
    "backfilld accept-break"
)
# a checkpoint is no break of the chain: while the file has it, nothing can be accepted
_AWAY = "keep the file log.checkpoint_file as evidence, move it away, and"
_OF_A_CHECKPOINT = (
    "stop backfilld, and restore a backup of events.db that is as new as the checkpoint, or, to "
)


class Problem(Struct, frozen=True):
    """The log does not verify: `position` is the first that is wrong, FILE if it is none, `since`
    (unix seconds) when it was seen. `end` is the hash, hexadecimal, that it ended with when it
    followed from itself, but was not what we wrote; else empty."""

    position: int
    what: str
    since: float
    end: str = ""

    @property
    def sentence(self) -> str:
        """What is so, for people."""
        where = "" if self.position == FILE else f"event {self.position}: "
        return f"The log does not verify: {where}{self.what}"

    @property
    def told(self) -> str:
        """The same, with what follows from it."""
        return f"{self.sentence}. Nothing is written to it until you decide: {self.remedy}"

    @property
    def remedy(self) -> str:
        """What a person may do."""
        if self.end or " checkpoint of " not in self.what:
            return REMEDY
        if self.position == FILE:  # there is no log
            return f"{_OF_A_CHECKPOINT}begin a new log, {_AWAY} start backfilld again"
        go_on = "go on with the log as it is"
        return f"{_OF_A_CHECKPOINT}{go_on}, {_AWAY} then: backfilld accept-break"


class Kept(Struct, frozen=True):
    """The last checkpoint of this life: its `line`, and when it was made (unix seconds); None: none
    yet. `fault` says why it could not be written to checkpoint_file; empty: it was, or there is no
    such file."""

    position: int = 0
    line: str = ""
    at: float | None = None
    fault: str = ""


class Verification(Struct):
    """`whole`: all up to this position has verified since the start, `hash` is the one there, and
    `at` (unix seconds) when that was; 0 and None: not yet. `passed` are the positions of breaks
    that somebody has accepted. `tail`: the start looked from this position on. `under_way`:
    (position, upto) of a verification that is going on or was asked for. `began` (unix seconds) is
    when this life did. `fault`: why the last could not read the log; empty: it could, or there was
    none.
    """

    began: float = 0.0
    whole: int = 0
    hash: bytes = b""
    at: float | None = None
    passed: tuple[int, ...] = ()
    tail: int | None = None
    under_way: tuple[int, int] | None = None
    fault: str = ""
    problem: Problem | None = None
    checkpoint: Kept = Kept()
