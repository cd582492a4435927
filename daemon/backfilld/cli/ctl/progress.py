"""Follows jobs until they have come as far as somebody waits for.

The one rule: whoever leaves, or is left, hears that the job goes on.
"""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ...control.shapes import JobDetail
from .. import say
from . import text, words
from .faults import Fault
from .frame import TIMEOUT_S, Ctl, read
from .outages import Patience
from .words import Target, reached

POLL_S = 1.0
BROKEN = "log_broken"  # the reason of a job that goes on only when a person has decided
_WHAT = "see what is wrong: backfillctl log verify"


class Seen(NamedTuple):
    """A job at one look: as the API has it, and as its shape."""

    body: Any
    job: JobDetail


Looks = Iterator[list[Seen]]


def attend(ctl: Ctl, job_ids: Sequence[str], until: Target, *, aside: bool = False) -> int:
    """Shows the jobs until each is `until`; the exit code. With `aside` the way there is no answer
    and goes to stderr. `--timeout` limits it; without one it has all the time of the world."""
    stream = sys.stderr if aside else sys.stdout
    looks = _looks(ctl, job_ids, until)
    try:
        if ctl.as_data:
            last = _as_data(ctl, looks, many=len(job_ids) > 1)
        elif stream.isatty() and not ctl.quiet and os.environ.get("TERM") != "dumb":
            from .bars import live  # late: rich costs 75 ms

            shown = ([seen.job for seen in look] for look in looks)
            last = live(shown, stream, colour=not ctl.no_color)
        else:
            last = _as_lines(ctl, looks, aside)
    except KeyboardInterrupt:
        goes_on = "The job goes on." if len(job_ids) == 1 else "The jobs go on."
        raise Fault(goes_on, "interrupted", _again(job_ids), say.INTERRUPTED) from None
    if not ctl.as_data:
        for job in last:
            _tell_end(ctl, job)
    return say.OK if all(_went_well(job, until) for job in last) else say.HONEST_NO


def _went_well(job: JobDetail, until: Target) -> bool:
    return job.state == "completed" and (until == "completed" or job.sync.state == "synced")


def _tell_end(ctl: Ctl, job: JobDetail) -> None:
    say.out(f"{words.name(job)}: {job.sentence}")
    if job.state != "failed":
        say.out(f"  {job.sync.sentence}")
    if job.failures_total and not ctl.quiet:
        say.out(f"See: backfillctl job {words.short(job.id)}")


def _as_data(ctl: Ctl, looks: Looks, *, many: bool) -> list[JobDetail]:
    before: dict[str, Any] = {}
    for look in looks:
        for body, job in look:
            # a thousand failures with every change would be a flood; `job --json` has them
            news = {name: value for name, value in body.items() if name != "failures"}
            if ctl.jsonl and news != before.get(job.id):
                ctl.put(news)
            before[job.id] = news
    if not ctl.jsonl:
        ctl.put([seen.body for seen in look] if many else look[0].body)
    return [seen.job for seen in look]


def _as_lines(ctl: Ctl, looks: Looks, aside: bool) -> list[JobDetail]:
    tell = say.err if aside else say.out
    before: dict[str, str] = {}
    for look in looks:
        for _, job in look:
            news = words.line(job)
            if job.state in words.STANDS:
                news += f". {job.sentence}"
            if news != before.get(job.id) and not ctl.quiet:
                tell(f"{text.now()} {news}")
            before[job.id] = news
    return [seen.job for seen in look]


def _looks(ctl: Ctl, job_ids: Sequence[str], until: Target) -> Looks:
    """The jobs again and again, the last time when each is `until`."""
    deadline = float("inf") if ctl.timeout_s is None else time.monotonic() + ctl.timeout_s
    one = replace(ctl, timeout_s=min(ctl.timeout_s or TIMEOUT_S, TIMEOUT_S), line=None)
    patience, seen = Patience(ctl), dict[str, Seen]()

    def look() -> tuple[list[JobDetail], str]:
        for job_id in job_ids:
            if job_id not in seen or not reached(seen[job_id].job, until):
                body = one.job(job_id)
                seen[job_id] = Seen(body, read(body, JobDetail))
        left = [has.job for has in seen.values() if not reached(has.job, until)]
        return left, _stuck(one, left)

    while True:
        if (looked := patience.answer(look)) is not None:
            left, stuck = looked
            yield [seen[job_id] for job_id in job_ids]
            if not left:
                return
            if stuck:
                raise Fault(stuck, "log-broken", _WHAT, say.BROKEN_LOG)
        if time.monotonic() + POLL_S > deadline:
            raise _ran_out(job_ids, until, ctl.timeout_s or 0)
        time.sleep(POLL_S)


def _stuck(ctl: Ctl, jobs: Sequence[JobDetail]) -> str:
    """What keeps these until a person has decided, if the log does not verify; else nothing."""
    for job in jobs:
        if job.reason == BROKEN:
            return job.sentence
    # one that has nothing to do but to wait is what it was before, and does not say it
    waits = any(job.completed_at is not None or job.state == "paused" for job in jobs)
    body = ctl.health() if waits else {}
    return text.clean(body["verdict"]) if body.get("status") == "broken" else ""


def _ran_out(job_ids: Sequence[str], until: Target, timeout_s: float) -> Fault:
    goes_on = "the job goes on" if len(job_ids) == 1 else "the jobs go on"
    return Fault(
        f"not {until} within {text.duration(timeout_s)}; {goes_on}",
        "timeout", _again(job_ids), say.TIMED_OUT,
    )  # fmt: skip


def _again(job_ids: Sequence[str]) -> str:
    return "look again: backfillctl watch " + " ".join(map(words.short, job_ids))
