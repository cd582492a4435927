"""What an explanation is made of: lines, each of an event or of a run of them."""

from msgspec import Struct

from ..row import Row


class Told(Struct, frozen=True):
    """What the events from `position` to `last`, `events` of them, say in words. `at` (unix
    seconds) and `actor` are those of the first. `unreadable`: it cannot be read, and that is what
    it says."""

    position: int
    last: int
    events: int
    at: float
    actor: str
    says: str
    unreadable: bool = False


def told(row: Row, says: str) -> Told:
    """What one event says."""
    return Told(row.position, row.position, 1, row.at, row.actor, says)


def unreadable(row: Row, error: Exception) -> Told:
    """An event that would have been told, and cannot be read."""
    says = f"{row.type} cannot be read: {error}"
    return Told(row.position, row.position, 1, row.at, row.actor, says, unreadable=True)
