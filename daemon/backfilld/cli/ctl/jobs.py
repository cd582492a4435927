"""backfillctl jobs: the newest jobs, a line each."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

import click

from ...control.shapes import JobShape
from .. import say
from . import words
from .frame import Ctl, read
from .options import MOMENT, NSID, Word
from .verbs import verb

PAGE = 100


@verb(
    "jobs",
    ("backfillctl jobs", "the newest 20"),
    ("backfillctl jobs --state stalled", "those that cannot go on"),
    ("backfillctl jobs --collection net.example.score --since 7d", "this week's"),
)
@click.option("-n", "limit", type=click.IntRange(min=1), default=20, help="How many (20).")
@click.option("--state", metavar="STATE", type=Word(words.STATES), help="Only those in this state.")
@click.option("--collection", metavar="NSID", type=NSID, help="Only those of this collection.")
@click.option(
    "--since", type=MOMENT, metavar="WHEN",
    help="Only those started since: 15m, 2h, 3d ago, or a date and time.",
)  # fmt: skip
def jobs(
    ctl: Ctl, limit: int, state: str | None, collection: str | None, since: float | None
) -> int:
    """List jobs, newest first."""
    fitting = (
        body
        for body in _newest(ctl, collection, since)
        if state in (None, body["state"]) and collection in (None, *body["collections"])
    )
    bodies = list(islice(fitting, limit + 1))
    shown = bodies[:limit]
    if ctl.as_data:
        ctl.put(shown)
    elif shown:
        say.out(words.table(read(shown, list[JobShape])))
    elif state or collection or since:
        say.out("No such job. All jobs: backfillctl jobs")
    else:
        say.out("No job yet. Start one: backfillctl start NSID")
    if len(bodies) > limit and not ctl.as_data:
        ctl.aside(f"the newest {limit:,}; there are more: -n {limit * 5}")
    return say.OK


def _newest(ctl: Ctl, collection: str | None, since: float | None) -> Iterator[dict[str, Any]]:
    """Jobs, newest first, a page at a time; none that is older than `since`."""
    cursor: str | None = None
    while True:
        answer = ctl.ask("/admin/backfill/status", limit=PAGE, cursor=cursor, collection=collection)
        for body in answer.body:
            if since is not None and _seconds(body["created_at"]) < since:
                return
            yield body
        cursor = answer.cursor
        if cursor is None:
            return


def _seconds(utc: str) -> float:
    return datetime.fromisoformat(utc).timestamp()
