"""Counts what is in a log, in one pass and in memory that does not grow with it.

The one rule: it counts rows as they stand; whether they are right is `verify`'s business.
"""

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

from ..row import Row

DAY_US = 86_400_000_000
DAYS = 14  # the last, of which events are counted one by one


class OfType(Struct):
    """The events of a type. `bytes` are those of the payloads; times are microseconds, UTC."""

    events: int = 0
    bytes: int = 0
    first: int = 0
    last: int = 0


class OfKind(Struct):
    """The streams of a kind, which is what stands before the `/` in their names."""

    streams: int = 0
    events: int = 0


class Stats(Struct):
    """What is in a log. `days`: events by days since 1970, UTC. `first` and `last` are (position,
    recorded_at); None: it is empty."""

    events: int = 0
    bytes: int = 0
    first: tuple[int, int] | None = None
    last: tuple[int, int] | None = None
    types: dict[str, OfType] = {}
    kinds: dict[str, OfKind] = {}
    actors: Counter[str] = Counter()
    days: Counter[int] = Counter()

    def last_days(self) -> dict[int, int]:
        """The events of the last DAYS days from the first event to the last, those without any
        too."""
        end = max(self.days, default=-1)
        begin = max(end - DAYS + 1, min(self.days, default=0))
        return {day: self.days[day] for day in range(begin, end + 1)}


def stats(rows: Iterable[Row]) -> Stats:
    """Counts `rows`."""
    found = Stats(actors=Counter(), days=Counter())
    types, kinds, actors, days = found.types, found.kinds, found.actors, found.days
    for row in rows:
        position, name, at = row.position, row.type, row.recorded_at
        if found.first is None:
            found.first = position, at
        found.last = position, at
        one = types.get(name)
        if one is None:
            one = types[name] = OfType(first=at)
        one.events += 1
        one.bytes += len(row.payload)
        one.last = at
        kind = kinds.setdefault(row.stream.partition("/")[0], OfKind())
        kind.events += 1
        kind.streams += row.version == 1  # each has one, so that none need be remembered
        actors[row.actor] += 1
        days[at // DAY_US] += 1
        if len(days) > 2 * DAYS:
            for day in sorted(days)[:-DAYS]:
                del days[day]
    found.events = sum(one.events for one in types.values())
    found.bytes = sum(one.bytes for one in types.values())
    return found
