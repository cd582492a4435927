"""backfillctl job: one job in prose."""

import click

from ...control.shapes import JobDetail, WaitingShape
from ...control.shapes.progress import RateShape
from .. import say
from . import text, words
from .frame import Ctl, read
from .options import JOB
from .verbs import verb

FAILURES_SHOWN = 20


@verb(
    "job",
    ("backfillctl job last", "the newest job"),
    ("backfillctl job 3b0d", "by the beginning of its id"),
    ("backfillctl job 3b0d --json", "for a program"),
)
@click.argument("job", type=JOB)
def job(ctl: Ctl, job: str) -> int:
    """Tell all about a job. JOB is its id, a beginning of it that fits no other, or `last`."""
    body = ctl.job(job)
    if ctl.as_data:
        ctl.put(body)
        return say.OK
    detail = read(body, JobDetail)
    state = ctl.paint(detail.state.upper(), words.colour(detail.state))
    say.out(f"{detail.id} {words.what(detail)}")
    say.out(f"is {state} since {text.since(words.since(detail))}.")
    for name, value in _facts(detail):
        say.out(f"  {name:<9}{value}")
    for one in detail.failures[:FAILURES_SHOWN]:
        say.out(f"    {one.did} {one.kind}: {one.reason} (#{one.position})")
    more = detail.failures_total - len(detail.failures[:FAILURES_SHOWN])
    if more > 0:
        say.out(f"    and {more:,} more: backfillctl errors {words.short(detail.id)}")
    return say.OK


def _facts(job: JobDetail) -> list[tuple[str, str]]:
    classes = [f"{kind} {n:,}" for kind, n in job.sync.classes.items() if n]
    listed = "the listing has ended" if job.discovery_complete else "so far, the listing goes on"
    collections = [("Lists", ", ".join(job.collections))] if len(job.collections) > 1 else []
    waits = [("Waits", _waits(lane)) for lane in job.waiting]
    cause = "" if job.cause is None else f", cause #{job.cause}"
    return [
        ("State", job.sentence),
        ("Sync", job.sync.sentence),
        *collections,
        ("Found", f"{text.count(job.total_repos, 'repository', 'repositories')}, {listed}"),
        ("Handed", _paced(f"{job.processed_repos:,} handed to Tap", job.rates.handoff)),
        ("Records", _paced(f"{job.total_records:,} have come", job.rates.arrival)),
        *([("Repos", " · ".join(classes))] if classes else []),
        *waits,
        ("Next", job.next),
        *_ends(job),
        *([("Priority", f"{job.priority}")] if job.priority else []),
        *([("Reason", job.why)] if job.why else []),
        *_retries(job),
        ("Started", f"{text.since(job.started_at)} by {job.actor}, event #{job.position}{cause}"),
        *([("Failed", f"{job.failures_total:,}")] if job.failures_total else []),
    ]


def _paced(done: str, rate: RateShape) -> str:
    """What is done, and how fast: now, and what is usual for this job."""
    parts = ((text.rate(rate.now), "now"), (text.rate(rate.typical), "typical"))
    return ", ".join([done, *(f"{pace} {when}" for pace, when in parts if pace)])


def _ends(job: JobDetail) -> list[tuple[str, str]]:
    """When it is completed and when it is synced, or why that is not said."""
    known = [("completed", words.eta(job.eta.completed)), ("synced", words.eta(job.eta.synced))]
    ends = [f"{until} {when}" for until, when in known if when]
    return [("Ends", " · ".join(ends))] if ends else []


def _retries(job: JobDetail) -> list[tuple[str, str]]:
    """The jobs that are about the same failures."""
    said: list[tuple[str, str]] = []
    if job.retries is not None:
        kinds = f", {' · '.join(job.kinds)}" if job.kinds else ""
        said.append(("Retries", f"what failed in job {words.short(job.retries)}{kinds}"))
    if job.retried_by:
        said.append(("Retried", f"by {' '.join(map(words.short, job.retried_by))}"))
    return said


def _waits(lane: WaitingShape) -> str:
    return (
        f"{lane.lane}: {lane.peer} {lane.message} ({lane.kind}, try {lane.attempt}), since "
        f"{text.since(lane.since)}; next try {text.moment(lane.retry_at)}"
    )
