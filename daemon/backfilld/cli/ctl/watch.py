"""backfillctl watch: jobs, live, until they have ended and their records are here."""

import click

from ...control.shapes import JobShape
from .. import say
from .faults import Fault
from .frame import Ctl, read
from .options import JOB
from .progress import attend
from .verbs import verb
from .words import reached


@verb(
    "watch",
    ("backfillctl watch", "the job that is under way, else the last one"),
    ("backfillctl watch 3b0d", "this one, by the beginning of its id"),
    ("backfillctl watch 3b0d 81c2", "two at once"),
    ("backfillctl watch last --jsonl", "one object for each change, without `failures`"),
)
@click.argument("jobs", metavar="[JOB]...", nargs=-1, type=JOB)
def watch(ctl: Ctl, jobs: tuple[str, ...]) -> int:
    """Show jobs live until their records are here. Ends with 0, or with 7 if
    something failed. Without a terminal: one line for each change."""
    if not jobs:
        return attend(ctl, [_under_way(ctl)], "synced")
    # the whole ids: `last` may be another job a moment later
    return attend(ctl, list(dict.fromkeys(str(ctl.job(job)["id"]) for job in jobs)), "synced")


def _under_way(ctl: Ctl) -> str:
    jobs = read(ctl.get("/admin/backfill/status"), list[JobShape])
    if not jobs:
        hint = "start one: backfillctl start NSID"
        raise Fault("there is no job yet", "job-not-found", hint, say.NOT_FOUND)
    return next((job for job in jobs if not reached(job, "synced")), jobs[0]).id
