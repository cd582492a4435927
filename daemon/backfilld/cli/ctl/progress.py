"""Follows a job until it has come as far as somebody waits for.

The one rule: whoever leaves, or is left, hears that the job goes on.
"""

import os
import sys
import time
from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from ...control.client import NotPermitted, TimedOut, Unreachable
from ...control.shapes import JobDetail
from .. import say
from . import text, words
from .faults import Fault
from .frame import TIMEOUT_S, Ctl, read
from .words import Target, reached

POLL_S = 1.0
OUTAGE_S_MAX = 60.0  # a daemon that is restarted meanwhile is back before that


def attend(ctl: Ctl, job_id: str, until: Target, *, aside: bool = False) -> int:
    """Shows the job until it is `until`; the exit code. With `aside` the way there is no answer
    and goes to stderr. `--timeout` limits it; without one it has all the time of the world."""
    stream = sys.stderr if aside else sys.stdout
    polls = _polls(ctl, job_id, until)
    try:
        if ctl.as_data:
            last = _as_data(ctl, polls)
        elif stream.isatty() and not ctl.quiet and os.environ.get("TERM") != "dumb":
            from .bars import live  # late: rich costs 75 ms

            last = live(
                (job for _, job in polls),
                stream,
                colour=not ctl.no_color,
            )
        else:
            last = _as_lines(ctl, polls, aside)
    except KeyboardInterrupt:
        again = f"look again: backfillctl watch {words.short(job_id)}"
        raise Fault("The job goes on.", "interrupted", again, say.INTERRUPTED) from None
    if not ctl.as_data:
        _tell_end(ctl, last, until)
    clean = last.sync.state == "synced" or until == "completed"
    return say.OK if last.state == "completed" and clean else say.HONEST_NO


def _tell_end(ctl: Ctl, job: JobDetail, until: Target) -> None:
    say.out(f"{words.short(job.id)} {words.what(job)}: {job.sentence}")
    if job.state != "failed":
        say.out(f"  {job.sync.sentence}")
    if job.failures_total and not ctl.quiet:
        say.out(f"See: backfillctl job {words.short(job.id)}")


def _as_data(ctl: Ctl, polls: Iterator[tuple[Any, JobDetail]]) -> JobDetail:
    before: Any = None
    for answer in polls:
        body, job = answer
        # a thousand failures with every change would be a flood; `job --json` has them
        news = {name: value for name, value in body.items() if name != "failures"}
        if ctl.jsonl and news != before:
            ctl.put(news)
        before = news
    if not ctl.jsonl:
        ctl.put(body)
    return job


def _as_lines(ctl: Ctl, polls: Iterator[tuple[Any, JobDetail]], aside: bool) -> JobDetail:
    tell = say.err if aside else say.out
    before = ""
    for _, job in polls:
        news = words.line(job)
        if job.state == "stalled":
            news += f". {job.sentence}"
        if news != before and not ctl.quiet:
            tell(f"{text.now()} {news}")
        before = news
    return job


def _polls(ctl: Ctl, job_id: str, until: Target) -> Iterator[tuple[Any, JobDetail]]:
    """The job again and again, the last time when it is `until`."""
    deadline = float("inf") if ctl.timeout_s is None else time.monotonic() + ctl.timeout_s
    one = replace(ctl, timeout_s=min(ctl.timeout_s or TIMEOUT_S, TIMEOUT_S))
    answered_at, silent = time.monotonic(), False
    while True:
        try:
            body = one.job(job_id)
        except NotPermitted:
            raise
        except (Unreachable, TimedOut) as error:
            if time.monotonic() - answered_at > OUTAGE_S_MAX:
                raise
            if not silent:
                ctl.aside(f"backfilld does not answer; trying again. {error}")
            silent = True
        else:
            if silent:
                ctl.aside("backfilld answers again.")
            answered_at, silent = time.monotonic(), False
            job = read(body, JobDetail)
            yield body, job
            if reached(job, until):
                return
        if time.monotonic() + POLL_S > deadline:
            raise Fault(
                f"not {until} within {text.duration(ctl.timeout_s or 0)}; the job goes on",
                "timeout",
                f"look again: backfillctl watch {words.short(job_id)}",
                say.TIMED_OUT,
            )
        time.sleep(POLL_S)
