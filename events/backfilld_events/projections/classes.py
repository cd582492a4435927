"""The classes of coverage: each repository of a job is in exactly one."""

from enum import IntEnum


class Class(IntEnum):
    """Where a repository stands, for a job.

    HELD: Tap had it before the job began, and no earlier job had asked for all that this one
    asks for. Tap sends nothing again for a repository it has, so whatever else is known of it says
    nothing about the records that this job wants.
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


OPEN = frozenset(
    {Class.DISCOVERED, Class.HANDED_OFF, Class.ARRIVING, Class.PARKED, Class.HELD}
)  # what may still come, or may not have come


def for_job(kind: int, held: int) -> int:
    """The class in which a job counts a repository of this class."""
    if held == Held.NOT or kind in (Class.FAILED, Class.GONE):
        return kind
    if held == Held.LEFT:
        return Class.DISCOVERED
    return kind if kind == Class.PARKED else Class.HELD
