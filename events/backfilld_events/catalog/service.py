"""What happens to the daemon itself. Stream: `service`."""

from msgspec import Struct


class ServiceStarted(Struct, frozen=True, forbid_unknown_fields=True):
    """The daemon opened the log and took up its work."""

    version: str


class ServiceStopped(Struct, frozen=True, forbid_unknown_fields=True):
    """The daemon drained and closed. After a crash this event is missing, and that is how one
    knows."""

    reason: str


class BreakAccepted(Struct, frozen=True, forbid_unknown_fields=True):
    """The log does not verify at `position`, and somebody, the actor, goes on with it as it is.

    `hash` is what chain.link gives for the row found there and the hash that it follows: with
    exactly this row the break is known, and with any other it is another break. `what` was said of
    it, `reason` is the actor's.
    """

    position: int
    hash: bytes
    what: str
    reason: str


ServiceEvent = ServiceStarted | ServiceStopped | BreakAccepted

TYPES: dict[str, type[ServiceEvent]] = {
    "service.started": ServiceStarted,
    "service.stopped": ServiceStopped,
    "service.break-accepted": BreakAccepted,
}
