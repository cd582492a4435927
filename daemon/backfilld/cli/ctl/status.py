"""backfillctl status: is anything wrong now?"""

import click

from ... import __version__
from ...control.client import Refusal, TimedOut
from ...control.shapes import Health, TapStats
from .. import say
from . import text, words
from .frame import Ctl, read, verb


@verb(
    "status",
    ("backfillctl status", "is anything wrong now?"),
    ("backfillctl status --check", "the same for a monitor: exit 7 if so"),
)
@click.option("--check", is_flag=True, help="Exit 7 unless all is well.")
def status(ctl: Ctl, check: bool) -> int:
    """Tell whether anything is wrong now. First the verdict, then what we depend on, then the
    jobs that are under way or ended lately."""
    body = ctl.get("/admin/health")
    health = read(body, Health)
    well = health.status == "ok"
    if ctl.as_data:
        ctl.put(body)
    else:
        word = ctl.paint("OK", "green") if well else ctl.paint("WAITING", "yellow")
        say.out(f"{word}  {health.verdict}")
        say.out(f"  tap    {_tap(ctl, health)}")
        say.out(f"  relay  {', '.join(health.relays)}")
        say.out(f"  index  {health.records:,} records{_dead(health.dead_letters)}")
        say.out(f"  log    {health.log.position:,} events")
        _jobs(ctl, health)
        if health.version != __version__:
            ctl.aside(f"warning: backfilld is {health.version}, this backfillctl {__version__}")
    return say.HONEST_NO if check and not well else say.OK


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


def _dead(letters: int) -> str:
    return f", {text.count(letters, 'dead letter', 'dead letters')}" if letters else ""


def _jobs(ctl: Ctl, health: Health) -> None:
    if not health.jobs:
        say.out("No job yet. Start one: backfillctl start NSID")
        return
    say.out(words.table(health.jobs))
    stalled = next((job for job in health.jobs if job.state == "stalled"), None)
    if stalled is not None and not ctl.quiet:
        say.out(f"See: backfillctl job {words.short(stalled.id)}")
