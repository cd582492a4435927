"""What the source of records, Tap, is seen to do. Stream: `tap`."""

from msgspec import Struct

from ..ids import Rev


class TapConnected(Struct, frozen=True, forbid_unknown_fields=True):
    """The channel to Tap opened."""

    url: str


class TapDisconnected(Struct, frozen=True, forbid_unknown_fields=True):
    """The channel ended, or could not be opened. Said once, not at every further try."""

    url: str
    kind: str
    message: str


class Observation(Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """What `/info/<did>` said of one repository, when it differs from the last time.

    `repo` is `ids.pack_one(did)`. `state` is Tap's word, or `unknown` for a 404. `error` is
    Tap's text, shortened; empty with `desynchronized` means its host is rate-limiting us.
    """

    repo: bytes
    state: str
    error: str
    rev: Rev | None
    records: int


class ReposObserved(Struct, frozen=True, forbid_unknown_fields=True):
    """Tap was asked about some repositories; those whose answer changed are here.

    `drained`: after these answers Tap's outbox was seen empty. Since an ack follows the commit,
    all that Tap had sent for the repositories that are active here stands in the index.
    """

    tap: str
    drained: bool
    observations: list[Observation]


SourceEvent = TapConnected | TapDisconnected | ReposObserved

TYPES: dict[str, type[SourceEvent]] = {
    "tap.connected": TapConnected,
    "tap.disconnected": TapDisconnected,
    "tap.repos-observed": ReposObserved,
}
