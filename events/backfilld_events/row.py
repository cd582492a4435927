"""A row of the log, as data: what was written (`NewEvent`) and what stands there (`Row`)."""

from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple

from . import chain
from .catalog import Event
from .codec import decode

COLUMNS = "position, stream, version, type, schema, recorded_at, actor, cause, payload, hash"


_EARLIEST = datetime(1, 1, 1, tzinfo=UTC).timestamp()
_LATEST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
PREVIOUS = -1  # as a cause: the event just before this one in the same append


class NewEvent(Struct, frozen=True):
    """An event that waits to be appended. `cause`: the position of what led to it, or PREVIOUS."""

    stream: str
    event: Event
    actor: str
    cause: int | None = None


class Row(Struct, frozen=True, gc=False):  # holds no containers: never part of a cycle
    """One row of the log. `recorded_at` is microseconds since 1970, UTC; `hash` has 32 bytes."""

    position: int
    stream: str
    version: int
    type: str
    schema: int
    recorded_at: int
    actor: str
    cause: int | None
    payload: bytes
    hash: bytes

    @property
    def event(self) -> Event:
        """The decoded payload. Raises codec.Undecodable."""
        return decode(self.type, self.schema, self.payload)

    @property
    def at(self) -> float:
        """`recorded_at` in seconds."""
        return self.recorded_at / 1e6

    @property
    def columns(self) -> chain.Columns:
        """All that the hash covers, in the order of COLUMNS."""
        columns: chain.Columns = astuple(self)[:-1]
        return columns

    def linked(self, previous: bytes) -> bytes:
        """The hash this row must have when `previous` is the hash before it."""
        return chain.link(previous, self.columns)


def from_columns(columns: tuple[Any, ...]) -> Row:
    """A Row of a database row that was selected as COLUMNS."""
    return Row(*columns)


def utc_text(seconds: float) -> str:
    """A time as the API and the logs say it: RFC 3339, UTC, milliseconds, `Z`. What no calendar has
    becomes its first or last day: one bad number in the log must not break a list for ever."""
    within = min(_LATEST, max(_EARLIEST, seconds))
    text = datetime.fromtimestamp(within, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
