"""Verifies that rows are a whole, unbroken log: chain, positions, versions, readable payloads.

The one rule: it shares no code with the writer but the definition of the chain. It sees rows one
by one, from a file or from anywhere else, and names the first position where something is wrong.
"""

from collections.abc import Iterable

from msgspec import Struct

from .. import chain
from ..codec import Undecodable
from ..row import Row


class Broken(Exception):
    """The log does not verify. `position` is the first that is wrong."""

    def __init__(self, position: int, what: str) -> None:
        super().__init__(f"event {position}: {what}")
        self.position = position


class Verified(Struct, frozen=True):
    """`events` rows verified; `position` and `hash` are those of the last."""

    events: int
    position: int
    hash: bytes


def verify(rows: Iterable[Row]) -> Verified:
    """Walks all rows of a log in order. Raises Broken at the first that is wrong."""
    position, previous = 0, chain.GENESIS
    versions: dict[str, int] = {}
    for row in rows:
        if row.position != position + 1:
            raise Broken(position + 1, f"missing; the next row has position {row.position}")
        position = row.position
        expected = versions.get(row.stream, 0) + 1
        if row.linked(previous) != row.hash:
            raise Broken(position, "its hash does not follow from the row and the one before")
        if row.version != expected:
            raise Broken(
                position, f"{row.stream} goes from version {expected - 1} to {row.version}"
            )
        if row.cause is not None and not 0 < row.cause < position:
            raise Broken(position, f"its cause {row.cause} is not an earlier event")
        try:
            _ = row.event
        except Undecodable as error:
            raise Broken(position, str(error)) from error
        versions[row.stream] = expected
        previous = row.hash
    return Verified(events=position, position=position, hash=previous)
