"""What is known of Tap, as a page shows it.

The one rule: an old number stays, and carries its age; what was never told is not a zero.
"""

from collections.abc import Sequence

import trio
from msgspec import Struct
from msgspec.structs import replace

from ..control.door import Door
from ..control.shapes import TapStats
from ..control.shapes.reads import ChildShape, TapFilters
from ..failures import Failure
from .say import span, unix

EVERY_S = 2.0
WITHIN_S = 1.5  # a page is shown without Tap's answer then
NOW_S = 3.0  # what is no older is of now

_NAMES = ("Outbox buffer", "Repositories", "Records", "Resync buffer")


class Seen(Struct, frozen=True):
    """`stats` are the last that Tap told; `failure` is why it tells none now. `child` is the Tap
    that we run, `filters` its filter and what it should be."""

    stats: TapStats | None = None
    failure: str | None = None
    child: ChildShape | None = None
    filters: TapFilters | None = None


class Tile(Struct, frozen=True):
    """A number with its age."""

    name: str
    number: str
    age: str


class Tiles(Struct, frozen=True):
    """Tap's numbers and a sentence on them; sentences on its process and its filter. `line` is what
    its environment should have, if that is for somebody to set."""

    tiles: Sequence[Tile]
    sentence: str
    notes: Sequence[str] = ()
    line: str = ""


class Looks:
    """Looks at Tap every EVERY_S at most: one that hangs holds up no page for longer than
    WITHIN_S, and not each of them."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._seen, self._looked_at = Seen(), -EVERY_S
        self._one = trio.Lock()

    async def seen(self) -> Seen:
        """What is known now."""
        async with self._one:
            if trio.current_time() - self._looked_at >= EVERY_S:
                self._seen = await self._look()
                self._looked_at = trio.current_time()
        return self._seen

    async def _look(self) -> Seen:
        stats, failure = await self._asked()
        return Seen(stats, failure, self._door.child(), await self._door.filters())

    async def _asked(self) -> tuple[TapStats | None, str | None]:
        counters, channel = self._door.counters, self._door.channel()
        every_s = float(self._door.config().tap.stats_interval)
        try:
            with trio.fail_after(WITHIN_S):
                return await counters.stats(channel, every_s), None
        except Failure as failure:
            return counters.last(channel), failure.message
        except trio.TooSlowError:
            return counters.last(channel), f"no answer within {WITHIN_S:g} s"


def tiles(seen: Seen, unacked: int, now: float) -> Tiles:
    """Tap as a page shows it. Pure."""
    shown = _numbers(seen, unacked, now)
    notes = [] if seen.child is None else [seen.child.sentence]
    if seen.filters is None:
        return replace(shown, notes=notes)
    for_somebody = seen.filters.actual is None
    return replace(
        shown,
        notes=[*notes, seen.filters.sentence],
        line=seen.filters.line if for_somebody else "",
    )


def _numbers(seen: Seen, unacked: int, now: float) -> Tiles:
    stats, down = seen.stats, seen.failure
    if stats is None:
        sentence = f"Tap does not answer: {down}." if down else "Tap was not asked yet."
        return Tiles([Tile(name, "not known", "Tap never told it") for name in _NAMES], sentence)
    counted, outbox = _age(now - unix(stats.observed_at)), _age(now - unix(stats.outbox_at))
    numbers = (stats.outbox_buffer, stats.repo_count, stats.record_count, stats.resync_buffer)
    ages = (outbox, counted, counted, counted)
    known = [
        Tile(name, f"{number:,}", age)
        for name, number, age in zip(_NAMES, numbers, ages, strict=True)
    ]
    known.append(Tile("Received, not committed", f"{unacked:,}", "now, in backfilld"))
    if down:
        said = f"{stats.url} does not answer: {down}. These are the last numbers it told."
        return Tiles(known, said)
    rest = "Repositories and records are full counts inside Tap, so it is asked for them seldom."
    return Tiles(known, f"{stats.url} answers. {rest}")


def _age(seconds: float) -> str:
    return f"{span(seconds)} ago" if seconds >= NOW_S else "now"
