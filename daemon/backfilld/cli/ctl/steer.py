"""backfillctl pause, resume, cancel: a job stops, goes on, ends. Each is an event with a reason."""

from typing import Any

import click

from ...control.caller.client import job_path
from ...control.shapes import JobDetail
from ...control.shapes.progress import REASON_CHARS_MAX, VerbDone
from .. import say
from . import text, words
from .frame import Ctl, read
from .options import JOB
from .verbs import verb

_reason = click.option(
    "--reason", metavar="TEXT", help="Why; it is kept in the log, for whoever asks later."
)


@verb(
    "pause",
    ("backfillctl pause 3b0d --reason 'PDS maintenance'", "the reason is kept in the log"),
    ("backfillctl pause last", "the newest job"),
)
@click.argument("job", type=JOB)
@_reason
def pause(ctl: Ctl, job: str, reason: str | None) -> int:
    """Pause a job: no further step begins. Tap goes on with what it has."""
    return _steered(ctl, read(ctl.job(job), JobDetail), "pause", reason)


@verb(
    "resume",
    ("backfillctl resume 3b0d", "it goes on where it stopped"),
)
@click.argument("job", type=JOB)
@_reason
def resume(ctl: Ctl, job: str, reason: str | None) -> int:
    """Go on with a paused job."""
    return _steered(ctl, read(ctl.job(job), JobDetail), "resume", reason)


@verb(
    "cancel",
    ("backfillctl cancel 3b0d", "asks first"),
    ("backfillctl cancel 3b0d --yes --reason 'by mistake'", "asks nothing"),
)
@click.argument("job", type=JOB)
@_reason
@click.option("--yes", is_flag=True, help="Do not ask.")
def cancel(ctl: Ctl, job: str, reason: str | None, yes: bool) -> int:
    """End a job for good. What it handed to Tap stays there, and records that came stay here."""
    detail = read(ctl.job(job), JobDetail)
    if not yes and detail.completed_at is None:
        again = f"backfillctl cancel {words.short(detail.id)} --yes"
        ctl.confirm(f"Cancel {words.name(detail)}?", _not_undone(detail), again)
    return _steered(ctl, detail, "cancel", reason)


def _steered(ctl: Ctl, job: JobDetail, action: str, reason: str | None) -> int:
    if reason is not None and len(reason) > REASON_CHARS_MAX:
        raise click.UsageError(f"--reason: at most {REASON_CHARS_MAX} characters")
    asked: dict[str, Any] = {} if reason is None else {"reason": reason}
    # the whole id: a beginning of it may fit another job a moment later
    body = ctl.post(f"{job_path(job.id)}/{action}", asked)
    if ctl.as_data:
        ctl.put(body)
        return say.OK
    done = read(body, VerbDone)
    state = ctl.paint(done.state, words.colour(done.state))
    again = "" if done.position is not None else ", as it was"
    event = "" if done.position is None else f" (event #{done.position})"
    say.out(f"{words.name(job)} is {state}{again}. {done.note}{event}")
    return say.OK


def _not_undone(job: JobDetail) -> str:
    handed, found = job.processed_repos, job.total_repos
    waits = f"; {found - handed:,} found are never handed over" if found > handed else ""
    with_tap = text.count(handed, "repository stays", "repositories stay")
    records = text.count(job.total_records, "record stays", "records stay")
    return f"it ends for good: {with_tap} with Tap, {records} here{waits}"
