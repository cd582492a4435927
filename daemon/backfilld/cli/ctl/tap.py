"""backfillctl tap: how Tap is, in words."""

from ...control.client import Refusal
from ...control.shapes import ChannelShape, Health, TapStats
from .. import say
from . import text
from .faults import Fault
from .frame import Ctl, read, verb


@verb("tap", ("backfillctl tap", "its counts, and the channel to it; exit 7 if it is down"))
def tap(ctl: Ctl) -> int:
    """Tell how Tap is: its counts, its buffers, the channel to it."""
    try:
        body = ctl.get("/admin/tap/stats")
    except Refusal as refusal:
        if refusal.status != 502:
            raise
        channel = read(ctl.get("/admin/health"), Health).channel
        raise Fault(
            f"Tap is down: {refusal}. {_channel(channel)}",
            refusal.code,
            refusal.hint,
            say.HONEST_NO,
        ) from refusal
    if ctl.as_data:
        ctl.put(body)
        return say.OK
    stats = read(body, TapStats)
    seen = f"as of {text.moment(stats.observed_at)} ({text.age(stats.observed_at)} ago)"
    say.out(f"Tap at {stats.url} answers. {_channel(stats.channel)}")
    say.out(f"  repositories  {stats.repo_count:,}  {seen}")
    say.out(f"  records       {stats.record_count:,}  {seen}")
    say.out(f"  resync        {stats.resync_buffer:,} events held back  {seen}")
    say.out(f"  outbox        {stats.outbox_buffer:,} messages wait for us, as of now")
    say.out(f"  unacked       {stats.channel.unacked:,} received and not yet committed, as of now")
    return say.OK


def _channel(channel: ChannelShape) -> str:
    when = "" if channel.since is None else f" since {text.since(channel.since)}"
    if channel.connected:
        return f"The channel is up{when}."
    return f"The channel is down{when}: {channel.why or 'it has not been reached yet'}."
