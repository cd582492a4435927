"""The one place where an error becomes words and an exit code."""

import json
import traceback
from typing import Any

import click

from ...control.caller.client import NotPermitted, Refusal, TimedOut, Unreachable
from .. import say
from .suggest import meant
from .text import clean

_EXITS = {
    400: say.USAGE,
    401: say.NOT_PERMITTED,
    403: say.NOT_PERMITTED,
    404: say.NOT_FOUND,
    408: say.TIMED_OUT,
    409: say.REFUSED,
    413: say.USAGE,
    422: say.USAGE,
    502: say.HONEST_NO,
    503: say.UNREACHABLE,
}


# HappyView answers a wrong state with 400; for people it is a refusal all the same
_WRONG_STATE = {"job-not-running", "job-not-paused", "nothing-to-retry"}


class Fault(Exception):
    """What went wrong: for people, as a stable word, as what to do now, as an exit code."""

    def __init__(
        self, error: str, code: str, hint: str = "", exit_code: int = say.UNEXPECTED
    ) -> None:
        super().__init__(error)
        self.code, self.hint, self.exit_code = code, hint, exit_code
        self.field: str | None = None


def explain(error: BaseException) -> Fault:
    """Any error as a Fault."""
    match error:
        case Fault():
            return error
        case NotPermitted():
            return Fault(str(error), error.code, error.hint, say.NOT_PERMITTED)
        case Unreachable():
            return Fault(str(error), error.code, error.hint, say.UNREACHABLE)
        case TimedOut():
            return Fault(
                f"backfilld is there, but does not answer: {error}",
                "timeout",
                "wait longer with --timeout 60s, or see what it does: journalctl -u backfilld",
                say.TIMED_OUT,
            )
        case Refusal():
            return _refused(error)
        case KeyboardInterrupt() | click.Abort():
            return Fault("interrupted", "interrupted", exit_code=say.INTERRUPTED)
        case click.ClickException():
            asked = getattr(error, "ctx", None)
            where = "backfillctl" if asked is None else asked.command_path
            return Fault(_wrong_usage(error), "usage", f"{where} -h", say.USAGE)
    fault = Fault(
        f"unexpected: {type(error).__name__}: {error}",
        "unexpected",
        "this is a bug in backfillctl; run it again with -v and report what it says",
    )
    fault.__cause__ = error
    return fault


def tell(fault: Fault, label: str, *, as_data: bool, verbose: bool) -> None:
    """Says it on stderr, after `label`; `verbose` adds where an unexpected one came from."""
    error, hint = clean(str(fault)), clean(fault.hint)
    if as_data:
        body: dict[str, Any] = {"error": error, "code": fault.code, "hint": hint or None}
        say.err(json.dumps(body if fault.field is None else {**body, "field": fault.field}))
    elif fault.exit_code == say.INTERRUPTED:
        say.err("\n".join(["", error, *([hint] if hint else [])]))  # the blank line ends ^C
    else:
        say.err(f"{label} {error}")
        if hint:
            say.err(f"  fix: {hint}")
    if verbose and fault.code == "unexpected" and fault.__cause__ is not None:
        say.err("".join(traceback.format_exception(fault.__cause__)))


def _wrong_usage(error: click.ClickException) -> str:
    if isinstance(error, click.NoSuchOption):  # click would name several
        return f"no such option: {error.option_name}" + meant(
            error.option_name, error.possibilities or ()
        )
    return error.format_message()


def _refused(refusal: Refusal) -> Fault:
    error, hint = str(refusal.body.get("message") or refusal), refusal.hint
    if hint:
        error = error.removesuffix(f"; {hint}")  # a lexicon's fault says it all in one sentence
    if refusal.field and str(refusal.field) not in error:
        error += f" (at {refusal.field})"
    if number := refusal.body.get("correlationId"):
        hint = f"its log says more: journalctl -u backfilld | grep {number}"
    exit_code = _EXITS.get(refusal.status, say.UNEXPECTED)
    if refusal.code in _WRONG_STATE:
        exit_code = say.REFUSED
    elif refusal.code == "log-broken":
        exit_code = say.BROKEN_LOG
    fault = Fault(error, clean(refusal.code), hint, exit_code)
    fault.field = None if refusal.field is None else str(refusal.field)
    return fault
