"""What the index took in, and what was taken out of it by hand. Stream: `index`, with one writer,
the ledger; a removal that takes its time is asked for in `removal/<id>`."""

from msgspec import Struct

from ..ids import Nsid, Rev


class Tally(Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """What some receipts did to the records of one repository in one collection.

    `repo` is `ids.pack_one(did)`; `collection` is a place in the event's `collections`.
    `inserted - deleted` is how many rows more there are. `unchanged` came again as it was,
    `stale` lost to a newer rev, `dead` went to the dead letters, `ignored` belongs to a
    collection nobody asked for.
    """

    repo: bytes
    collection: int
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    stale: int = 0
    dead: int = 0
    ignored: int = 0


class Account(Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """What an identity event said of an account; `status` is `active` or the reason it is not."""

    repo: bytes
    status: str
    handle: str


class RecordsCommitted(Struct, frozen=True, forbid_unknown_fields=True):
    """The receipts `first .. last` of the index, added up. Receipt numbers have no gap, and each
    is in exactly one event. `collections` names what the tallies' numbers mean.

    A message that could not be read at all has no repository: it is in `unreadable`.
    """

    first: int
    last: int
    collections: list[Nsid]
    tallies: list[Tally]
    accounts: list[Account]
    unreadable: int


class RemovalAsked(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody has all records of a collection removed from the index: those that it held then,
    whose numbers there go up to `upto`. It is done in portions, over a restart too; each is a
    RecordsRemoved."""

    id: str
    collection: Nsid
    upto: int


class Removed(Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """How many records of one repository were removed; `repo` is `ids.pack_one(did)`."""

    repo: bytes
    count: int


class RecordsRemoved(Struct, frozen=True, forbid_unknown_fields=True):
    """Records were removed from the index because somebody, the actor, asked for it. This is
    receipt `receipt`, in one line with those of RecordsCommitted.

    `uri` names the one record that was meant. None: it is a portion of the removal of the whole
    collection with the id `removal`, and `last` says whether that is done with it.
    """

    receipt: int
    collection: Nsid
    uri: str | None
    removal: str | None
    last: bool
    repos: list[Removed]


class GhostsRemoved(Struct, frozen=True, forbid_unknown_fields=True):
    """Rows of one repository that its refetch did not bring, and that so are gone from the network,
    were removed: Tap sends no deletes for them. This is receipt `receipt`. `rev` is that of the
    refetch, `records` what Tap counted then; `collections` how many rows went, by collection."""

    receipt: int
    repo: bytes
    rev: Rev
    records: int
    collections: list[tuple[Nsid, int]]


class RowsRecounted(Struct, frozen=True, forbid_unknown_fields=True):
    """One repository differs from its server and is to be fetched anew, so its rows were counted:
    what made them differ may have left no receipt. Those that differ and are as new as the server's
    `rev`, or newer, were dropped, for no fetch would win over them. This is receipt `receipt`.
    `collections`: (collection, rows that are there after it, rows that were dropped), and in no
    other collection is there any."""

    receipt: int
    repo: bytes
    rev: Rev
    collections: list[tuple[Nsid, int, int]]


class IndexLost(Struct, frozen=True, forbid_unknown_fields=True):
    """The index is gone, with all receipts up to `receipts`, and somebody, the actor, has a new one
    begin: empty, with receipt 1. Every record is to be fetched again. `reason` is the actor's."""

    receipts: int
    reason: str


class IndexRestored(Struct, frozen=True, forbid_unknown_fields=True):
    """The index was found to be a backup, `made` then (unix seconds), in place of one that went on.
    What Tap sent to that after it was acked, and is not here until it is fetched anew."""

    made: float


IndexEvent = (
    RecordsCommitted
    | RemovalAsked
    | RecordsRemoved
    | GhostsRemoved
    | RowsRecounted
    | IndexLost
    | IndexRestored
)

TYPES: dict[str, type[IndexEvent]] = {
    "index.records-committed": RecordsCommitted,
    "index.removal-asked": RemovalAsked,
    "index.records-removed": RecordsRemoved,
    "index.ghosts-removed": GhostsRemoved,
    "index.rows-recounted": RowsRecounted,
    "index.lost": IndexLost,
    "index.restored": IndexRestored,
}
