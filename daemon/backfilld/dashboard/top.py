"""The top line of every page: verdict, Tap, relays, channel. Pure.

The one rule: what is not known is said to be not known, and old news carry their age.
"""

from collections.abc import Sequence

from msgspec import Struct

from ..control.shapes import ChannelShape
from ..control.shapes.reads import RelayShape
from .say import Mark, span, unix
from .tap import Seen

_VERDICTS = {"ok": Mark("OK", "✓", "good"), "degraded": Mark("WAITING", "!", "wait")}
_DOWN = Mark("down", "✗", "wait")
_ANSWERS = Mark("answers", "✓", "good")
_UNKNOWN = Mark("not known", "?", "muted")


class Part(Struct, frozen=True):
    """One of those we depend on: how it is, and what more there is to say."""

    name: str
    mark: Mark
    more: str = ""


class Top(Struct, frozen=True):
    """The line."""

    verdict: Mark
    sentence: str
    parts: Sequence[Part]


def top(
    status: str,
    sentence: str,
    tap: Seen,
    relays: Sequence[RelayShape],
    channel: ChannelShape,
    now: float,
) -> Top:
    """The line as of `now`."""
    verdict = _VERDICTS.get(status, Mark(status.upper(), "✗", "bad"))
    return Top(verdict, sentence, [_tap(tap), _relay(relays, now), _channel(channel, now)])


def _tap(seen: Seen) -> Part:
    if seen.failure is not None:
        return Part("Tap", _DOWN, seen.failure)
    if seen.stats is None:
        return Part("Tap", _UNKNOWN, "it was not asked yet")
    return Part("Tap", _ANSWERS, f"{seen.stats.outbox_buffer:,} in its outbox")


def _relay(relays: Sequence[RelayShape], now: float) -> Part:
    """The worst of them; nothing but a listing that is under way asks one."""
    for relay in relays:
        for wait in relay.waiting:
            return Part("relay", _DOWN, f"{wait.message}, for {span(now - unix(wait.since))}")
    last = max((relay.last_answer_at or "" for relay in relays), default="")
    if last:
        return Part("relay", _ANSWERS, f"last page {span(now - unix(last))} ago")
    return Part("relay", _UNKNOWN, "no listing is under way")


def _channel(channel: ChannelShape, now: float) -> Part:
    age = "" if channel.since is None else f"for {span(now - unix(channel.since))}"
    if channel.connected:
        unacked = f"{channel.unacked:,} unacked"
        return Part("channel", Mark("open", "✓", "good"), f"{age}, {unacked}" if age else unacked)
    why = channel.why or "it has not been reached yet"
    return Part("channel", Mark("closed", "✗", "wait"), f"{age}: {why}" if age else why)
