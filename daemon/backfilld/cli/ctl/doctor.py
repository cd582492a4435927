"""backfillctl doctor: is all as it should be, one check a line, each with what to do.

The one rule: what cannot be known from here is said to be not known, and is no fault.
"""

import http.client
import shutil
import ssl
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import click

from ... import __version__
from ...config import BadConfig, load
from ...control.caller.client import Refusal, TimedOut, Unreachable
from ...control.shapes import ChannelShape, Health, LeftShape, TapShape
from ...control.shapes.keys import Me
from ...control.shapes.log import LogShape
from ...control.shapes.reads import RelayShape
from .. import say
from . import faults, overview, text
from .frame import Ctl, read
from .verbs import verb

CONFIG = Path("/etc/backfilld/config.toml")
DISK_FREE_MIN = 2**30
SKEW_S_MAX = 5.0
PROBE_S = 5.0


class Check(NamedTuple):
    """One thing looked at: `ok` is None when it cannot be told from here."""

    check: str
    ok: bool | None
    found: str
    fix: str = ""

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        return {**self._asdict(), "fix": self.fix or None}


@verb(
    "doctor",
    ("backfillctl doctor", "exit 7 if something is wrong, 8 if it is the log"),
    ("backfillctl doctor --config ./config.toml", "looks at the disk of its data_dir too"),
)
@click.option(
    "--config", type=click.Path(path_type=Path, dir_okay=False), envvar="BACKFILLD_CONFIG",
    help=f"The daemon's configuration, for its data_dir ({CONFIG}, if we may read it).",
)  # fmt: skip
def doctor(ctl: Ctl, config: Path | None) -> int:
    """Check that all is as it should be. Socket, daemon, rights, log, Tap, filters, relays, jobs,
    disk and clock, each with a fix."""
    seen: list[Check] = []
    for check in checks(ctl, config):
        seen.append(check)
        if not ctl.as_data:
            _tell(ctl, check)
    failed = [check for check in seen if check.ok is False]
    is_broken = any(check.check == "log" for check in failed)
    if ctl.as_data:
        ctl.put([check.as_data() for check in seen])
    elif failed:
        said = text.count(len(failed), "thing is", "things are")
        say.out(f"{said} not as it should be: {', '.join(check.check for check in failed)}.")
    else:
        say.out("All is as it should be, as far as it can be told from here.")
    if is_broken:
        return say.BROKEN_LOG
    return say.HONEST_NO if failed else say.OK


def _tell(ctl: Ctl, check: Check) -> None:
    marks = {True: ctl.paint("✓", "green"), False: ctl.paint("✗", "red"), None: "-"}
    say.out(f"{marks[check.ok]} {check.check:<8} {check.found}")
    if check.fix:
        say.out(f"    {'fix' if check.ok is False else 'see'}: {check.fix}")


def checks(ctl: Ctl, config: Path | None = None) -> Iterator[Check]:
    """One after the other; when the daemon cannot be asked, what it would tell is left out."""
    began = time.time()
    try:
        answer = ctl.ask("/health")
    except (Unreachable, TimedOut, Refusal) as error:
        fault = faults.explain(error)
        yield Check("daemon", False, str(fault), fault.hint)
        yield _disk(ctl, config)
        return
    took_ms = (time.time() - began) * 1000
    yield Check("daemon", True, f"answers within {took_ms:.0f} ms at {ctl.place}")
    for check in (_rights, _health, _tap, _relays):
        try:
            yield from check(ctl)
        except (Unreachable, TimedOut, Refusal, faults.Fault) as error:
            fault = faults.explain(error)
            yield Check(check.__name__.strip("_"), False, str(fault), fault.hint)
    yield _disk(ctl, config)
    yield _clock(answer.headers.get("date"), began)


def _rights(ctl: Ctl) -> Iterator[Check]:
    me = read(ctl.get("/admin/whoami"), Me)
    words = set(me.permissions)
    found = f"you are {me.actor} and may {' '.join(sorted(words)) or 'do nothing'}"
    if {"backfill:create", "backfill:read"} <= words:
        found = f"you are {me.actor} and may look and act"
    elif "backfill:read" in words:
        found = f"you are {me.actor} and may look, not act"
    ask = "ask for a key that may, or at the socket to join the group of control.socket_group"
    yield Check("rights", "backfill:read" in words, found, "" if "backfill:read" in words else ask)


def _health(ctl: Ctl) -> Iterator[Check]:
    health = read(ctl.health(), Health)
    if health.version != __version__:
        both = f"backfilld is {health.version}, this backfillctl {__version__}"
        yield Check("version", False, both, "install the same version of both, and restart")
    else:
        yield Check("version", True, f"both are {__version__}")
    yield from _log(health.log)
    if health.log.problem is not None:
        yield Check("jobs", False, "none goes on: the log does not verify", "see the log, above")
        return
    if health.differing is not None:
        yield Check(
            "rows", False, overview.differing(health.differing), _compared(health.differing)
        )
    if health.restored is not None:
        yield Check("copy", False, overview.restored(health.restored), overview.REFETCH)
    stalled = any(job.state == "stalled" for job in health.jobs)
    yield Check("jobs", not stalled, health.verdict, "backfillctl why" if stalled else "")


def _compared(left: LeftShape) -> str:
    others = "" if left.repos == 1 else "; the others: backfillctl coverage NSID --class differing"
    return overview.compared(left) + others


def _log(log: LogShape) -> Iterator[Check]:
    found = overview.log(log).removeprefix("✓ ").removeprefix("✗ ")
    if log.problem is not None:
        yield Check("log", False, found, f"{log.problem.remedy}; see docs/audit.md")
    else:
        is_known = log.verified_at is not None
        yield Check("log", is_known or None, found, "" if is_known else "backfillctl log verify")
    if log.accepted:
        who = "backfillctl log --type service.break-accepted"
        yield Check("breaks", None, overview.breaks(log), who)
    if log.verify_fault:
        fix = "journalctl -u backfilld; it is tried again by itself"
        yield Check("verify", False, f"the log: {log.verify_fault}", fix)
    if log.checkpoint_fault:
        fix = "let the daemon write to log.checkpoint_file, or name another"
        yield Check("checkpoint", False, f"it is not kept: {log.checkpoint_fault}", fix)


def _tap(ctl: Ctl) -> Iterator[Check]:
    tap = read(ctl.get("/admin/tap"), TapShape)
    child, add = tap.child, "backfillctl lexicon add FILE"
    if child is not None and child.state == "idle":
        yield Check("tap", None, child.sentence, add)
        yield Check("channel", None, "no Tap runs", add)
    elif child is not None and child.state == "waiting":
        yield Check("tap", False, child.sentence, "it is tried again by itself")
        yield Check("channel", False, "down, for Tap does not run", "as above")
    elif tap.health.state == "down":
        fix = "start Tap, or correct tap.url; if it refuses the password: tap.password_file"
        yield Check("tap", False, f"{tap.url} does not answer: {tap.health.why}", fix)
        yield _channel(tap.channel)
    else:
        yield Check("tap", tap.health.state == "up" or None, f"{tap.url} {_up(tap)}")
        yield _channel(tap.channel)
    yield _filters(tap)


def _channel(channel: ChannelShape) -> Check:
    since = "" if channel.since is None else f" since {text.since(channel.since)}"
    if channel.connected:
        return Check("channel", True, f"up{since}, {channel.unacked:,} not yet committed")
    why = channel.why or "it has not been reached yet"
    fix = "it is tried again by itself; does another client hold Tap's channel?"
    if why.startswith("closed, for the log"):  # by us
        fix = "see the log, above"
    return Check("channel", False, f"down{since}: {why}", fix)


def _up(tap: TapShape) -> str:
    if tap.stats is None:
        return "has not been asked yet"
    process = "" if tap.child is None else f". {tap.child.sentence.removesuffix('.')}"
    return f"answers, {tap.stats.outbox_buffer:,} messages in its outbox{process}"


def _filters(tap: TapShape) -> Check:
    filters = tap.filters
    if not filters.wanted:
        return Check("filters", None, "no record lexicon yet", "backfillctl lexicon add FILE")
    states = {one.state for one in filters.collections}
    if "dropped" in states:
        fix = f"restart Tap with {filters.line}, then: backfillctl start NSID --mode refetch"
        return Check("filters", False, filters.sentence, fix)
    if filters.actual is None and states != {"sent"}:
        see = f"Tap's environment should have {filters.line}"
        return Check("filters", None, filters.sentence, see)
    return Check("filters", "coming" not in states or None, filters.sentence)


def _relays(ctl: Ctl) -> Iterator[Check]:
    for relay in read(ctl.get("/admin/relay"), list[RelayShape]):
        if relay.waiting:
            wait = relay.waiting[0]
            found = f"{relay.url} {wait.message} ({text.count(wait.attempt, 'try', 'tries')})"
            retry = f"it is tried again {text.moment(wait.retry_at)}; is relay.urls right?"
            yield Check("relay", False, found, retry)
        elif ctl.address is not None:  # the daemon's way to it is not ours
            yield Check("relay", None, f"{relay.url}, which we cannot try from here")
        else:
            fault = _unreachable(relay.url)
            found = relay.url + (f" cannot be reached: {fault}" if fault else " answers")
            fix = "is relay.urls right, and is the way there open?" if fault else ""
            yield Check("relay", not fault, found, fix)


def _unreachable(url: str) -> str | None:
    """Why nothing answers there; None when something does, whatever it says."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=PROBE_S)
    try:
        connection.request("GET", "/xrpc/_health")
        status: int = connection.getresponse().status
    except (OSError, http.client.HTTPException, ssl.SSLError) as error:
        said = str(getattr(error, "strerror", None) or error)
        return str(text.clean(said))[:200]
    finally:
        connection.close()
    return None if status < 500 else f"it answered {status}"


def _disk(ctl: Ctl, config: Path | None) -> Check:
    path = config or CONFIG
    try:
        folder = Path(load(path).data_dir)
        free = shutil.disk_usage(folder).free
    except (BadConfig, OSError):
        found = f"not known: {path} does not tell us the data_dir"
        return Check("disk", None, found, "name the configuration: --config FILE")
    if ctl.address is not None and config is None:
        return Check("disk", None, "not known: the daemon is on another machine")
    enough = free >= DISK_FREE_MIN
    found = f"{free / 2**30:.1f} GiB free for {folder}"
    return Check("disk", enough, found, "" if enough else "make room, or move data_dir")


def _clock(date: str | None, now: float) -> Check:
    try:
        theirs = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return Check("clock", None, "not known: the daemon tells no time")
    skew = now - theirs - 0.5  # a Date has whole seconds
    if abs(skew) > SKEW_S_MAX:
        off = f"ours is {text.span(abs(skew))} {'ahead' if skew > 0 else 'behind'}"
        return Check("clock", False, off, "let NTP set both: timedatectl")
    return Check("clock", True, "agrees with the daemon's")
