"""backfillctl log verify: has the daemon verify all of its log, and waits for the end."""

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import click

from ...control.shapes.log import VerificationShape
from .. import say
from . import text
from .faults import Fault
from .frame import TIMEOUT_S, Ctl, read
from .outages import Patience
from .verbs import verb

PATH = "/admin/log/verify"
POLL_S = 0.5
AGAIN = "look again: backfillctl log verify"


@verb(
    "verify",
    ("backfillctl log verify", "exit 8 if something is wrong"),
    ("backfillctl log verify --json", "position and hash of the last event that is right"),
)
def verify(ctl: Ctl) -> int:
    """Verify the whole log, and wait for the end. The daemon does it, beside all else; one that is
    under way is joined. `backfill-audit verify` does it without the daemon."""
    try:
        body = _last(ctl)
    except KeyboardInterrupt:
        raise Fault("It goes on.", "interrupted", AGAIN, say.INTERRUPTED) from None
    is_broken = body.get("state") == "broken"
    if ctl.as_data:
        ctl.put(body)
    else:
        word, colour = ("BROKEN", "red") if is_broken else ("OK", "green")
        say.out(f"{ctl.paint(word, colour)}  {read(body, VerificationShape).sentence}")
    return say.BROKEN_LOG if is_broken else say.OK


def _last(ctl: Ctl) -> Any:
    """How it ended. On a terminal a bar shows how far it is."""
    looks = _looks(ctl)
    if ctl.quiet or ctl.as_data or not sys.stderr.isatty():
        return [*looks][-1]
    with click.progressbar(length=1, label="verifying", file=sys.stderr) as bar:
        for body in looks:
            told = read(body, VerificationShape)
            if told.upto is not None and told.position is not None:
                bar.length = max(told.upto, 1)
                bar.update(told.position - bar.pos)
        bar.update((bar.length or 1) - bar.pos)
    return body


def _looks(ctl: Ctl) -> Iterator[Any]:
    """How it stands, again and again; the last time when it is over. A daemon that is started anew
    meanwhile is asked anew."""
    deadline = float("inf") if ctl.timeout_s is None else time.monotonic() + ctl.timeout_s
    one = replace(ctl, timeout_s=min(ctl.timeout_s or TIMEOUT_S, TIMEOUT_S), line=None)
    patience, body = Patience(ctl), one.post(PATH)
    before = body.get("at")
    while True:
        if body is not None:
            yield body
            if _is_over(body, before):
                return
        if time.monotonic() + POLL_S > deadline:
            within = text.duration(ctl.timeout_s or 0)
            raise Fault(
                f"not verified within {within}; it goes on", "timeout", AGAIN, say.TIMED_OUT
            )
        time.sleep(POLL_S)
        body = patience.answer(lambda: one.get(PATH))
        if body is not None and body.get("state") == "none" and not body.get("fault"):
            body = patience.answer(lambda: one.post(PATH))  # it was started anew
            before = None


def _is_over(body: Any, before: str | None) -> bool:
    """Raises Fault when it ended without a verdict. `before`: when the one before it did."""
    if body.get("state") in ("broken", "running"):
        return bool(body.get("state") == "broken")
    fault = body.get("fault")
    if fault or body.get("at") == before:  # it tells of an earlier one, or of none
        what = text.clean(fault or "the log could not be read")
        why = "see why: journalctl -u backfilld; it is tried again by itself"
        raise Fault(f"not verified: {what}", "not-verified", why)
    return True
