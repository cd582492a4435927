"""backfillctl jobs: the newest jobs, a line each."""

import click

from ...control.shapes import JobShape
from .. import say
from . import words
from .frame import Ctl, read, verb

STATES = ("pending", "running", "stalled", "completed", "completed_with_errors", "failed")


@verb(
    "jobs",
    ("backfillctl jobs", "the newest 20"),
    ("backfillctl jobs --state stalled", "those that cannot go on"),
    ("backfillctl jobs --collection net.example.score -n 1", "the newest of a collection"),
)
@click.option("-n", "limit", type=click.IntRange(min=1), default=20, help="How many (20).")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--collection", metavar="NSID", help="Only those of this collection.")
def jobs(ctl: Ctl, limit: int, state: str | None, collection: str | None) -> int:
    """List jobs, newest first."""
    bodies = [
        body
        for body in ctl.get("/admin/backfill/status")
        if state in (None, body["state"]) and collection in (None, *body["collections"])
    ]
    if ctl.as_data:
        ctl.put(bodies[:limit])
    elif bodies:
        say.out(words.table(read(bodies[:limit], list[JobShape])))
        if len(bodies) > limit:
            ctl.aside(f"{limit:,} of {len(bodies):,} jobs; all: -n {len(bodies)}")
    elif state or collection:
        say.out("No such job. All jobs: backfillctl jobs")
    else:
        say.out("No job yet. Start one: backfillctl start NSID")
    return say.OK
