"""What does not get on among the repositories, as data."""

from typing import NamedTuple

from ..ids import Did


class Fetching(NamedTuple):
    """Repositories that Tap called `resyncing` when it was asked last, the longest so first; since
    when the first and the last of all of them are known to be so (unix seconds)."""

    dids: tuple[Did, ...]
    oldest: float
    youngest: float


class Limited(NamedTuple):
    """A server, empty when it is not known, for whose limits Tap has put so many repositories
    aside, none of them for longer than until `until` (unix seconds)."""

    host: str
    repos: int
    until: float


class Stuck(NamedTuple):
    """`settled` repositories need nothing more of Tap for now, so many `with_tap` do; `parked` are
    all that are put aside. `limited`: the servers with most of them."""

    settled: int
    with_tap: int
    parked: int
    fetching: Fetching | None
    limited: tuple[Limited, ...]
