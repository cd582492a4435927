"""The index in one SQLite file.

The one rule: rows, counters, dead letters and the receipt of a group are one transaction, so the
receipts always sum up to the rows. Which version wins is `rules`' business.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import msgspec

from backfilld_events.ids import Did, Nsid, Rkey
from backfilld_events.log.file import open_writer

from ..deliveries import DeadDelivery, RecordDelivery
from .rules import Held, judge
from .store import Counts, Group, Receipt

INTERNED_MAX = 200_000  # DIDs whose numbers are remembered; bounds memory, not the index

_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(Receipt).decode

_Key = tuple[int, int, Rkey]


class _Group:
    """What one commit gathers before it writes."""

    def __init__(self) -> None:
        self.counts: dict[tuple[Did, Nsid], Counts] = {}
        self.inserts: dict[_Key, RecordDelivery] = {}
        self.updates: dict[_Key, RecordDelivery] = {}

    def count(self, did: Did, collection: Nsid) -> Counts:
        key = (did, collection)
        if (counts := self.counts.get(key)) is None:
            counts = self.counts[key] = Counts()
        return counts


class SqliteStore:
    """A RecordStore; see the port for what its methods promise."""

    def __init__(self, db: sqlite3.Connection, dead_letter_max: int) -> None:
        """`dead_letter_max`: bytes kept of one unusable message."""
        self._db, self._dead_letter_max = db, dead_letter_max
        self._repos: dict[Did, int] = {}
        self._collections: dict[Nsid, int] = {}

    @classmethod
    def open(cls, path: Path, dead_letter_max: int) -> "SqliteStore":
        """Opens or makes the index at `path`. Raises file.BadFile."""
        return cls(open_writer(path, "backfilld.records"), dead_letter_max)

    def commit(self, group: Group, indexed_at: int) -> Receipt:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            receipt = self._commit(group, indexed_at)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.rollback()
            self._repos.clear()  # may hold numbers that were rolled back
            self._collections.clear()
            raise
        return receipt

    def receipts(self, after: int, limit: int) -> list[Receipt]:
        rows = self._db.execute(
            "SELECT content FROM receipt WHERE no > ? ORDER BY no LIMIT ?", (after, limit)
        )
        return [_DECODE(content) for (content,) in rows]

    def forget_receipts(self, upto: int) -> None:
        self._db.execute("DELETE FROM receipt WHERE no <= ?", (upto,))

    def close(self) -> None:
        self._db.close()

    def _commit(self, group: Group, indexed_at: int) -> Receipt:
        gathered = _Group()
        self._judge(group.records, gathered)
        self._write(gathered, indexed_at)
        for delivery in group.ignored:
            gathered.count(delivery.did, delivery.collection).ignored += 1
        unreadable = self._bury(group.dead, gathered, indexed_at)
        for account in group.accounts:
            self._db.execute(
                "UPDATE repo SET status = ?, handle = ? WHERE id = ?",
                (account.status, account.handle, self._repo(account.did)),
            )
        (last,) = self._db.execute("SELECT coalesce(max(no), 0) FROM receipt").fetchone()
        receipt = Receipt(
            no=last + 1,
            counts=[(did, nsid, counts) for (did, nsid), counts in gathered.counts.items()],
            accounts=[(one.did, one.status, one.handle) for one in group.accounts],
            unreadable=unreadable,
        )
        self._db.execute("INSERT INTO receipt VALUES (?, ?)", (receipt.no, _ENCODE(receipt)))
        return receipt

    def _judge(self, deliveries: Iterable[RecordDelivery], gathered: _Group) -> None:
        """Judges each delivery after the ones before it, and gathers what each key ends as."""
        held_now: dict[_Key, Held | None] = {}
        select = "SELECT rev, cid FROM record WHERE repo = ? AND collection = ? AND rkey = ?"
        for delivery in deliveries:
            key = (
                self._repo(delivery.did),
                self._collection(delivery.collection),
                delivery.rkey,
            )
            if key in held_now:
                held = held_now[key]
            else:
                row = self._db.execute(select, key).fetchone()
                held = None if row is None else Held(*row)
                held_now[key] = held
            verdict, after = judge(held, delivery.rev, delivery.cid)
            counts = gathered.count(delivery.did, delivery.collection)
            setattr(counts, verdict.value, getattr(counts, verdict.value) + 1)
            if after is None:
                continue
            held_now[key] = after
            if held is None or key in gathered.inserts:
                gathered.inserts[key] = delivery
            else:
                gathered.updates[key] = delivery

    def _write(self, gathered: _Group, indexed_at: int) -> None:
        self._db.executemany(
            "INSERT INTO record (repo, collection, rkey, rev, cid, body, indexed_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (*key, one.rev, one.cid, one.body, indexed_at)
                for key, one in gathered.inserts.items()
            ],
        )
        self._db.executemany(
            "UPDATE record SET rev = ?, cid = ?, body = ?, indexed_at = ?"
            " WHERE repo = ? AND collection = ? AND rkey = ?",
            [
                (one.rev, one.cid, one.body, indexed_at, *key)
                for key, one in gathered.updates.items()
            ],
        )
        more: dict[int, int] = {}
        for (_, nsid), counts in gathered.counts.items():
            collection = self._collection(nsid)
            more[collection] = more.get(collection, 0) + counts.inserted - counts.deleted
        self._db.executemany(
            "UPDATE collection SET records = records + ? WHERE id = ?",
            [(n, collection) for collection, n in more.items() if n],
        )

    def _bury(self, dead: Iterable[DeadDelivery], gathered: _Group, at: int) -> int:
        unreadable = 0
        for one in dead:
            self._db.execute(
                "INSERT INTO dead_letter (at, why, did, collection, rkey, raw, raw_bytes)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    at, one.why, one.did, one.collection, one.rkey,
                    one.raw[: self._dead_letter_max], len(one.raw),
                ),
            )  # fmt: skip
            if one.did is not None and one.collection is not None:
                gathered.count(one.did, one.collection).dead += 1
            else:
                unreadable += 1
        return unreadable

    def _repo(self, did: Did) -> int:
        if (number := self._repos.get(did)) is not None:
            return number
        if len(self._repos) >= INTERNED_MAX:
            self._repos.clear()
        number = self._repos[did] = self._intern("repo", "did", did)
        return number

    def _collection(self, nsid: Nsid) -> int:
        if (number := self._collections.get(nsid)) is None:
            number = self._collections[nsid] = self._intern("collection", "nsid", nsid)
        return number

    def _intern(self, table: str, column: str, value: str) -> int:
        row = self._db.execute(f"SELECT id FROM {table} WHERE {column} = ?", (value,)).fetchone()
        if row is not None:
            return int(row[0])
        added = self._db.execute(f"INSERT INTO {table} ({column}) VALUES (?)", (value,))
        return int(added.lastrowid or 0)
