"""Our rows held against the servers where the repositories are. Stream: `reconcile/<id>`."""

from msgspec import Struct

from ..ids import Nsid


class ReconcileAsked(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody wants rows compared with the PDSes: of these repositories (`dids`, packed with
    `ids.pack`, `count` of them), in these collections. `scope` says in words how they were chosen.
    `repair`: what differs is fetched again."""

    scope: str
    collections: list[Nsid]
    count: int
    dids: bytes
    repair: bool


class Difference(Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """One repository (`ids.pack_one`) in one collection: how many records are `missing` here, here
    and not there (`extra`), or another version here than there (`different`); and some of their
    rkeys, each after `-`, `+` or `~`."""

    repo: bytes
    collection: Nsid
    missing: int
    extra: int
    different: int
    samples: list[str]


class Unread(Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """A repository that could not be read from its PDS, and why."""

    repo: bytes
    kind: str
    message: str


class ReposCompared(Struct, frozen=True, forbid_unknown_fields=True):
    """The next `count` of the repositories were compared: `records` were the same here and there.
    Those not named in `differing` or `unread` are the same to the record."""

    count: int
    records: int
    differing: list[Difference]
    unread: list[Unread]


class ReconcileEnded(Struct, frozen=True, forbid_unknown_fields=True):
    """All are compared; or it was broken off, `why` not empty."""

    why: str


ReconcileEvent = ReconcileAsked | ReposCompared | ReconcileEnded

TYPES: dict[str, type[ReconcileEvent]] = {
    "reconcile.asked": ReconcileAsked,
    "reconcile.compared": ReposCompared,
    "reconcile.ended": ReconcileEnded,
}
