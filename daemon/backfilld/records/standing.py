"""Accounts that are not active, and their rows.

The one rule: a policy is carried out in the transaction that hears of the account. What that would
take too long for, the rows of a large repository, is hidden at once and deleted in portions; they
are queued in `leaving`, so a crash forgets none.
"""

import sqlite3
from collections.abc import Iterable, Mapping

from backfilld_events.ids import Did, Nsid

from . import counting, rows
from .accounts import Hidden, Policies
from .counting import More

Taken = list[tuple[Did, Nsid, int]]
"""How many records of a repository and collection were deleted."""


class Standing:
    """Who is not shown. Belongs to its connection's owner."""

    def __init__(self, db: sqlite3.Connection, policies: Policies) -> None:
        self._db, self._policies = db, policies
        self._bits = bytearray()  # a bit a repository: millions may be gone, and each is looked up
        self.reload()

    def reload(self) -> None:
        """Reads again who is hidden: at the start, and after a rollback."""
        self._bits = bytearray()
        for (number,) in self._db.execute("SELECT id FROM repo WHERE hidden > 0"):
            self._mark(number)

    def follow(self) -> None:
        """Brings all accounts under the policies of today, in the caller's transaction."""
        inactive = self._db.execute(
            "SELECT id, status, hidden FROM repo WHERE status <> 'active'"
        ).fetchall()
        for number, status, hidden in inactive:
            self._set(number, Hidden(hidden), self._policies.hidden(status))

    def hear(self, statuses: Mapping[int, str]) -> list[int]:
        """What was said of accounts, by a repository's number; those whose rows are to go now."""
        barred: list[int] = []
        for number, status in statuses.items():
            hidden = self._policies.hidden(status)
            if hidden or self._is_marked(number):
                before = self._hidden(number)
                self._set(number, before, hidden)
                if hidden is Hidden.BARRED and before is not hidden:
                    barred.append(number)
        return barred

    @property
    def is_anybody_away(self) -> bool:
        """Whether there may be somebody who is not shown."""
        return bool(self._bits)

    def away(self, numbers: Mapping[str, int], dids: Iterable[Did]) -> dict[Did, Hidden]:
        """Those of these repositories that are not shown; `numbers` has the number of each."""
        bits, size = self._bits, len(self._bits)
        found = [  # as `_is_marked` has it: a call for each would cost more than the test
            did
            for did in dids
            if (at := (number := numbers[did]) >> 3) < size and bits[at] >> (number & 7) & 1
        ]
        return {did: self._hidden(numbers[did]) for did in found}

    def delete(self, limit: int, only: Iterable[int] | None = None) -> Taken:
        """Deletes at most `limit` rows of those who are leaving, or of `only` these."""
        taken: Taken = []
        queue = self._leaving() if only is None else only
        for number in queue:
            if limit <= 0:
                break
            limit -= self._delete_some(number, limit, taken)
        return taken

    @property
    def is_leaving(self) -> bool:
        """Whether rows are still to be deleted."""
        return self._db.execute("SELECT 1 FROM leaving LIMIT 1").fetchone() is not None

    def _leaving(self) -> list[int]:
        found = self._db.execute("SELECT repo FROM leaving ORDER BY repo LIMIT 1000")
        return [number for (number,) in found]

    def _delete_some(self, repo: int, limit: int, taken: Taken) -> int:
        rows.keep_last_id(self._db)
        first = "SELECT id FROM record WHERE repo = ? ORDER BY collection, rkey LIMIT ?"
        gone = self._db.execute(
            "SELECT collection, did, nsid, count(cid) FROM record JOIN repo ON repo.id = repo"
            f" JOIN collection ON collection.id = collection WHERE record.id IN ({first})"
            " GROUP BY collection",
            (repo, limit),
        ).fetchall()
        count = self._db.execute(f"DELETE FROM record WHERE id IN ({first})", (repo, limit))
        counting.keep(self._db, {number: More(-n, -n) for number, _, _, n in gone})
        taken += [(did, nsid, n) for _, did, nsid, n in gone if n]
        if count.rowcount < limit:
            self._db.execute("DELETE FROM leaving WHERE repo = ?", (repo,))
        return count.rowcount

    def _set(self, number: int, before: Hidden, after: Hidden) -> None:
        if before is after:
            return
        self._db.execute("UPDATE repo SET hidden = ? WHERE id = ?", (after, number))
        sign = bool(after) - bool(before)
        if sign:
            held = counting.of_repo(self._db, number)
            counting.keep(self._db, {collection: More(0, sign * n) for collection, n in held})
        if after is Hidden.BARRED:
            self._db.execute("INSERT INTO leaving VALUES (?)", (number,))
        elif before is Hidden.BARRED:
            self._db.execute("DELETE FROM leaving WHERE repo = ?", (number,))
        self._mark(number, marked=after is not Hidden.SHOWN)

    def _hidden(self, number: int) -> Hidden:
        query = "SELECT hidden FROM repo WHERE id = ?"
        return Hidden(self._db.execute(query, (number,)).fetchone()[0])

    def _is_marked(self, number: int) -> bool:
        at = number >> 3
        return at < len(self._bits) and bool(self._bits[at] >> (number & 7) & 1)

    def _mark(self, number: int, *, marked: bool = True) -> None:
        at, bit = number >> 3, 1 << (number & 7)
        if len(self._bits) <= at:
            self._bits.extend(bytes(at + 1 - len(self._bits)))
        self._bits[at] = self._bits[at] | bit if marked else self._bits[at] & ~bit
