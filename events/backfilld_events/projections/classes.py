"""The classes of coverage, and what else is a word about one repository."""

from enum import IntEnum


class Class(IntEnum):
    """Where a repository stands, for a job or a collection: in exactly one of these.

    HELD: Tap had it before the collection was asked for, or sent it before the index was lost. Tap
    sends nothing again for a repository it has, so whatever else is known of it says nothing about
    the records that are wanted.
    """

    DISCOVERED = 0
    HANDED_OFF = 1
    ARRIVING = 2
    SYNCED = 3
    EMPTY = 4
    PARKED = 5
    FAILED = 6
    GONE = 7
    HELD = 8


class Held(IntEnum):
    """Whether a job counts a repository as HELD: NOT, YES, or LEFT, when the job was cancelled and
    had not handed it over. That one is not waited for."""

    NOT = 0
    YES = 1
    LEFT = 2


class Ask(IntEnum):
    """In which queue a repository waits until Tap is asked about it: what may have changed most
    lately first. NEVER: nothing is to be learned."""

    NEVER = 0
    DELIVERED = 1
    SILENT = 2
    PARKED = 3
    FAILING = 4
    HELD = 5


class Need(IntEnum):
    """What is to be done about a repository beside asking; the words are those of
    catalog.source.Why; and SWEEP: its ghosts are to be removed; DEPARTED: its server says that the
    account is not active, and the index has not heard of it; RETURNED: the server gave it to Tap
    since, so it is active again."""

    NONE = 0
    FORGOTTEN = 1
    PARKED = 2
    LACKS = 3
    REACTIVATED = 4
    DIFFERS = 5
    FINAL = 6
    RESTLESS = 7
    SWEEP = 8
    DEPARTED = 9
    RETURNED = 10
    LOST = 11


class Out(IntEnum):
    """Whether we took it out of Tap: IN, LEAVING (we said that we do), AWAY (it is out, and comes
    back), or OUT for good, until a job hands it over once more."""

    IN = 0
    LEAVING = 1
    AWAY = 2
    OUT = 3


OPEN = frozenset(
    {Class.DISCOVERED, Class.HANDED_OFF, Class.ARRIVING, Class.PARKED, Class.HELD}
)  # what may still come, or may not have come

UNSETTLED = (Class.HANDED_OFF, Class.ARRIVING, Class.PARKED)  # with Tap, which has work with it


def for_job(kind: int, held: int) -> int:
    """The class in which a job counts a repository of this class."""
    if held == Held.NOT or kind in (Class.FAILED, Class.GONE):
        return kind
    if held == Held.LEFT:
        return Class.DISCOVERED
    return kind if kind == Class.PARKED else Class.HELD
