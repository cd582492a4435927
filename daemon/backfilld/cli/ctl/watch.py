"""backfillctl watch: a job, live, until it has ended and its records are here."""

import click

from ...control.shapes import JobShape
from .. import say
from .faults import Fault
from .frame import Ctl, read, verb
from .progress import attend
from .words import reached


@verb(
    "watch",
    ("backfillctl watch", "the job that is under way, else the last one"),
    ("backfillctl watch 3b0d", "this one, by the beginning of its id"),
    ("backfillctl watch last --jsonl", "one object for each change, without `failures`"),
)
@click.argument("job", required=False)
def watch(ctl: Ctl, job: str | None) -> int:
    """Show a job live until it has ended and its records are here. Ends with 0, or with 7 if
    something failed. Without a terminal: one line for each change."""
    if job is None:
        return attend(ctl, _under_way(ctl), "synced")
    # the whole id: `last` may be another job a moment later
    return attend(ctl, str(ctl.job(job)["id"]), "synced")


def _under_way(ctl: Ctl) -> str:
    jobs = read(ctl.get("/admin/backfill/status"), list[JobShape])
    if not jobs:
        hint = "start one: backfillctl start NSID"
        raise Fault("there is no job yet", "job-not-found", hint, say.NOT_FOUND)
    return next((job for job in jobs if not reached(job, "synced")), jobs[0]).id
