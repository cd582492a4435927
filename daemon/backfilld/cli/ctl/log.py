"""backfillctl log: the event log, as journalctl shows a journal."""

import itertools
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click

from ...control.caller.client import Unreachable
from ...control.shapes.log import Checkpoint
from .. import say
from . import text
from .faults import Fault
from .frame import Ctl, read
from .options import MOMENT
from .verbs import Verbs, verb

LOG = "/admin/log"

VALUE_CHARS_MAX = 500  # of one value in a line for people, as of a reason; JSON has all of it
ENTRIES_SHOWN = 3  # of a list


@click.group(
    "log",
    cls=Verbs,
    invoke_without_command=True,
    examples=[
        ("backfillctl log", "the last 50 events"),
        ("backfillctl log -f --type job.attempt-failed", "what fails, as it happens"),
        ("backfillctl log --since 2h --stream job/3b0d", "a job's events of the last two hours"),
        ("backfillctl log verify", "is it whole and unchanged?"),
        ("backfillctl log checkpoint", "one line to keep on another machine"),
    ],
    late={"verify": "log_verify", "export": "log_export"},
)
@click.option("-f", "--follow", is_flag=True, help="Go on with new events.")
@click.option(
    "-n", "limit", type=click.IntRange(1, 10_000), help="The last (50), or the first after."
)
@click.option("--after", type=click.IntRange(min=0), help="From this position on, to the end.")
@click.option(
    "--since",
    type=MOMENT,
    metavar="WHEN",
    help="From then on, to the end: 15m, 2h, 3d ago, or a date and time.",
)
@click.option("--stream", help="Only this stream: job/JOB, lexicon/NSID, tap, index or service.")
@click.option("--type", "type_name", help="Only events of this type, such as job.started.")
@click.pass_context
def log(
    context: click.Context, follow: bool, limit: int | None, after: int | None,
    since: float | None, stream: str | None, type_name: str | None,
) -> int:  # fmt: skip
    """Show the event log: who did what, when, and why."""
    if context.invoked_subcommand is not None:
        return say.OK
    ctl = context.ensure_object(Ctl)
    if since is not None:
        if after is not None:
            raise click.UsageError("--after and --since are two beginnings; give one of them")
        after = _position_before(ctl, since)
    lines = ctl.control.lines(
        LOG,
        after=after,
        tail=(limit or 50) if after is None else None,
        limit=limit if after is not None else None,
        stream=_stream(ctl, stream),
        type=type_name,
        follow="true" if follow else None,
    )
    last = _show(ctl, lines, follow)
    if follow and (after is None or limit is None):
        again = "look again: backfillctl log -f" + (f" --after {last}" if last else "")
        raise Fault("backfilld has ended the stream", "unreachable", again, say.UNREACHABLE)
    return say.OK


@verb(
    "checkpoint",
    ("backfillctl log checkpoint >> /mnt/elsewhere/checkpoints", "a line a day is enough"),
    group=log,
)
def checkpoint(ctl: Ctl) -> int:
    """Print where the log stands, as one line. Kept on another machine, it proves later that
    nothing before was changed: `backfill-audit verify --against FILE`."""
    body = ctl.get(f"{LOG}/checkpoint")
    if ctl.as_data:
        ctl.put(body)
    else:
        say.out(read(body, Checkpoint).line)
    return say.OK


def _show(ctl: Ctl, lines: Iterator[dict[str, Any]], follow: bool) -> int:
    if ctl.json and not follow:
        ctl.put(list(lines))
        return 0
    ctl.jsonl = ctl.as_data  # an array that never ends would be no document
    last = 0
    try:
        for event in lines:
            last = event["position"]
            if ctl.jsonl:
                ctl.put(event)
            else:
                say.out(line(text.clean(event)))
    except Unreachable:
        if not follow or not last:  # nothing came yet: then the reason is the answer
            raise
    return last


def line(event: dict[str, Any]) -> str:
    """An event for people: position, time, stream, what happened, by whom, because of what."""
    kind, _, name = event["stream"].partition("/")
    stream = f"{kind}/{name[:8]}" if kind == "job" else event["stream"]
    cause = "" if event["cause"] is None else f", cause #{event['cause']}"
    told = " ".join(_field(key, value) for key, value in event["payload"].items())
    return (
        f"#{event['position']} {text.exact(event['recorded_at'])} {stream} {event['type']}: "
        f"{told or '-'} ({event['actor']}{cause})"
    )


def _position_before(ctl: Ctl, moment: float) -> int:
    """The last position that was written before a moment, found by halving: the log knows no
    times, only their order."""
    newest = list(ctl.control.lines(LOG, tail=1))
    low, high = 0, newest[0]["position"] if newest else 0
    while low < high:
        middle = (low + high) // 2
        event = next(iter(ctl.control.lines(LOG, after=middle, limit=1)))
        if datetime.fromisoformat(event["recorded_at"]).timestamp() < moment:
            low = middle + 1
        else:
            high = middle
    return low


def _stream(ctl: Ctl, stream: str | None) -> str | None:
    """The stream's whole name: a job may be named by a beginning of its id, or `last`."""
    kind, _, name = (stream or "").partition("/")
    return f"job/{ctl.job(name)['id']}" if kind == "job" and name else stream


def _field(key: str, value: Any) -> str:
    if key.endswith("_at") and isinstance(value, float):
        return f"{key}={text.local(value)}"
    return f"{key}={_value(value)}"


def _value(value: Any) -> str:
    match value:
        case [dict(), _, *_]:
            return f"{len(value):,} entries"
        case list():
            some = ",".join(_value(entry) for entry in itertools.islice(value, ENTRIES_SHOWN))
            more = f",… {len(value):,} in all" if len(value) > ENTRIES_SHOWN else ""
            return f"[{some}{more}]"
        case dict():
            return "{" + " ".join(f"{key}={_value(entry)}" for key, entry in value.items()) + "}"
        case str() if len(value) > VALUE_CHARS_MAX:
            return f"'{_begun(value)}…'"
        case str() if " " in value or not value:
            return f"'{value}'"
        case None:
            return "-"
    return str(value)


def _begun(sentence: str) -> str:
    """As much of it as fits, in whole words if it has any."""
    begun = sentence[: VALUE_CHARS_MAX + 1]
    return begun.rpartition(" ")[0] or begun[:-1]
