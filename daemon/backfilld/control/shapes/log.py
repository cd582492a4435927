"""Bodies about the log itself: where it stands, whether it verifies, what to keep of it elsewhere.

Pure, and imported by the command line too: nothing heavy here.
"""

from msgspec import Struct


class BreakShape(Struct):
    """Why the log does not verify. The event at `position` is the first that is wrong; 0: it is not
    an event but the file. `since`: when it was seen. `remedy`: what a person may do."""

    position: int
    what: str
    since: str
    remedy: str


class WalkShape(Struct):
    """A verification that is going on: it is at `position`, and goes to `upto`."""

    position: int
    upto: int


class LogShape(Struct):
    """Where the log stands; whether this start had to make the projections anew. All up to
    `verified_position` has verified since the start, at `verified_at`; 0 and null: not yet. With a
    `problem` nothing more is written to it. `checkpoint_fault`: why the last checkpoint could not
    be written to log.checkpoint_file; empty: it was, or there is no such file. `verify_fault`: why
    the last verification could not read the log; empty: it could. `accepted` are the positions of
    breaks that somebody accepted, which that verification passed."""

    position: int
    projections_rebuilt: bool
    verified_position: int = 0
    verified_at: str | None = None
    under_way: WalkShape | None = None
    problem: BreakShape | None = None
    checkpoint_fault: str = ""
    verify_fault: str = ""
    accepted: list[int] = []


class VerificationShape(Struct):
    """GET and POST /admin/log/verify. `state` is `none` (not yet since the start), `running`, `ok`
    or `broken`. While it is running it is at `position` of `upto`. `verified_position`, `hash`, the
    one there, hexadecimal, and `at` are of the last that came to its end. `fault`: why one after
    that did not; empty: none, or it did."""

    state: str
    sentence: str
    position: int | None
    upto: int | None
    verified_position: int
    hash: str | None
    at: str | None
    problem: BreakShape | None
    fault: str = ""


class Checkpoint(Struct):
    """GET /admin/log/checkpoint: the last event of the log. `hash` is hexadecimal, and covers all
    events before too. `origin` tells one log from another. `line` says it all, to be kept
    elsewhere, as of `at`."""

    origin: str
    position: int
    hash: str
    at: str
    line: str
