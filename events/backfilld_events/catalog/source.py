"""What the source of records, Tap, is seen to do. Stream: `tap`."""

from typing import Literal

from msgspec import Struct

from ..ids import Rev

Why = Literal[
    "lacks", "parked", "forgotten", "final", "restless", "reactivated", "differs", "stuck", "lost"
]  # fmt: skip


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
    `retries` counts its failed tries; `host` is that of its PDS, when that was asked for.
    """

    repo: bytes
    state: str
    error: str
    rev: Rev | None
    records: int
    retries: int = 0
    host: str = ""


class ReposObserved(Struct, frozen=True, forbid_unknown_fields=True):
    """Tap was asked about some repositories; those whose answer changed are here.

    `drained`: after these answers Tap's outbox was seen empty. Since an ack follows the commit,
    all that Tap had sent for the repositories that are active here stands in the index.
    `unchanged` are those, packed (`ids.pack`), that answered as they did before, or in a way that
    cannot be read: asked again later and later. `asked` is the position that the log had when the
    first was asked about (0: not known): of what Tap was given anew since, nothing is said here.
    Version 2 added both, and `retries` and `host` of an observation.
    """

    tap: str
    drained: bool
    observations: list[Observation]
    unchanged: bytes = b""
    asked: int = 0


class ReposLeaving(Struct, frozen=True, forbid_unknown_fields=True):
    """These repositories, packed (`ids.pack`), are about to be removed from Tap: said before, so
    that after a crash it is known which ones may be out of it. `again`: they are added again next,
    so that Tap fetches them anew. None of them was being fetched when Tap was asked last.

    `why`: `lacks` records of a collection that was asked for after Tap had it; `parked`, and its
    server's pause is over; `forgotten` by Tap; `final`, it fails for good; `restless`, Tap would
    try it without pause; `reactivated`, its records were removed while the account was not active;
    `differs` from what its PDS or Tap counts; `stuck`, a worker of Tap hangs at it.
    """

    why: Why
    again: bool
    count: int
    dids: bytes


class ReposLeft(Struct, frozen=True, forbid_unknown_fields=True):
    """Tap has removed those of the event at position `leaving`."""

    leaving: int


class ReposReturned(Struct, frozen=True, forbid_unknown_fields=True):
    """Tap has accepted those of the event at position `leaving` once more."""

    leaving: int
    tap: str


class Differing(Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """A repository (`ids.pack_one`) whose rows are not what they should be, and why, in a sentence;
    empty: they are. `mend`: it is to be fetched anew."""

    repo: bytes
    why: str
    mend: bool


class ReposDiffer(Struct, frozen=True, forbid_unknown_fields=True):
    """Rows were held against what Tap counts, or against the PDS, and are not the same."""

    differing: list[Differing]


class ReposMissing(Struct, frozen=True, forbid_unknown_fields=True):
    """Tap counts `found` repositories, and was given `expected`: it has forgotten some. All are
    asked about, until CensusEnded."""

    expected: int
    found: int


class CensusEnded(Struct, frozen=True, forbid_unknown_fields=True):
    """Every repository that was with Tap was asked about; `missing` were forgotten."""

    asked: int
    missing: int


class TapStalled(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing comes that should. `kind` says what stands still, `message` is a sentence, `since` is
    when it was first seen so, unix seconds. Said again when the sentence has changed."""

    kind: str
    message: str
    since: float


class TapMoving(Struct, frozen=True, forbid_unknown_fields=True):
    """What stood still moves again, or has ended otherwise."""

    kind: str


SourceEvent = (
    TapConnected
    | TapDisconnected
    | ReposObserved
    | ReposLeaving
    | ReposLeft
    | ReposReturned
    | ReposDiffer
    | ReposMissing
    | CensusEnded
    | TapStalled
    | TapMoving
)

TYPES: dict[str, type[SourceEvent]] = {
    "tap.connected": TapConnected,
    "tap.disconnected": TapDisconnected,
    "tap.repos-observed": ReposObserved,
    "tap.repos-leaving": ReposLeaving,
    "tap.repos-left": ReposLeft,
    "tap.repos-returned": ReposReturned,
    "tap.repos-differ": ReposDiffer,
    "tap.repos-missing": ReposMissing,
    "tap.census-ended": CensusEnded,
    "tap.stalled": TapStalled,
    "tap.moving": TapMoving,
}
