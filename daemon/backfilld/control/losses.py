"""Whether data is lost, in words. Pure but for the words' local zone.

The one rule: "none" is a finding and no greeting. It is said only if the log has verified since
the start, nothing is unexplained, Tap knew all that it was given when it was asked last, and the
index is no backup that lacks what came after it; what is not proved of that is named.
"""

from collections.abc import Iterator

from backfilld_events.faults import Fault
from backfilld_events.projections.classes import Class
from backfilld_events.words import breaks

from ..verification.known import Verification
from . import verified
from .covered import Found
from .words import counted, moment


def lost(
    found: Found,
    *,
    what: str,
    connected: bool,
    census: bool,
    log: Verification,
    restored: float | None = None,
) -> str:
    """Whether data is lost, as far as that is known. `what` names the job or collection for a
    command, `census`: Tap has forgotten some, and all are asked about; `restored`: the index is a
    backup of then (unix seconds), and was not fetched anew since."""
    if log.problem is not None:
        return f"Not known. {verified.verdict(log.problem)}"
    doubts = [*_doubts(found), *_doubts_of_tap(connected, census), *_doubts_of_log(log)]
    if restored is not None:
        doubts.append(
            f"the index is a backup of {moment(restored)}, and Tap does not send again what came "
            "after it: backfillctl start --all --mode refetch"
        )
    proof = f" Not proved: {'; '.join(doubts)}." if doubts else ""
    if found.differing:
        many = counted(found.differing, "repository does", "repositories do")
        return (
            f"Perhaps: {many} not have the records that should be here:"
            f" backfillctl coverage {what} --class differing.{proof}"
        )
    if doubts or log.at is None:
        return f"None that we know of.{proof}"
    return (
        f"None: the log verified at {moment(log.at)} up to #{log.whole:,}, nothing is unexplained,"
        " and Tap knew all that it was given when it was asked last."
    )


def _doubts(found: Found) -> Iterator[str]:
    if found.unexplained:
        yield f"{found.unexplained:,} are unexplained"
    if forgotten := found.faults.get(Fault.FORGOTTEN, 0):
        yield f"Tap has forgotten {forgotten:,}, which are handed to it again by themselves"
    if silent := found.classes.get(Class.HANDED_OFF, 0):
        yield f"of {silent:,} that Tap was given nothing has come yet"
    if held := found.classes.get(Class.HELD, 0):
        yield f"Tap sends nothing again of {held:,} that are held, until they are fetched anew"


def _doubts_of_tap(connected: bool, census: bool) -> Iterator[str]:
    if census:
        yield "Tap has lost some, and is asked about each that it was given"
    if not connected:
        yield "Tap is not reached"


def _doubts_of_log(log: Verification) -> Iterator[str]:
    if log.passed:
        yield f"the log has {'a ' * (len(log.passed) == 1)}{breaks(log.passed)}"
    if log.at is None and log.under_way is not None:
        yield "the log is being verified, for the first time since backfilld started"
    elif log.at is None:
        yield "the log has not been verified since backfilld started: backfillctl log verify"
