"""The index in one SQLite file.

The one rule: rows, counters, accounts, dead letters and the receipt of a group are one transaction,
so the receipts always sum up to the rows. Which version wins is `rules`' business, what becomes of
an account `accounts`', which rows are ghosts `ghosts`'; the SQL of records is `rows`'.
"""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from backfilld_events.ids import Cid, Did, Nsid, Rev, Rkey
from backfilld_events.log.file import open_writer

from ..deliveries import AccountDelivery, DeadDelivery, RecordDelivery
from . import counting, letters, receipts, recounting, removing, rows, sweeping
from .accounts import Hidden, Policies, apart
from .counting import More
from .ghosts import Evidence
from .interned import Interned
from .letters import Limits
from .rules import SAME, first, judge
from .standing import Standing
from .store import (
    Counts,
    Ghosts,
    Group,
    Handled,
    Letter,
    Outcome,
    Receipt,
    Recount,
    Removal,
    Swept,
)
from .tallies import Tallies, counts, rounds

_REV: Final = 3  # places in a rows.Row
_CID: Final = 4

LEFT_AT_ONCE = 5_000  # rows of an account that is gone, deleted with the news of it
LETTERS_BYTES_MAX = 2**30


class SqliteStore:
    """A RecordStore; see the port for what its methods promise."""

    def __init__(
        self,
        db: sqlite3.Connection,
        dead_letter_max: int,
        dead_letters_max: int = LETTERS_BYTES_MAX,
        policies: Policies | None = None,
    ) -> None:
        """`dead_letter_max`: bytes kept of one unusable message; `dead_letters_max`: of all."""
        self._db, self._limits = db, Limits(dead_letter_max, dead_letters_max)
        self._repos = Interned(db, "repo", "did")
        self._collections = Interned(db, "collection", "nsid")
        self._standing = Standing(db, policies or Policies())
        self._expect_known = False  # whether most of the last group were known: it may go on so
        with self._transaction():
            self._standing.follow()

    @classmethod
    def open(
        cls,
        path: Path,
        dead_letter_max: int,
        dead_letters_max: int = LETTERS_BYTES_MAX,
        policies: Policies | None = None,
    ) -> "SqliteStore":
        """Opens or makes the index at `path`. Raises file.BadFile."""
        db = open_writer(path, "backfilld.records")
        return cls(db, dead_letter_max, dead_letters_max, policies)

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
            fewer = [(did, removal.collection, Counts(deleted=count)) for did, count in taken]
            return self._written(fewer, removal=replace(removal, last=last))

    def purge(self, limit: int) -> bool:
        if not self._standing.is_leaving:
            return False
        with self._transaction():
            if taken := self._standing.delete(limit):
                self._written([(did, nsid, Counts(deleted=n)) for did, nsid, n in taken])
        return True

    def sweep(
        self,
        did: Did,
        collections: Collection[Nsid],
        seen: Evidence,
        indexed_at: int,
    ) -> Swept:
        with self._transaction():
            verdict, gone = sweeping.sweep(self._db, did, collections, seen, indexed_at)
            if not gone:
                return Swept(verdict, None)
            fewer = [(did, nsid, Counts(deleted=n)) for nsid, n in gone]
            return Swept(verdict, self._written(fewer, ghosts=Ghosts(seen.rev, seen.records)))

    def recount(
        self, did: Did, rev: Rev, differing: Mapping[Nsid, Mapping[Rkey, Cid | None]]
    ) -> Receipt:
        with self._transaction():
            fewer, recount = recounting.recount(self._db, did, rev, differing)
            return self._written(fewer, recount=recount)

    def learn(self, accounts: Sequence[AccountDelivery]) -> None:
        with self._transaction():
            self._standing.hear(self._note(accounts))

    def count_anew(self) -> None:
        for (number,) in self._db.execute("SELECT id FROM collection").fetchall():
            with self._transaction():
                counting.anew(self._db, number)

    def letters(self, ids: Sequence[int], *, with_raw: bool) -> list[Letter]:
        return letters.read(self._db, ids, with_raw=with_raw)

    def open_letters(self, collection: Nsid | None, after: int, limit: int) -> list[int]:
        return letters.open_ones(self._db, collection, after, limit)

    def settle(
        self, handled: Handled, outcomes: Sequence[Outcome], group: Group, indexed_at: int
    ) -> Receipt:
        with self._transaction():
            letters.settle(self._db, outcomes, indexed_at)
            return self._commit(group, indexed_at, handled)

    def newest(self) -> int:
        return rows.last_id(self._db)

    def receipts(self, after: int, limit: int) -> list[Receipt]:
        return receipts.following(self._db, after, limit)

    def receipt_ends(self) -> tuple[int, int]:
        return receipts.ends(self._db)

    def copied(self) -> float | None:
        made = self._db.execute("SELECT min(made) FROM copied").fetchone()[0]
        return None if made is None else float(made)

    def take_up(self) -> None:
        self._db.execute("DELETE FROM copied")

    def forget_receipts(self, upto: int) -> None:
        receipts.forget(self._db, upto)

    def close(self) -> None:
        self._db.close()

    def _commit(self, group: Group, indexed_at: int, handled: Handled | None = None) -> Receipt:
        barred = self._standing.hear(self._note(group.accounts))
        away = self._away(group.records)
        let_in, kept_out = apart(group.records, away)
        tallies: Tallies = Counter()
        for records in rounds(let_in):
            dids = [one.did for one in records]
            nsids = [one.collection for one in records]
            repos, collections = self._repos.numbers(dids), self._collections.numbers(nsids)
            asked: list[rows.Row] = [
                (repos[one.did], collections[one.collection], one.rkey, one.rev, one.cid, one.body)
                for one in records
            ]
            words = self._take_in(asked, indexed_at)
            tallies.update(zip(dids, nsids, words, strict=True))
        self._count_rows(tallies, away)
        taken = self._standing.delete(LEFT_AT_ONCE, barred)
        tallies.update({(did, nsid, "deleted"): count for did, nsid, count in taken})
        ignored = [*group.ignored, *kept_out]
        tallies.update((one.did, one.collection, "ignored") for one in ignored)
        unreadable = self._bury(group.dead, tallies, indexed_at)
        accounts = [(one.did, one.status, one.handle) for one in group.accounts]
        return self._written(counts(tallies), accounts, unreadable, handled=handled)

    def _written(
        self,
        of_each: list[tuple[Did, Nsid, Counts]],
        accounts: Sequence[tuple[Did, str, str]] = (),
        unreadable: int = 0,
        removal: Removal | None = None,
        ghosts: Ghosts | None = None,
        handled: Handled | None = None,
        recount: Recount | None = None,
    ) -> Receipt:
        """The receipt of the transaction under way."""
        no = receipts.last(self._db) + 1
        receipt = Receipt(
            no, of_each, list(accounts), unreadable, removal, ghosts, handled, recount
        )
        receipts.put(self._db, receipt)
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
            self._standing.reload()
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

    def _count_rows(self, tallies: Tallies, away: Mapping[Did, Hidden]) -> None:
        """Keeps each collection's number of rows that are no tombstones."""
        more: Counter[Nsid] = Counter()
        hidden: Counter[Nsid] = Counter()
        for (did, nsid, word), count in tallies.items():
            change = count * ((word == "inserted") - (word == "deleted"))
            more[nsid] += change
            if did in away:
                hidden[nsid] += change
        numbers = self._collections.numbers(more)
        changes = {numbers[nsid]: More(count, hidden[nsid]) for nsid, count in more.items()}
        counting.keep(self._db, changes)

    def _away(self, records: list[RecordDelivery]) -> dict[Did, Hidden]:
        """Those of their repositories that are not shown."""
        if not self._standing.is_anybody_away:
            return {}
        dids = {one.did for one in records}
        return self._standing.away(self._repos.numbers(dids), dids)

    def _bury(self, dead: list[DeadDelivery], tallies: Tallies, at: int) -> int:
        """Those that have no repository to count under."""
        if not dead:
            return 0
        letters.bury(self._db, dead, self._limits, at)
        known = [
            (one.did, one.collection, "dead")
            for one in dead
            if one.did is not None and one.collection is not None
        ]
        tallies.update(known)
        return len(dead) - len(known)

    def _note(self, accounts: Sequence[AccountDelivery]) -> dict[int, str]:
        """The last status of each, by its repository's number."""
        numbers = self._repos.numbers([one.did for one in accounts])
        said = [(one.status, one.handle, numbers[one.did]) for one in accounts]
        self._db.executemany("UPDATE repo SET status = ?, handle = ? WHERE id = ?", said)
        return {number: status for status, _, number in said}
