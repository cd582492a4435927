"""What happens to the daemon itself. Stream: `service`."""

from msgspec import Struct


class ServiceStarted(Struct, frozen=True, forbid_unknown_fields=True):
    """The daemon opened the log and took up its work."""

    version: str


class ServiceStopped(Struct, frozen=True, forbid_unknown_fields=True):
    """The daemon drained and closed. After a crash this event is missing, and that is how one
    knows."""

    reason: str


ServiceEvent = ServiceStarted | ServiceStopped

TYPES: dict[str, type[ServiceEvent]] = {
    "service.started": ServiceStarted,
    "service.stopped": ServiceStopped,
}
