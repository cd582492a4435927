"""backfillctl errors: what failed in a job, by kind, with what to do."""

from itertools import islice

import click

from ...control.caller.client import job_path
from ...control.shapes import JobDetail
from ...control.shapes.errors import Errors, ErrorShape
from .. import say
from . import text, words
from .behind import PAGE, entries
from .frame import Ctl, read
from .options import JOB
from .verbs import verb


@verb(
    "errors",
    ("backfillctl errors last", "the newest job's, by kind, with what to do"),
    ("backfillctl errors 3b0d --kind timeout", "who is behind a kind"),
    ("backfillctl errors 3b0d --kind timeout --json", "the same for a program"),
)
@click.argument("job", type=JOB)
@click.option("--kind", metavar="K", help="Those of this kind, one by one.")
@click.option("-n", "limit", type=click.IntRange(min=1), default=20, help="How many of them (20).")
def errors(ctl: Ctl, job: str, kind: str | None, limit: int) -> int:
    """Tell what failed in a job, and what to do about it."""
    detail = read(ctl.job(job), JobDetail)
    path = f"{job_path(detail.id)}/errors"
    if ctl.as_data:
        wanted = list(islice(entries(ctl, path, "errors", kind=kind), limit))
        ctl.put(wanted if kind is not None else ctl.get(path, limit=min(limit, PAGE)))
        return say.OK
    if kind is not None:
        _one_by_one(ctl, path, kind, limit)
        return say.OK
    told = read(ctl.get(path, limit=1), Errors)
    if not told.counts:
        say.out(f"Nothing failed in {words.name(detail)}.")
        return say.OK
    total = sum(one.count for one in told.counts)
    say.out(f"{text.count(total, 'failure', 'failures')} in {words.name(detail)}:")
    rows = [
        (one.kind, f"{one.count:,}", "retryable" if one.retryable else "final", one.what_to_do)
        for one in told.counts
    ]
    say.out(text.table(("KIND", "COUNT", "", "WHAT TO DO"), rows))
    short = words.short(detail.id)
    say.out(f"One by one: backfillctl errors {short} --kind {told.counts[0].kind}")
    if any(one.retryable for one in told.counts):
        say.out(f"Try again: backfillctl retry {short}")
    return say.OK


def _one_by_one(ctl: Ctl, path: str, kind: str, limit: int) -> None:
    found = list(islice(entries(ctl, path, "errors", kind=kind), limit + 1))
    if not found:
        say.out(f"None failed as {text.clean(kind)}.")
        return
    shown = read(found[:limit], list[ErrorShape])
    for one in shown:
        say.out(_line(one))
        say.out(text.wrapped("Why", one.message, None))
    say.out(f"What to do: {shown[0].what_to_do}.")
    if len(found) > limit:
        ctl.aside(f"the first {limit:,}; there are more: -n {limit * 5}")


def _line(one: ErrorShape) -> str:
    tries = text.count(one.attempts, "try", "tries")
    again = "" if one.next_attempt_at is None else f"; again {text.moment(one.next_attempt_at)}"
    who = one.did or one.collection or ""
    return f"{who} {one.phase}, {tries}, last {text.moment(one.last_at)}{again} (#{one.position})"
