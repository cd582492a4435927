"""The port of the index: what a store of records must be able to do, in the pump's words."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct

from backfilld_events.ids import Cid, Did, Nsid, Rev, Rkey

from ..deliveries import AccountDelivery, DeadDelivery, RecordDelivery
from .ghosts import Evidence, Verdict

Resolution = Literal["retry", "reindex", "gone", "dismiss"]


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


class Ghosts(Struct, frozen=True, array_like=True):
    """The fetch by which rows were found to be gone; as catalog.index.GhostsRemoved."""

    rev: Rev
    records: int


class Recount(Struct, frozen=True, array_like=True):
    """The repository `did`, which differs from its server, was counted: `rows` by collection; `rev`
    is the server's. As catalog.index.RowsRecounted."""

    did: Did
    rev: Rev
    rows: list[tuple[Nsid, int]]


class Letter(Struct, frozen=True):
    """A message that could not be used. `raw` is what is kept of its `raw_bytes`, and empty if it
    was not asked for; `is_open`: nobody has settled it."""

    id: int
    why: str
    did: Did | None
    collection: Nsid | None
    rkey: Rkey | None
    raw: bytes
    raw_bytes: int
    is_open: bool


class Outcome(Struct, frozen=True):
    """What became of a dead letter that somebody did something about. `resolution` None: nothing,
    and `why` says why; else it is settled."""

    id: int
    resolution: Resolution | None
    why: str = ""


class Handled(Struct, frozen=True, array_like=True):
    """Who did something about dead letters; as catalog.dead.DeadLettersHandled."""

    actor: str
    action: Literal["retry", "reindex", "dismiss"]
    ids: list[int]
    failed: list[int]


class Receipt(Struct, frozen=True, array_like=True):
    """What one committed group did, written in its transaction. Numbers have no gap.

    `accounts` are (did, status, handle). `unreadable` messages had no repository to count under.
    With `removal` it was no group, but a person; `counts` say how many were deleted. So they do
    with `ghosts` and `recount`, of one repository. With `handled` a person did something about dead
    letters, and `counts` say what came of their records.
    """

    no: int
    counts: list[tuple[Did, Nsid, Counts]]
    accounts: list[tuple[Did, str, str]]
    unreadable: int
    removal: Removal | None = None
    ghosts: Ghosts | None = None
    handled: Handled | None = None
    recount: Recount | None = None


class Swept(NamedTuple):
    """What a sweep found. No receipt: it changed nothing."""

    verdict: Verdict
    receipt: Receipt | None


class RecordStore(Protocol):
    """One thread at a time. Every method is one transaction, durable when it returns."""

    def commit(self, group: Group, indexed_at: int) -> Receipt:
        """Writes a group and its receipt. `indexed_at` is microseconds, UTC.

        Accounts count as of its end: records of those whose policy is to delete are ignored, and
        the rows they had are counted as deleted; if there are many, the rest by `purge`."""

    def purge(self, limit: int) -> bool:
        """Deletes at most `limit` rows of accounts whose policy is to delete. Whether there was
        anything to do."""

    def remove(
        self, did: Did, collection: Nsid, rkey: Rkey, actor: str, indexed_at: int
    ) -> Receipt | None:
        """Takes a record out, and leaves its rev behind. None: it is not there."""

    def remove_some(self, removal: Removal, upto: int, limit: int) -> Receipt:
        """Takes out at most `limit` records of a collection, none with a number above `upto`, and
        leaves nothing behind. `last` of its removal says whether that was all."""

    def sweep(
        self,
        did: Did,
        collections: Collection[Nsid],
        seen: Evidence,
        indexed_at: int,
    ) -> Swept:
        """Removes the rows of a repository that it no longer holds, if ghosts.judge is sure.

        To be called after a whole fetch, once Tap says `active`; `seen` is without what is known
        here.
        `collections` are all that Tap is known to send, and no other: rows of one that it does not
        send look like ghosts."""

    def recount(
        self, did: Did, rev: Rev, differing: Mapping[Nsid, Mapping[Rkey, Cid | None]]
    ) -> Receipt:
        """Counts the rows of a repository, which is to be fetched anew because it differs from its
        server. Those of `differing`, if they still have that CID (None: deleted), that are as new
        as `rev` or newer are deleted before and leave nothing behind: no fetch would win over
        them."""

    def learn(self, accounts: Sequence[AccountDelivery]) -> None:
        """Takes in what is known of accounts by whoever keeps this store, before it has anything:
        that is no news, so there is no receipt of it."""

    def count_anew(self) -> None:
        """Counts the rows of each collection, whatever was kept of their number: to be called once
        repositories were recounted, for what made them differ did not count. One transaction each.
        """

    def letters(self, ids: Sequence[int], *, with_raw: bool) -> list[Letter]:
        """Those of these dead letters that there are."""

    def open_letters(self, collection: Nsid | None, after: int, limit: int) -> list[int]:
        """The numbers of dead letters that nobody has settled, in order."""

    def settle(
        self, handled: Handled, outcomes: Sequence[Outcome], group: Group, indexed_at: int
    ) -> Receipt:
        """Notes what became of dead letters, and commits what was found in their place."""

    def newest(self) -> int:
        """The highest number that a record has or had; one that comes later has a higher one."""

    def receipts(self, after: int, limit: int) -> list[Receipt]:
        """Receipts with a number above `after`, in order."""

    def receipt_ends(self) -> tuple[int, int]:
        """The first and the last receipt that are kept; zeros: none was ever written."""

    def copied(self) -> float | None:
        """When the backup was made (unix seconds) that this is; None: it is none, or was taken
        up."""

    def take_up(self) -> None:
        """From now on this is the index, and no backup any more."""

    def forget_receipts(self, upto: int) -> None:
        """Drops receipts that stand in the log and are old enough not to be needed for repair."""

    def close(self) -> None:
        """Closes the store."""
