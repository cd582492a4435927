"""The port of the index: what a store of records must be able to do, in the pump's words."""

from typing import NamedTuple, Protocol

from msgspec import Struct

from backfilld_events.ids import Did, Nsid, Rkey

from ..deliveries import AccountDelivery, DeadDelivery, RecordDelivery


class Group(NamedTuple):
    """What is committed together. Order matters within `records` and within `accounts`.
    `ignored` are records of collections nobody asked for: counted, not kept."""

    records: list[RecordDelivery]
    accounts: list[AccountDelivery]
    dead: list[DeadDelivery]
    ignored: list[RecordDelivery]


class Counts(Struct, array_like=True):
    """What one receipt says of one repository in one collection; as catalog.index.Tally."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    stale: int = 0
    dead: int = 0
    ignored: int = 0


class Removal(Struct, frozen=True, array_like=True):
    """On whose behalf records are removed: one (`uri`), or a portion of the removal `id` that was
    asked for at position `cause`. `last` as in catalog.index.RecordsRemoved."""

    actor: str
    collection: Nsid
    uri: str | None = None
    id: str | None = None
    cause: int | None = None
    last: bool = True


class Receipt(Struct, frozen=True, array_like=True):
    """What one committed group did, written in its transaction. Numbers have no gap.

    `accounts` are (did, status, handle). `unreadable` messages had no repository to count under.
    With `removal` it was no group, but a person; `counts` say how many were deleted.
    """

    no: int
    counts: list[tuple[Did, Nsid, Counts]]
    accounts: list[tuple[Did, str, str]]
    unreadable: int
    removal: Removal | None = None


class RecordStore(Protocol):
    """One thread at a time. Every method is one transaction, durable when it returns."""

    def commit(self, group: Group, indexed_at: int) -> Receipt:
        """Writes a group and its receipt. `indexed_at` is microseconds, UTC."""

    def remove(
        self, did: Did, collection: Nsid, rkey: Rkey, actor: str, indexed_at: int
    ) -> Receipt | None:
        """Takes a record out, and leaves its rev behind. None: it is not there."""

    def remove_some(self, removal: Removal, upto: int, limit: int) -> Receipt:
        """Takes out at most `limit` records of a collection, none with a number above `upto`, and
        leaves nothing behind. `last` of its removal says whether that was all."""

    def newest(self) -> int:
        """The highest number that a record has or had; one that comes later has a higher one."""

    def receipts(self, after: int, limit: int) -> list[Receipt]:
        """Receipts with a number above `after`, in order."""

    def forget_receipts(self, upto: int) -> None:
        """Drops receipts that stand in the log and are old enough not to be needed for repair."""

    def close(self) -> None:
        """Closes the store."""
