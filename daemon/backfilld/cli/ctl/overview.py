"""How things stand, for people: the verdict, what we depend on, the jobs."""

from collections.abc import Sequence
from typing import Any

from ...control.caller.client import Refusal, TimedOut, job_path
from ...control.shapes import Health, JobDetail, JobShape, LeftShape, TapStats
from ...control.shapes.log import LogShape
from ...control.shapes.reads import RelayShape
from .. import say
from . import text, words
from .frame import Ctl, read

_WORDS = {"ok": ("OK", "green"), "degraded": ("WAITING", "yellow")}  # any other is red
BREAKS_SHOWN = 20  # in a line
REFETCH = "backfillctl start --all --mode refetch"
DETAILS_MAX = 3  # jobs under way whose end is looked for


def tell(ctl: Ctl, body: Any) -> str:
    """Says it; the daemon's version. Raises as `Ctl.get`."""
    health = read(body, Health)
    word, colour = _WORDS.get(health.status, (health.status.upper(), "red"))
    say.out(f"{ctl.paint(word, colour)}  {health.verdict}")
    say.out(f"  tap    {_tap(ctl, health)}")
    for one in health.stalls:
        say.out(f"  stall  {one.kind.replace('_', ' ')} since {text.since(one.since)}")
    if health.quiet:
        say.out(f"  quiet  {health.quiet}")
    for relay in read(ctl.get("/admin/relay"), list[RelayShape]):
        say.out(f"  relay  {_relay(relay)}")
    say.out(f"  index  {health.records:,} records{_dead(health.dead_letters)}")
    say.out(f"  log    {log(health.log)}")
    if health.log.accepted:
        say.out(f"  breaks {breaks(health.log)}")
    if health.differing is not None:
        say.out(f"  rows   ✗ {differing(health.differing)}: {compared(health.differing)}")
    if health.restored is not None:
        say.out(f"  copy   ✗ {restored(health.restored)}: {REFETCH}")
    if health.log.verify_fault:
        say.out(f"  verify ✗ {health.log.verify_fault}")
    if health.log.checkpoint_fault:
        say.out(f"  kept   ✗ no checkpoint: {health.log.checkpoint_fault}")
    _jobs(ctl, health)
    return health.version


def log(of: LogShape) -> str:
    """The log in a line, with how far it has verified."""
    events = f"{of.position:,} events"
    if of.problem is not None:
        where = f"event {of.problem.position:,}: " if of.problem.position else ""
        return f"✗ {events}; it does not verify: {where}{of.problem.what}"
    if of.verified_at is not None:
        done = f"verified {text.moment(of.verified_at)} to #{of.verified_position:,}"
        return f"✓ {events}, {done}"
    if of.under_way is not None:
        return f"{events}, being verified: #{of.under_way.position:,} of {of.under_way.upto:,}"
    return f"{events}, not verified since backfilld started"


def differing(left: LeftShape) -> str:
    """That some repositories are not as they should be, in a line."""
    do = text.count(left.repos, "repository does", "repositories do")
    return f"{do} not have the records that should be here"


def restored(made: str) -> str:
    """That the index is a backup, in a line."""
    return f"the index is a backup of {text.moment(made)}, and lacks what Tap sent after it"


def compared(left: LeftShape) -> str:
    """The command that sets one of them right."""
    return f"backfillctl reconcile --did {left.did} --repair"


def breaks(of: LogShape) -> str:
    """The breaks in it that somebody accepted, in a line."""
    places = [f"#{at}" for at in of.accepted[:BREAKS_SHOWN]]
    more = f" and {len(of.accepted) - BREAKS_SHOWN:,} more" if of.accepted[BREAKS_SHOWN:] else ""
    was = text.count(len(of.accepted), "was", "were")
    return f"{was} accepted: {', '.join(places)}{more}"


def _tap(ctl: Ctl, health: Health) -> str:
    channel = health.channel
    try:
        stats = read(ctl.get("/admin/tap/stats"), TapStats)
    except Refusal as refusal:
        return f"✗ {health.tap_url} {text.clean(str(refusal))}"
    except TimedOut:
        return f"✗ {health.tap_url} does not tell its counts in time"
    if not channel.connected:
        when = "" if channel.since is None else f" since {text.since(channel.since)}"
        return f"✗ {health.tap_url} answers, but the channel is down{when}: {channel.why}"
    return f"✓ {health.tap_url}, {stats.outbox_buffer:,} messages in its outbox"


def _relay(relay: RelayShape) -> str:
    if not relay.waiting:
        return relay.url
    wait = relay.waiting[0]
    return f"✗ {relay.url} {wait.message}; next try {text.moment(wait.retry_at)}"


def _dead(letters: int) -> str:
    return f", {text.count(letters, 'dead letter', 'dead letters')}" if letters else ""


def _jobs(ctl: Ctl, health: Health) -> None:
    if not health.jobs:
        say.out("No job yet. Start one: backfillctl start NSID")
        _see(ctl, health, [])
        return
    going = [job.id for job in health.jobs if job.completed_at is None][:DETAILS_MAX]
    jobs = [_detail(ctl, job) if job.id in going else job for job in health.jobs]
    say.out(words.table(jobs))
    _see(ctl, health, jobs)


def _see(ctl: Ctl, health: Health, jobs: Sequence[JobShape]) -> None:
    stuck = health.stalls or any(job.state == "stalled" for job in jobs)
    if stuck and not ctl.quiet:
        say.out("See: backfillctl why")


def _detail(ctl: Ctl, job: JobShape) -> JobShape:
    """With what only a detail has: how long it will take."""
    try:
        return read(ctl.get(job_path(job.id)), JobDetail)
    except Refusal:  # the list is an answer too
        return job
