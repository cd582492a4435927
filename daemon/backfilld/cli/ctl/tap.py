"""backfillctl tap: how Tap is, in words."""

import click
import msgspec

from ...control.caller.client import Refusal
from ...control.shapes import ChannelShape, TapShape, TapStats
from ...control.shapes.reads import TapFilters
from .. import say
from . import text
from .faults import Fault
from .frame import Ctl, read
from .options import Word
from .verbs import verb

WORDS = {
    "sent": "✓ comes",
    "coming": "- with Tap's next start",
    "unseen": "- nothing came yet",
    "dropped": "✗ Tap drops it",
    "unasked": "! nobody asks for it",
}


@verb(
    "tap",
    ("backfillctl tap", "its counts, and the channel to it; exit 7 if it is down"),
    (
        "backfillctl tap filters",
        "its filter: what comes, and what it should be; exit 7 if it lacks",
    ),
)
@click.argument("what", required=False, metavar="[filters]", type=Word(["filters"]))
def tap(ctl: Ctl, what: str | None) -> int:
    """Tell how Tap is: its counts, its buffers, the channel to it, its process if we run it."""
    tap = read(ctl.get("/admin/tap"), TapShape)
    if what == "filters":
        return _filters(ctl, tap.filters)
    try:
        body = ctl.get("/admin/tap/stats")
    except Refusal as refusal:
        if refusal.status != 502:
            raise
        raise _down(ctl, refusal, tap) from refusal
    if ctl.as_data:
        ctl.put(body)
        return say.OK
    stats = read(body, TapStats)
    say.out(f"Tap at {stats.url} answers. {_channel(stats.channel)}")
    _counts(stats)
    say.out(f"  unacked       {stats.channel.unacked:,} received and not yet committed, as of now")
    if tap.child is not None:
        say.out(f"  process       {tap.child.sentence}")
    return say.OK


def _counts(stats: TapStats) -> None:
    seen = f"as of {text.moment(stats.observed_at)} ({text.age(stats.observed_at)} ago)"
    outbox = stats.outbox_at or stats.observed_at
    trend = ""
    if stats.trend is not None and stats.trend.outbox_per_s and stats.outbox_buffer:
        way = "growing" if stats.trend.outbox_per_s > 0 else "shrinking"
        trend = f", {way} by {text.rate(abs(stats.trend.outbox_per_s))}"
    say.out(f"  repositories  {stats.repo_count:,}  {seen}")
    say.out(f"  records       {stats.record_count:,}  {seen}")
    say.out(f"  resync        {stats.resync_buffer:,} events held back  {seen}")
    say.out(
        f"  outbox        {stats.outbox_buffer:,} messages wait for us{trend},"
        f" as of {text.moment(outbox)} ({text.age(outbox)} ago)"
    )


def _down(ctl: Ctl, refusal: Refusal, tap: TapShape) -> Fault:
    """Tap gives no answer: what it told last goes to stdout, the reason is the fault."""
    last = refusal.body.get("last")
    if last is not None and not ctl.as_data:
        say.out("Tap is down. What it told last:")
        _counts(read(last, TapStats))
    said = f"Tap is down: {refusal}. {_channel(tap.channel)}"
    if tap.child is not None:  # it is ours to start
        return Fault(f"{said} {tap.child.sentence}", refusal.code, exit_code=say.HONEST_NO)
    return Fault(said, refusal.code, refusal.hint, say.HONEST_NO)


def _filters(ctl: Ctl, filters: TapFilters) -> int:
    lacks = any(one.state == "dropped" for one in filters.collections)
    code = say.HONEST_NO if lacks else say.OK
    if ctl.as_data:
        ctl.put(msgspec.to_builtins(filters))
        return code
    say.out(filters.sentence)
    if filters.collections:
        rows = [
            [one.collection, WORDS[one.state], f"{one.records:,}", f"{one.ignored:,}"]
            for one in filters.collections
        ]
        say.out(text.table(["COLLECTION", "TAP", "CAME", "IGNORED"], rows))
    if filters.line and filters.actual is None:
        say.out(f"Tap's environment should have, without spaces:\n{filters.line}")
    elif not filters.line:
        say.out("We want nothing yet: backfillctl lexicon add FILE")
    return code


def _channel(channel: ChannelShape) -> str:
    when = "" if channel.since is None else f" since {text.since(channel.since)}"
    if channel.connected:
        return f"The channel is up{when}."
    return f"The channel is down{when}: {channel.why or 'it has not been reached yet'}."
