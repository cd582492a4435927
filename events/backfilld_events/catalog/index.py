"""What the index took in. Stream: `index`; one writer, the ledger."""

from msgspec import Struct

from ..ids import Nsid


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


IndexEvent = RecordsCommitted

TYPES: dict[str, type[IndexEvent]] = {"index.records-committed": RecordsCommitted}
