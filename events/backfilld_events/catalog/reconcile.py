"""Our rows held against the servers where the repositories are. Stream: `reconcile/<id>`."""

from typing import Literal

from msgspec import Struct

from ..ids import Nsid, Rev

Method = Literal["list", "repo"]
"""How a server is read: `list` is its own word (listRecords), `repo` the signed repository."""


class ReconcileAsked(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody wants rows compared with the PDSes, in these collections. `scope` says in words how
    the repositories were chosen: these (`dids`, packed with `ids.pack`, `count` of them), or, with
    `count` None, all there are, as they are found: of the collections, or of the job with the
    number `job`. `repair`: what differs is fetched again."""

    scope: str
    collections: list[Nsid]
    method: Method
    count: int | None
    dids: bytes
    job: int | None
    repair: bool


class Difference(Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """One repository (`ids.pack_one`) in one collection: how many records are `missing` here, here
    and not there (`extra`), or another version here than there (`different`); and some of their
    rkeys, each after `-`, `+` or `~`. `dead` letters of the two may explain what is missing. `rev`
    is the server's at the last look, `newest` that of our rows: if it is older, news of the
    repository may be under way."""

    repo: bytes
    collection: Nsid
    missing: int
    extra: int
    different: int
    samples: list[str]
    dead: int
    rev: Rev
    newest: Rev | None


class Unread(Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """A repository that was not compared, and why: `kind` is a failures.Kind, or `account` when it
    is left out because its account is not active."""

    repo: bytes
    kind: str
    message: str


class ReposCompared(Struct, frozen=True, forbid_unknown_fields=True):
    """The next `count` of the repositories were compared. Those not named in `differing` or
    `unread` are the same to the record, and have `records` of them. `upto` is how far this came: a
    place in the `dids` that were asked for, or the number of a repository. `again`, packed
    (`ids.pack`): those that are the same and were not when they were compared before."""

    count: int
    upto: int
    records: int
    differing: list[Difference]
    unread: list[Unread]
    again: bytes


class ReconcileEnded(Struct, frozen=True, forbid_unknown_fields=True):
    """All are compared; or it was broken off, `why` not empty. What was found is added up:
    repositories that were `compared`, `records` that are the same, repositories that are
    `differing`, those `unread` by kind. `told` are the positions of the first events that name
    any of these."""

    why: str
    compared: int
    records: int
    differing: int
    unread: dict[str, int]
    told: list[int]


ReconcileEvent = ReconcileAsked | ReposCompared | ReconcileEnded

TYPES: dict[str, type[ReconcileEvent]] = {
    "reconcile.asked": ReconcileAsked,
    "reconcile.compared": ReposCompared,
    "reconcile.ended": ReconcileEnded,
}
