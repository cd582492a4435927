"""What is known of the log's own verification, in the words of every face. Pure.

The one rule: what has not verified since the start is not called verified, whatever was before.
"""

from backfilld_events.row import utc_text
from backfilld_events.words import unbroken

from ..verification.known import Problem, Verification
from .shapes.log import BreakShape, LogShape, VerificationShape, WalkShape

DECIDE = "nothing more is written to it until you decide: docs/audit.md"


def verdict(problem: Problem) -> str:
    """The sentence that comes before any other."""
    return f"{problem.sentence.rstrip('.')}. {DECIDE[0].upper()}{DECIDE[1:]}."


def log_shape(position: int, *, rebuilt: bool, known: Verification) -> LogShape:
    """The log, which stands at `position`, in the answer about all."""
    at = known.under_way
    return LogShape(
        position=position,
        projections_rebuilt=rebuilt,
        verified_position=known.whole,
        verified_at=_text(known.at),
        under_way=None if at is None or known.problem is not None else WalkShape(*at),
        problem=_problem(known),
        checkpoint_fault=known.checkpoint.fault,
        verify_fault=known.fault,
        accepted=[*known.passed],
    )


def verifies(known: Verification) -> bool | None:
    """Whether all of the log has verified since the start; None: that is not known yet."""
    if known.problem is not None:
        return False
    return None if known.at is None else True


def verification_shape(known: Verification) -> VerificationShape:
    """How verifying stands."""
    state, sentence = _state(known)
    position, upto = known.under_way if known.under_way is not None else (None, None)
    is_running = state == "running"
    return VerificationShape(
        state=state,
        sentence=sentence,
        position=position if is_running else None,
        upto=upto if is_running else None,
        verified_position=known.whole,
        hash=known.hash.hex() if known.at is not None else None,
        at=_text(known.at),
        problem=_problem(known),
        fault=known.fault,
    )


def age_s(known: Verification, now: float, *, again: bool) -> float | None:
    """How long ago all of the log verified; since the start, when it has not yet; None: that is
    not to be expected, for it is not verified `again` and again."""
    if known.at is None and not again:
        return None
    return round(max(0.0, now - (known.began if known.at is None else known.at)), 3)


def _state(known: Verification) -> tuple[str, str]:
    if known.problem is not None:
        return "broken", verdict(known.problem)
    if known.under_way is not None:
        position, upto = known.under_way
        return "running", f"It is at event {position:,} of {upto:,}."
    lately = f". Later {known.fault}" if known.fault else ""
    if known.at is not None:
        found = unbroken(known.whole, known.passed)
        return "ok", f"{found}; #{known.whole} is {known.hash.hex()}{lately}"
    why = f": {known.fault}" if known.fault else ""
    return "none", f"It has not been verified since backfilld started{why}."


def _problem(known: Verification) -> BreakShape | None:
    one = known.problem
    if one is None:
        return None
    return BreakShape(one.position, one.what, utc_text(one.since), one.remedy)


def _text(at: float | None) -> str | None:
    return None if at is None else utc_text(at)
