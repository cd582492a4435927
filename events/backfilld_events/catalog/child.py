"""The Tap that we run ourselves, as a process. Stream: `tap-child`."""

from msgspec import Struct

from ..ids import Nsid


class ChildStarted(Struct, frozen=True, forbid_unknown_fields=True):
    """Tap was started. `filters` are the collections that it fetches and delivers from now on;
    what it fetched before without one of them it does not send by itself."""

    command: list[str]
    filters: list[Nsid]


class ChildNotStarted(Struct, frozen=True, forbid_unknown_fields=True):
    """Tap could not be started, for the reason `why`. Said once, not at every further try."""

    why: str


class ChildEnded(Struct, frozen=True, forbid_unknown_fields=True):
    """The process ended, after `ran_s` seconds. `code` is its exit code, or minus the signal that
    ended it; None: we were not there. Tap's code is 0 also when it could not go on. `why` says
    whether we ended it, and is empty when not; `tail` is the last it said, as lines."""

    code: int | None
    ran_s: float
    why: str
    tail: str


ChildEvent = ChildStarted | ChildNotStarted | ChildEnded

TYPES: dict[str, type[ChildEvent]] = {
    "tap-child.started": ChildStarted,
    "tap-child.not-started": ChildNotStarted,
    "tap-child.ended": ChildEnded,
}
