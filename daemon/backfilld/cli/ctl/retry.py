"""backfillctl retry: another try for what failed in a job."""

from typing import Any

import click

from ...control.caller.client import job_path
from ...control.shapes import JobDetail
from ...control.shapes.errors import Retried
from ...control.shapes.progress import REASON_CHARS_MAX
from .. import say
from . import text, words
from .frame import Ctl, read
from .options import JOB
from .verbs import verb

GATHERING_S = 300.0  # millions of repositories may have failed


@verb(
    "retry",
    ("backfillctl retry last", "all that another try may help"),
    ("backfillctl retry 3b0d --kind timeout --kind other", "of these kinds"),
    ("backfillctl retry 3b0d --did did:plc:ewvi7nxzyoun6zhxrhs64oiz", "one account"),
)
@click.argument("job", type=JOB)
@click.option("--kind", "kinds", multiple=True, metavar="K", help="Those of this kind; repeatable.")
@click.option(
    "--did", "dids", multiple=True, metavar="DID", help="This account or handle; repeatable."
)
@click.option("--reason", metavar="TEXT", help="Why; it is kept in the log.")
@click.option(
    "--idempotency-key", "key", metavar="K", help="Said twice, it is the same job: safe to repeat."
)
def retry(
    ctl: Ctl, job: str, kinds: tuple[str, ...], dids: tuple[str, ...], reason: str | None,
    key: str | None,
) -> int:  # fmt: skip
    """Start a job for what failed in another: Tap fetches it anew."""
    if kinds and dids:
        raise click.UsageError("--kind and --did do not go together")
    if any(not value.strip() for value in (*kinds, *dids)):
        raise click.UsageError("a blank value names nothing, and never everything")
    if reason is not None and len(reason) > REASON_CHARS_MAX:
        raise click.UsageError(f"--reason: at most {REASON_CHARS_MAX} characters")
    asked: dict[str, Any] = {}
    for name, value in (("kinds", list(kinds)), ("dids", list(dids)), ("reason", reason)):
        if value:
            asked[name] = value
    # the whole id: a beginning of it may fit another job a moment later
    path = f"{job_path(read(ctl.job(job), JobDetail).id)}/retry-failed"
    headers = {"idempotency-key": key} if key else None
    body = ctl.patient(GATHERING_S).post(path, asked, headers)
    if ctl.as_data:
        ctl.put(body)
        return say.OK
    told = read(body, Retried)
    many = text.count(told.retried_repos, "repository", "repositories")
    what = "Joined job" if told.joined is True else "Started job"
    say.out(f"{what} {told.id}: has Tap fetch {many} anew that failed in {told.retries[:8]}.")
    if told.skipped:
        left_out = " · ".join(f"{why} {n:,}" for why, n in told.skipped.items())
        say.out(text.wrapped("Not", left_out, None))
    if not ctl.quiet:
        say.out(f"Watch: backfillctl watch {words.short(told.id)}")
    return say.OK
