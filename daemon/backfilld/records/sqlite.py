"""The index in one SQLite file.

The one rule: rows, counters, dead letters and the receipt of a group are one transaction, so the
receipts always sum up to the rows. Which version wins is `rules`' business, the SQL of records
is `rows`'.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from backfilld_events.ids import Did, Nsid, Rkey
from backfilld_events.log.file import open_writer

from ..deliveries import AccountDelivery, DeadDelivery, RecordDelivery
from . import removing, rows
from .interned import Interned
from .rules import SAME, first, judge
from .store import Counts, Group, Receipt, Removal

_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(Receipt).decode

_REV: Final = 3  # places in a rows.Row
_CID: Final = 4

_Tallies = Counter[tuple[Did, Nsid, str]]
"""How often each verdict fell; the words are the fields of Counts."""


class SqliteStore:
    """A RecordStore; see the port for what its methods promise."""

    def __init__(self, db: sqlite3.Connection, dead_letter_max: int) -> None:
        """`dead_letter_max`: bytes kept of one unusable message."""
        self._db, self._dead_letter_max = db, dead_letter_max
        self._repos = Interned(db, "repo", "did")
        self._collections = Interned(db, "collection", "nsid")
        self._expect_known = False  # whether most of the last group were known: it may go on so

    @classmethod
    def open(cls, path: Path, dead_letter_max: int) -> "SqliteStore":
        """Opens or makes the index at `path`. Raises file.BadFile."""
        return cls(open_writer(path, "backfilld.records"), dead_letter_max)

    def commit(self, group: Group, indexed_at: int) -> Receipt:
        with self._transaction():
            return self._commit(group, indexed_at)

    def remove(
        self, did: Did, collection: Nsid, rkey: Rkey, actor: str, indexed_at: int
    ) -> Receipt | None:
        with self._transaction():
            if not removing.one(self._db, did, collection, rkey, indexed_at):
                return None
            removal = Removal(actor, collection, f"at://{did}/{collection}/{rkey}")
            return self._written([(did, collection, Counts(deleted=1))], removal=removal)

    def remove_some(self, removal: Removal, upto: int, limit: int) -> Receipt:
        with self._transaction():
            taken, last = removing.some(self._db, removal.collection, upto, limit)
            counts = [(did, removal.collection, Counts(deleted=count)) for did, count in taken]
            return self._written(counts, removal=replace(removal, last=last))

    def newest(self) -> int:
        return rows.last_id(self._db)

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
        tallies: _Tallies = Counter()
        for records in _rounds(group.records):
            dids = [one.did for one in records]
            nsids = [one.collection for one in records]
            repos, collections = self._repos.numbers(dids), self._collections.numbers(nsids)
            asked: list[rows.Row] = [
                (repos[one.did], collections[one.collection], one.rkey, one.rev, one.cid, one.body)
                for one in records
            ]
            words = self._take_in(asked, indexed_at)
            tallies.update(zip(dids, nsids, words, strict=True))
        self._count_rows(tallies)
        tallies.update((one.did, one.collection, "ignored") for one in group.ignored)
        unreadable = self._bury(group.dead, tallies, indexed_at)
        self._note(group.accounts)
        accounts = [(one.did, one.status, one.handle) for one in group.accounts]
        return self._written(_counts(tallies), accounts, unreadable)

    def _written(
        self,
        counts: list[tuple[Did, Nsid, Counts]],
        accounts: Sequence[tuple[Did, str, str]] = (),
        unreadable: int = 0,
        removal: Removal | None = None,
    ) -> Receipt:
        """The receipt of the transaction under way."""
        (last,) = self._db.execute("SELECT coalesce(max(no), 0) FROM receipt").fetchone()
        receipt = Receipt(last + 1, counts, list(accounts), unreadable, removal)
        self._db.execute("INSERT INTO receipt VALUES (?, ?)", (receipt.no, _ENCODE(receipt)))
        return receipt

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.rollback()
            self._repos.forget()
            self._collections.forget()
            raise

    def _take_in(self, asked: list[rows.Row], at: int) -> list[str]:
        """Writes what the law lets in, and says its word of each. No key comes twice.

        Two ways to the same end, each cheap for what it expects: new records are inserted
        without asking first; for known ones SQLite is asked which are not as they were.
        """
        if self._expect_known:
            words = [SAME.verdict.value] * len(asked)
            found = list(rows.unlike(self._db, asked))
            new = [one.place for one in found if one.id is None]
            for place in new:
                words[place] = first(asked[place][_CID]).value
            count = rows.insert(self._db, [asked[place] for place in new], at)
        else:
            words = [first(one[_CID]).value for one in asked]
            upto = rows.last_id(self._db)
            count = rows.insert(self._db, asked, at)
            found = list(rows.held(self._db, asked, upto)) if count < len(asked) else []
        self._expect_known = 2 * count < len(asked)
        changed: list[tuple[int, rows.Row]] = []
        for place, id_, held in found:
            if held is not None and id_ is not None:
                verdict, after = judge(held, asked[place][_REV], asked[place][_CID])
                words[place] = verdict.value
                if after is not None:
                    changed.append((id_, asked[place]))
        rows.update(self._db, changed, at)
        return words

    def _count_rows(self, tallies: _Tallies) -> None:
        """Keeps each collection's number of rows that are no tombstones."""
        more: Counter[Nsid] = Counter()
        for (_, nsid, word), count in tallies.items():
            more[nsid] += count * ((word == "inserted") - (word == "deleted"))
        numbers = self._collections.numbers(more)
        self._db.executemany(
            "UPDATE collection SET records = records + ? WHERE id = ?",
            [(count, numbers[nsid]) for nsid, count in more.items() if count],
        )

    def _bury(self, dead: Iterable[DeadDelivery], tallies: _Tallies, at: int) -> int:
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
                tallies[one.did, one.collection, "dead"] += 1
            else:
                unreadable += 1
        return unreadable

    def _note(self, accounts: list[AccountDelivery]) -> None:
        numbers = self._repos.numbers([one.did for one in accounts])
        self._db.executemany(
            "UPDATE repo SET status = ?, handle = ? WHERE id = ?",
            [(one.status, one.handle, numbers[one.did]) for one in accounts],
        )


def _rounds(records: list[RecordDelivery]) -> list[list[RecordDelivery]]:
    """`records` in rounds, in none of which a key comes twice; the versions of a key keep their
    order. All but always there is one round."""
    if len({one.rkey for one in records}) == len(records):
        return [records]  # no need to look at the whole keys
    keys = [(one.did, one.collection, one.rkey) for one in records]
    rounds: list[list[RecordDelivery]] = []
    seen: Counter[tuple[Did, Nsid, Rkey]] = Counter()
    for key, one in zip(keys, records, strict=True):
        if seen[key] == len(rounds):
            rounds.append([])
        rounds[seen[key]].append(one)
        seen[key] += 1
    return rounds


def _counts(tallies: _Tallies) -> list[tuple[Did, Nsid, Counts]]:
    counts: dict[tuple[Did, Nsid], dict[str, int]] = {}
    for (did, nsid, word), count in tallies.items():
        counts.setdefault((did, nsid), {})[word] = count
    return [(did, nsid, Counts(**words)) for (did, nsid), words in counts.items()]
