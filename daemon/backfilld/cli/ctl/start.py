"""backfillctl start: begins backfill jobs, or says what they would be."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, BinaryIO, NamedTuple

import click

from ...control.shapes import PRIORITY_MAX, Started
from ...control.shapes.progress import REASON_CHARS_MAX, Plan
from .. import say
from . import accounts, known, text, words
from .frame import Ctl, read
from .options import NSID, Word
from .progress import attend
from .suggest import meant
from .verbs import verb
from .words import Target

KEY_CHARS_MAX = 255
MODES = ("auto", "add", "refetch")

_KEPT = (
    "Tap lets go of these repositories and fetches them from their servers once more; records that"
    " do not come again are then removed here. What it has begun is not undone by a cancel"
)


class Asked(NamedTuple):
    """What the command line asks for, besides who and where."""

    everything: bool
    named: Sequence[str]
    file: BinaryIO | None
    mode: str | None
    priority: int | None
    reason: str | None
    key: str | None

    @property
    def of_accounts(self) -> bool:
        """Whether accounts are named, rather than listed by the relay."""
        return bool(self.named) or self.file is not None


class Request(NamedTuple):
    """One request: a job."""

    body: dict[str, Any]
    key: str | None


@verb(
    "start",
    ("backfillctl start net.example.score", "all repositories that have it"),
    ("backfillctl start --did did:plc:ewvi7nxzyoun6zhxrhs64oiz", "one account"),
    ("backfillctl start net.example.score --from dids.txt", "a list's, however long"),
    ("backfillctl start --all --dry-run", "what all lexicons would take"),
    ("backfillctl start net.example.score --mode refetch", "have Tap fetch all of it anew"),
    ("backfillctl start net.example.score --wait synced --timeout 2h", "wait for the end"),
)
@click.argument("nsids", metavar="[NSID]...", nargs=-1, type=NSID)
@click.option(
    "--did", "dids", multiple=True, metavar="DID", help="This account or handle; repeatable."
)
@click.option(
    "--from",
    "file",
    type=click.File("rb"),
    metavar="FILE",
    help="The accounts in a file, or in stdin (-): a DID or handle a line, # for comments.",
)
@click.option("--all", "everything", is_flag=True, help="All record lexicons.")
@click.option(
    "--mode",
    metavar="auto|add|refetch",
    type=Word(MODES),
    help="add: what Tap has already is not fetched again; refetch: it is; auto: only what was "
    "fetched without the collection. Else as configured.",
)
@click.option("--yes", is_flag=True, help="Do not ask before a refetch.")
@click.option("--dry-run", is_flag=True, help="Say what it would be; start nothing.")
@click.option(
    "--wait",
    type=click.Choice(["completed", "synced"]),
    help="Stay until all is handed to Tap, or until all records are here.",
)
@click.option(
    "--priority",
    type=click.IntRange(-PRIORITY_MAX, PRIORITY_MAX),
    metavar="N",
    help="Higher goes first; 0 is usual.",
)
@click.option("--reason", metavar="TEXT", help="Why; it is kept in the log.")
@click.option(
    "--idempotency-key",
    "key",
    metavar="K",
    help="Said twice, it is the same job: safe to repeat.",
)
def start(
    ctl: Ctl, nsids: tuple[str, ...], dids: tuple[str, ...], file: BinaryIO | None,
    everything: bool, mode: str | None, yes: bool, dry_run: bool, wait: Target | None,
    priority: int | None, reason: str | None, key: str | None,
) -> int:  # fmt: skip
    """Start a backfill. NSID names a collection, whose lexicon must be there; several are a job
    each. A list of more than 100,000 accounts becomes several jobs."""
    asked = Asked(everything, dids, file, mode, priority, reason, key)
    _check(nsids, asked, dry_run=dry_run, wait=wait)
    requests = _requests(list(dict.fromkeys(nsids)), asked)
    many = file is not None or len(nsids) > 1
    if dry_run:
        return _planned(ctl, requests, many=many)
    if mode == "refetch" and not yes:
        ctl.confirm("Fetch anew what Tap has?", _KEPT, "add --yes, or see --dry-run")
    return _started(ctl, requests, wait, many=many)


def _started(ctl: Ctl, requests: Iterator[Request], wait: Target | None, *, many: bool) -> int:
    bodies: list[Any] = []
    jobs: list[Started] = []
    code = say.OK
    try:
        for request in requests:
            headers = {"idempotency-key": request.key} if request.key else {}
            bodies.append(ctl.post("/admin/backfill", request.body, headers))
            jobs.append(read(bodies[-1], Started))
            if ctl.jsonl:
                ctl.put(bodies[-1])
            elif not ctl.as_data:
                say.out(_told(ctl, jobs[-1], request.body))
    except Exception as error:
        if jobs:
            begun = text.count(len(jobs), "job was started", "jobs were started")
            ctl.aside(f"{begun} before this: {' '.join(words.short(job.id) for job in jobs)}")
        raise error from None
    failed = [job for job in jobs if job.state == "failed"]
    going = [job.id for job in jobs if job.state != "failed"]
    if ctl.json and not ctl.jsonl and (wait is None or not going):
        ctl.put(bodies if many else bodies[0])
    if failed:
        code = say.HONEST_NO
    if wait is None:
        if going and not ctl.as_data and not ctl.quiet:
            say.out(f"Watch: backfillctl watch {' '.join(map(words.short, going))}")
        return code
    return max(code, attend(ctl, going, wait, aside=True)) if going else code


def _told(ctl: Ctl, job: Started, body: dict[str, Any]) -> str:
    if job.state == "failed":
        wanted = body.get("collection")
        near = meant(wanted, known.nsids(ctl)) if wanted else ""
        return f"Job {job.id} {ctl.paint('failed', 'red')}: {job.error or ''}{near}"
    if job.joined is True:
        return f"Joined job {job.id}, which was asked for before: {', '.join(job.collections)}."
    names = ", ".join(job.collections)
    if "dids" in body or "did" in body:
        n = len(set(body.get("dids", [body.get("did")])))
        what = f"hands {text.count(n, 'account', 'accounts')} to Tap, for {names}"
    else:
        what = f"lists the repositories that have {names}, and hands them to Tap"
    return f"Started job {job.id}: {what}."


def _planned(ctl: Ctl, requests: Iterator[Request], *, many: bool) -> int:
    bodies = []
    for request in requests:
        bodies.append(ctl.post("/admin/backfill?dry_run=1", request.body))
        if ctl.jsonl:
            ctl.put(bodies[-1])
        elif not ctl.as_data:
            _tell_plan(read(bodies[-1], Plan))
    if ctl.json and not ctl.jsonl:
        ctl.put(bodies if many else bodies[0])
    if not ctl.as_data:
        ctl.aside("Nothing was started: this was --dry-run.")
    return say.HONEST_NO if any(body.get("error") for body in bodies) else say.OK


def _tell_plan(plan: Plan) -> None:
    if plan.error:
        say.out(f"It would fail: {plan.error}")
        return
    say.out(f"It would get {', '.join(plan.collections)}.")
    say.out(text.wrapped("Repos", plan.expected.sentence, None))
    takes = plan.duration.text
    if plan.duration.withheld is None:
        takes = f"handed to Tap in {takes}"
    say.out(text.wrapped("Time", takes, None))
    for source in plan.expected.sources:
        repos = text.count(source.repos, "repository", "repositories")
        ended = f"{repos}, ended {text.since(source.completed_at)}"
        say.out(text.wrapped("From", f"job {words.short(source.job_id)}, {ended}", None))
    if plan.refetch is not None:
        say.out(text.wrapped("Anew", plan.refetch.sentence, None))
    if plan.would_join is not None:
        short = words.short(plan.would_join)
        say.out(text.wrapped("Joins", f"job {short}, which is the same and under way", None))


def _requests(nsids: Sequence[str], asked: Asked) -> Iterator[Request]:
    """A request for each collection and part, each with a key of its own."""
    common: dict[str, Any] = {}
    if asked.mode is not None:
        common["mode"] = asked.mode
    if asked.priority is not None:
        common["priority"] = asked.priority
    if asked.reason is not None:
        common["reason"] = asked.reason
    parts: Iterator[list[str]] = iter([[]])
    if asked.of_accounts:
        parts = accounts.parts(asked.named, asked.file)
    sent = 0
    for number, part in zip(count(1), parts, strict=False):
        who = {"did": part[0]} if len(part) == 1 else {"dids": part} if part else {}
        for nsid in nsids or (None,):
            where = {} if nsid is None else {"collection": nsid}
            tail = [nsid] if nsid is not None and len(nsids) > 1 else []
            tail += [str(number)] if number > 1 else []
            key = None if asked.key is None else _derived("/".join([asked.key, *tail]))
            sent += 1
            yield Request({**where, **who, **common}, key)
    if not sent:
        raise click.UsageError("the list names no account, and a blank list is never everything")


def _derived(key: str) -> str:
    return key if len(key) <= KEY_CHARS_MAX else hashlib.sha256(key.encode()).hexdigest()


def _check(nsids: Sequence[str], asked: Asked, *, dry_run: bool, wait: Target | None) -> None:
    if asked.everything and (nsids or asked.of_accounts):
        raise click.UsageError("--all goes with no NSID and no account")
    if not asked.everything and not nsids and not asked.of_accounts:
        raise click.UsageError(
            "nothing is named: give an NSID, --did DID, --from FILE, or --all for everything"
        )
    if any(not value.strip() for value in (*asked.named, *nsids)):
        raise click.UsageError("a blank value names nothing, and never everything")
    if dry_run and wait is not None:
        raise click.UsageError("--dry-run starts nothing that could be waited for")
    if asked.reason is not None and len(asked.reason) > REASON_CHARS_MAX:
        raise click.UsageError(f"--reason: at most {REASON_CHARS_MAX} characters")
    key = asked.key
    if key is not None and not (0 < len(key) <= KEY_CHARS_MAX and key.isascii()):
        raise click.UsageError(f"--idempotency-key: 1 to {KEY_CHARS_MAX} plain characters")
