"""Words that sentences about events are made of. Pure."""

from collections.abc import Sequence

PLACES_MAX = 20  # in a sentence


def counted(n: int, one: str, many: str) -> str:
    """A number with the words that fit it."""
    return f"{n:,} {one if n == 1 else many}"


def joined(some: Sequence[str]) -> str:
    """Some things as a sentence has them: `a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(some[:-1]), *some[-1:]]))


def breaks(positions: Sequence[int]) -> str:
    """The breaks of a log that somebody accepted: `break at #5, which was accepted`."""
    told = [f"#{at}" for at in positions[:PLACES_MAX]]
    if (more := len(positions) - PLACES_MAX) > 0:
        told.append(f"{more:,} more")
    where = joined(told)
    one = f"break at {where}, which was accepted"
    return one if len(positions) == 1 else f"breaks at {where}, which were accepted"


def unbroken(events: int, passed: Sequence[int]) -> str:
    """What a verification has found that came to a good end, past the breaks that were accepted."""
    found = f"{counted(events, 'event', 'events')}, unbroken"
    return f"{found}, but for the {breaks(passed)}" if passed else found
