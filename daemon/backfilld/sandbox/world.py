"""The truth of a sandbox network: what its repositories hold, and what was changed since.

The one rule: everything follows from the seed and from what was changed by hand, so that the
world can say what must arrive (`truth`, `dead`, `reason`) without asking any server. Pure, and
lazy: a world of ten million repositories costs nothing until somebody asks for one.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple, get_args

from backfilld_events.ids import Cid, Did, Nsid, Rev, Rkey

from .bodies import changed_body
from .changes import AccountChange, ChangedRepo, Commit, FirehoseEvent, Record, Status, Write
from .naming import cid_of, tid
from .pds import Pds
from .seeded import LATER_MICROS, ODD_FATES, Fate, Seeded

Reason = Literal["unknown", "empty"] | Fate
_STATUS_OF: dict[Fate, Status] = {status: status for status in get_args(Status)}
_FETCHED: tuple[Fate, ...] = (
    "active",
    "rate_limited_once",
    "undecodable",
    "missing_block",
    "other_did",
)
_BEFORE_ANY_PDS: tuple[Fate, ...] = ("not_on_plc", "identity_hangs", "no_pds")


class Row(NamedTuple):
    """A record as it must end in an index."""

    did: Did
    collection: Nsid
    rkey: Rkey
    cid: Cid
    body: bytes


class World(Seeded):
    """Accounts 0 .. accounts - 1; those from `repos` on were made by hand. Arguments: `Seeded`."""

    def __init__(
        self,
        seed: int,
        repos: int,
        collections: Sequence[Nsid],
        records_per_repo: int | tuple[int, int] = (1, 5),
        *,
        odd_share: float = 0.0,
        odd_fates: Sequence[Fate] = ODD_FATES,
        empty_share: float = 0.0,
        hosts: int = 3,
        large_text_chars: int = 0,
    ) -> None:
        super().__init__(
            seed,
            repos,
            collections,
            records_per_repo,
            odd_share=odd_share,
            odd_fates=odd_fates,
            empty_share=empty_share,
            hosts=hosts,
            large_text_chars=large_text_chars,
        )
        self.accounts = repos
        self.firehose: list[FirehoseEvent] = []  # all there has been; an event's seq is index + 1
        self.listeners: list[Callable[[], None]] = []  # called when the firehose has grown
        self.listed_later: dict[str, list[int]] = {}  # by collection, in the order of first sight
        self._listed: set[tuple[str, int]] = set()
        self._changed: dict[int, ChangedRepo] = {}
        self._fates: dict[int, Fate] = {}
        self._said_429: set[int] = set()
        self._servers: dict[str, Pds] = {}  # by address
        self._revs = self._bodies = 0

    def ordinal(self, did: str) -> int | None:
        """The account of `did`; None: nobody here has it."""
        ordinal = self._dids.ordinal(did)
        return ordinal if ordinal is not None and ordinal < self.accounts else None

    def fate(self, ordinal: int) -> Fate:
        by_hand = self._fates.get(ordinal)
        return super().fate(ordinal) if by_hand is None else by_hand

    def pds(self, host: str) -> Pds:
        """The server at an address as `host` gives it, to be changed."""
        return self._servers.setdefault(host, Pds())

    def met(self, ordinal: int) -> Fate:
        """What meets whoever fetches the repository: the account's fate, or that of its PDS."""
        own = self.fate(ordinal)
        if not self._servers or own in _BEFORE_ANY_PDS:
            return own
        server = self._servers.get(self.host(ordinal))
        return own if server is None or server.fate is None else server.fate

    def status(self, ordinal: int) -> Status:
        """What the account's host says of it."""
        return _STATUS_OF.get(self.fate(ordinal), "active")

    def rev(self, ordinal: int) -> Rev:
        changed = self._changed.get(ordinal)
        return super().rev(ordinal) if changed is None else changed.rev

    def records(self, ordinal: int) -> list[Record]:
        changed = self._changed.get(ordinal)
        if changed is None:
            return super().records(ordinal)
        return [changed.records[path] for path in sorted(changed.records)]

    def fetched(self, ordinal: int) -> list[Record]:
        """What of its records whoever fetches the repository finds, if it can be fetched."""
        return self.records(ordinal)[self.fate(ordinal) == "missing_block" :]

    def says_429(self, ordinal: int, now: float) -> bool:
        """Whether a fetch at this moment is answered 429: by a PDS that was told to, and the first
        one of an account whose fate it is."""
        server = self._servers.get(self.host(ordinal))
        if server is not None and server.says_429(now):
            return True
        if self.fate(ordinal) != "rate_limited_once" or ordinal in self._said_429:
            return False
        self._said_429.add(ordinal)
        return True

    # --- the oracle ----------------------------------------------------------------------------

    def truth(self, collection: str) -> Iterator[Row]:
        """What an index of `collection` must hold once everything has arrived: the readable
        records of every account that is active and can be fetched."""
        for did, record in self._arriving(collection):
            if record.body is not None:
                yield Row(did, record.collection, record.rkey, record.cid, record.body)

    def dead(self, collection: str) -> Iterator[tuple[Did, Rkey, Cid]]:
        """Records that arrive without a body."""
        for did, record in self._arriving(collection):
            if record.body is None:
                yield did, record.rkey, record.cid

    def reason(self, did: str) -> Reason | None:
        """Why an index has nothing of this account; None: it has something."""
        ordinal = self.ordinal(did)
        if ordinal is None:
            return "unknown"
        if (fate := self.met(ordinal)) not in _FETCHED:
            return fate
        records = self.fetched(ordinal)
        if not records:
            return "empty"
        return None if any(record.body is not None for record in records) else "undecodable"

    def _arriving(self, collection: str) -> Iterator[tuple[Did, Record]]:
        for ordinal in range(self.accounts):
            if self.met(ordinal) in _FETCHED:
                for record in self.fetched(ordinal):
                    if record.collection == collection:
                        yield self.did(ordinal), record

    # --- changes by hand -----------------------------------------------------------------------

    def new_account(self) -> Did:
        """One more account, with an empty repository."""
        self.accounts += 1
        return self.did(self.accounts - 1)

    def create(
        self, did: Did, collection: Nsid, rkey: str | None = None, *, heard: bool = True
    ) -> Commit:
        """Writes a new record, of any body. `heard`: as for `commit`."""
        key = rkey or tid(LATER_MICROS + self._revs + 1, 1)
        return self.commit(did, [self.write("create", collection, key)], heard=heard)

    def update(self, did: Did, collection: Nsid, rkey: str, *, heard: bool = True) -> Commit:
        """Gives a record another body."""
        return self.commit(did, [self.write("update", collection, rkey)], heard=heard)

    def delete(self, did: Did, collection: Nsid, rkey: str, *, heard: bool = True) -> Commit:
        return self.commit(did, [Write("delete", collection, Rkey(rkey), None)], heard=heard)

    def write(
        self,
        action: Literal["create", "update"],
        collection: Nsid,
        rkey: str,
        *,
        readable: bool = True,
    ) -> Write:
        """A write for `commit`, with a body that no other write has."""
        self._bodies += 1
        body = changed_body(collection, self._bodies)
        record = Record(collection, Rkey(rkey), cid_of(body), body if readable else None)
        return Write(action, collection, record.rkey, record)

    def commit(self, did: Did, writes: Sequence[Write], *, heard: bool = True) -> Commit:
        """Applies writes as one commit. Not `heard`: no firehose ever tells of it (a gap)."""
        ordinal = self._known(did)
        before = self.rev(ordinal)
        records = {record.path: record for record in self.records(ordinal)}
        for write in writes:
            if write.record is None:
                del records[f"{write.collection}/{write.rkey}"]
            else:
                records[write.record.path] = write.record
                self._list(ordinal, write.collection)
        self._revs += 1
        rev = tid(LATER_MICROS + self._revs, 0)
        self._changed[ordinal] = ChangedRepo(rev, records)
        commit = Commit(did, rev, before, tuple(writes))
        if heard:
            self._tell(commit)
        return commit

    def set_status(self, did: Did, status: Status) -> AccountChange:
        """The account's host says a new status, on the firehose too."""
        self.set_fate(did, status)
        change = AccountChange(did, status)
        self._tell(change)
        return change

    def set_fate(self, did: Did, fate: Fate) -> None:
        """What meets whoever fetches the repository from now on; the firehose says nothing."""
        self._fates[self._known(did)] = fate

    def _known(self, did: str) -> int:
        ordinal = self.ordinal(did)
        if ordinal is None:
            raise KeyError(f"{did} is no account of this world")
        return ordinal

    def _list(self, ordinal: int, collection: Nsid) -> None:
        seeded = ordinal < self.repos and collection in self.collections
        if seeded and self.holds(ordinal, self.collections.index(collection)):
            return
        if (collection, ordinal) not in self._listed:
            self._listed.add((collection, ordinal))
            self.listed_later.setdefault(collection, []).append(ordinal)

    def _tell(self, event: FirehoseEvent) -> None:
        self.firehose.append(event)
        for listener in self.listeners:
            listener()
