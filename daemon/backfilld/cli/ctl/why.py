"""backfillctl why: what is stuck, why, since when, what comes next, and whether data is lost."""

import shutil
import sys
from contextlib import suppress
from urllib.parse import quote

import click

from ...control.caller.client import Refusal
from ...control.shapes import Health, JobDetail
from ...control.shapes.repos import Account
from .. import say
from . import text, words
from .faults import Fault
from .frame import Ctl, read
from .options import JOB
from .verbs import verb

WIDTH_MAX = 130
UNKNOWN = "not known whether any is lost: the log does not verify."
ACCOUNT_COLOURS = {"synced": "green", "empty": "green", "failed": "red"}


@verb(
    "why",
    ("backfillctl why", "the job that is stuck, else the one under way, else the last one"),
    ("backfillctl why 3b0d", "this one, by the beginning of its id"),
    ("backfillctl why alice.example", "one account, by its DID or handle"),
)
@click.argument("name", metavar="[JOB|DID]", required=False, type=JOB)
def why(ctl: Ctl, name: str | None) -> int:
    """Tell in prose how a job, or one account, stands. Why, since when, what happens next by
    itself, whether data is lost, and what you may do. Without a name also what else stands
    still."""
    is_broken = False
    if name is not None and not ctl.as_data:
        with suppress(Refusal):  # who may see a job may not see all
            body = ctl.health()
            is_broken = _tell_if_broken(body.get("status"), text.clean(body.get("verdict")))
    if name is not None and _names_an_account(name):
        return _told_of_account(ctl, name, is_broken=is_broken)
    health = None if name is not None else read(ctl.health(), Health)
    if health is not None:
        if not ctl.as_data:
            is_broken = _tell_if_broken(health.status, health.verdict)
        if health.stalls and not health.jobs and not ctl.as_data:
            _tell_of_tap(ctl, health)
            return say.OK
        name = _in_question(ctl, health)
    body = ctl.job(name or "")
    if ctl.as_data:
        ctl.put(body)
        return say.OK
    detail = read(body, JobDetail)
    if health is not None:
        if health.stalls or health.quiet:
            _tell_of_tap(ctl, health)
        elif health.status == "degraded" and detail.state != "stalled":  # its sentence says it
            say.out(health.verdict)
    _tell(ctl, detail, is_broken=is_broken)
    return say.OK


def _tell_if_broken(status: str, verdict: str) -> bool:
    """Of a log that does not verify, before all else: nothing goes on then."""
    if status == "broken":
        say.out(verdict)
    return status == "broken"


def _tell(ctl: Ctl, job: JobDetail, *, is_broken: bool) -> None:
    state = ctl.paint(job.state.upper(), words.colour(job.state))
    _paragraphs(
        f"{words.name(job)} is {state} since {_since(words.since(job))}.", _needs(job, is_broken)
    )


def _tell_of_tap(ctl: Ctl, health: Health) -> None:
    """What stands still of Tap, and what only seems to."""
    for one in health.stalls:
        kind = ctl.paint(one.kind.replace("_", " ").upper(), "yellow")
        _paragraphs(
            f"Tap: {kind} since {_since(one.since)}.",
            [
                ("Why", one.sentence),
                ("Next", one.next),
                ("Data", one.data),
                ("You may", one.you_may),
            ],
        )
    if health.quiet:
        say.out(health.quiet)


def _names_an_account(name: str) -> bool:
    return ":" in name or "." in name


def _told_of_account(ctl: Ctl, name: str, *, is_broken: bool) -> int:
    """One account: where it stands, why, and what comes next."""
    body = ctl.get(f"/admin/repos/{quote(name, safe=':')}")
    if ctl.as_data:
        ctl.put(body)
        return say.OK
    account = read(body, Account)
    state = ctl.paint(account.state.upper(), ACCOUNT_COLOURS.get(account.state, "yellow"))
    handle = f"  @{account.handle}" if account.handle else ""
    _paragraphs(
        f"{account.did}{handle} is {state} since {_since(account.since)}.",
        [
            ("Why", account.sentence),
            ("Next", account.next),
            ("Data", UNKNOWN if is_broken else _of_account(account)),
            ("You may", f"backfillctl repo {account.did}, for its whole history"),
        ],
    )
    return say.OK


def _of_account(account: Account) -> str:
    rows = text.count(account.records, "record is", "records are")
    if account.differs:
        return f"{rows} here, and it differs: {account.differs}."
    whole = account.state in ("synced", "empty")
    lost = "none lost that we know of" if whole else "what else it has is not here, or not known"
    return f"{rows} here; {lost}."


def _since(utc: str) -> str:
    return f"{text.moment(utc)} ({text.span(text.seconds_ago(utc))})"


def _paragraphs(head: str, needs: list[tuple[str, str]]) -> None:
    say.out(head)
    width = None
    if sys.stdout.isatty():
        width = min(shutil.get_terminal_size().columns, WIDTH_MAX)
    for label, value in needs:
        if value:
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


def _needs(job: JobDetail, is_broken: bool) -> list[tuple[str, str]]:
    short = words.short(job.id)
    may = [f"backfillctl {one.action} {short}" for one in job.actions if one.allowed]
    if job.failures_total:
        may.append(f"backfillctl job {short}, for each failure's reason")
    not_now = [f"{one.action}: {one.why_not}" for one in job.actions if not one.allowed]
    return [
        ("Why", " ".join([job.sentence, *_tries(job)])),
        ("Sync", job.sync.sentence),
        ("Next", " ".join([job.next, *_ends(job)])),
        ("Data", UNKNOWN if is_broken else data(job)),
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
    if held and job.mode == "add":
        parts.append(f"{held:,} were with Tap before, which does not send them again.")
    elif held:
        parts.append(f"{held:,} were with Tap before, and are fetched again by themselves.")
    if not job.discovery_complete and not over:
        parts.append("The listing goes on, so there may be more.")
    return " ".join(parts)
