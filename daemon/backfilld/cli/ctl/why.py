"""backfillctl why: what is stuck, why, since when, what comes next, and whether data is lost."""

import shutil
import sys

import click

from ...control.shapes import Health, JobDetail
from .. import say
from . import text, words
from .faults import Fault
from .frame import Ctl, read
from .options import JOB
from .verbs import verb

WIDTH_MAX = 130


@verb(
    "why",
    ("backfillctl why", "the job that is stuck, else the one under way, else the last one"),
    ("backfillctl why 3b0d", "this one, by the beginning of its id"),
)
@click.argument("job", required=False, type=JOB)
def why(ctl: Ctl, job: str | None) -> int:
    """Tell in prose how a job stands. Why, since when, what happens next by itself, whether data is
    lost, and what you may do."""
    verdict = None
    if job is None:
        health = read(ctl.get("/admin/health"), Health)
        verdict = health.verdict if health.status != "ok" else None
        job = _in_question(ctl, health)
    body = ctl.job(job)
    if ctl.as_data:
        ctl.put(body)
        return say.OK
    detail = read(body, JobDetail)
    if verdict is not None and detail.state != "stalled":  # its sentence is the verdict
        say.out(verdict)
    _tell(ctl, detail)
    return say.OK


def _tell(ctl: Ctl, job: JobDetail) -> None:
    since = words.since(job)
    state = ctl.paint(job.state.upper(), words.colour(job.state))
    ago = text.span(text.seconds_ago(since))
    say.out(f"{words.name(job)} is {state} since {text.moment(since)} ({ago}).")
    width = None
    if sys.stdout.isatty():
        width = min(shutil.get_terminal_size().columns, WIDTH_MAX)
    for label, value in _needs(job):
        say.out(text.wrapped(label, value, width))


def _in_question(ctl: Ctl, health: Health) -> str:
    """The job that somebody who asks why is likely to mean."""
    jobs = health.jobs
    if not jobs:
        hint = "start one: backfillctl start NSID"
        raise Fault(f"there is no job yet. {health.verdict}", "job-not-found", hint, say.NOT_FOUND)
    stuck = [job for job in jobs if job.state == "stalled"]
    if len(stuck) > 1:
        others = text.count(len(stuck) - 1, "more job is", "more jobs are")
        ctl.aside(f"{others} stalled: backfillctl jobs --state stalled")
    going = [job for job in jobs if not words.reached(job, "synced")]
    return [*stuck, *going, *jobs][0].id


def _needs(job: JobDetail) -> list[tuple[str, str]]:
    short = words.short(job.id)
    may = [f"backfillctl {one.action} {short}" for one in job.actions if one.allowed]
    if job.failures_total:
        may.append(f"backfillctl job {short}, for each failure's reason")
    not_now = [f"{one.action}: {one.why_not}" for one in job.actions if not one.allowed]
    return [
        ("Why", " ".join([job.sentence, *_tries(job)])),
        ("Sync", job.sync.sentence),
        ("Next", " ".join([job.next, *_ends(job)])),
        ("Data", data(job)),
        *([("You may", " · ".join(may))] if may else []),
        *([("Not now", " · ".join(not_now))] if not_now else []),
    ]


def _tries(job: JobDetail) -> list[str]:
    if job.state != "stalled":
        return []
    return [
        f"{lane.peer}: {text.count(lane.attempt, 'try', 'tries')} since {text.moment(lane.since)}."
        for lane in job.waiting
    ]


def _ends(job: JobDetail) -> list[str]:
    said = [
        (until, known.text)
        for until, known in (("completed", job.eta.completed), ("synced", job.eta.synced))
        if known.withheld is None
    ]
    return [f"{until.capitalize()} in {how_long}." for until, how_long in said]


def data(job: JobDetail) -> str:
    """What is not here, and where it is: what waits in our log, what Tap still has to bring."""
    classes, over = job.sync.classes, job.completed_at is not None
    waits = job.total_repos - job.processed_repos
    coming = sum(classes.get(kind, 0) for kind in ("handed_off", "arriving"))
    held, parked = classes.get("held", 0), classes.get("parked", 0)
    missing = job.sync.failed + job.malformed
    parts = ["none lost that we know of."]
    if missing:
        parts = [f"{text.count(missing, 'repository is', 'repositories are')} not here."]
    if waits and over:
        parts.append(f"{waits:,} were found and never handed over.")
    elif waits:
        found = text.count(waits, "found repository waits", "found repositories wait")
        parts.append(f"{found} in our log.")
    if coming:
        parts.append(
            f"{coming:,} handed over have not fully arrived: Tap sends again what we did not"
            " acknowledge."
        )
    if parked:
        parts.append(f"{parked:,} are put aside by Tap, whose servers limit it.")
    if held:
        parts.append(f"{held:,} were with Tap before, which does not send them again.")
    if not job.discovery_complete and not over:
        parts.append("The listing goes on, so there may be more.")
    return " ".join(parts)
