"""Which repositories stand behind a number of the coverage: pages of them, and one by itself.

The one rule: a page costs what it shows. Which blocks of repositories have any of a class is kept
(`tally`), so none is looked through in vain, however many there are.
"""

import sqlite3
from bisect import bisect_left
from collections.abc import Collection, Iterator
from typing import Any

from msgspec import Struct

from ..faults import Fault
from ..ids import Did, Nsid
from . import apart, pages
from .classes import Class, Held, Need, Out, for_job
from .pages import Homes
from .repo import IDS_MAX, counters_of, places
from .tally import ALL, BLOCK_BITS, fault_in


class Listed(Struct, frozen=True):
    """A repository, and what is known of it. `kind` is its class for who asked, since the event at
    position `since`; see schema.sql for the rest. `due` and `need_at` are unix seconds."""

    id: int
    did: Did
    kind: Class
    since: int
    live: int
    removed: int
    aside: int
    handed: int | None
    account: str | None
    handle: str | None
    tap_state: str | None
    error: str | None
    rev: str | None
    tap_records: int | None
    observed: int | None
    retries: int
    fault: Fault
    host: str | None
    out: Out
    due: int
    need: Need
    need_at: int
    differs: str | None


_COLUMNS = (
    "id, class, since, live, removed, aside, handed, account, handle, tap_state, tap_error, rev,"
    " tap_records, observed, coalesce(retries, 0), coalesce(fault, 0), host.name, coalesce(out, 0),"
    " due, need, need_at, differs, apart"
)


def page(
    db: sqlite3.Connection, counter: int, codes: Collection[int], after: int, limit: int
) -> list[Listed]:
    """The first `limit` repositories with `id > after` that `counter` (a job, minus a collection's
    number, 0 for all) counts under one of `codes`, each a Class or a tally.of_fault."""
    found: list[tuple[int, int]] = []
    block = (after + 1) >> BLOCK_BITS
    while len(found) < limit and (upcoming := _next_block(db, counter, codes, block)) is not None:
        found += _of_block(db, counter, codes, upcoming, after)
        block = upcoming + 1
    return _read(db, dict(found[:limit]))


def ranked(
    db: sqlite3.Connection, counter: int, codes: Collection[int], ranks: Collection[int]
) -> list[Did]:
    """The repositories at these ranks, in rising order, of those that `counter` counts under one of
    `codes`: 0 is the first of them by number. No two codes have a repository in common. A rank that
    there is not is left out. A step a block, not a repository."""
    wanted, at, found = sorted({*ranks}), 0, list[int]()
    first = 0  # rank of the first repository of the block
    for block, n in _blocks(db, counter, codes):
        upto = bisect_left(wanted, first + n, at)
        if upto > at:
            numbers = sorted(number for number, _ in _of_block(db, counter, codes, block, 0))
            found += [numbers[rank - first] for rank in wanted[at:upto]]
        at, first = upto, first + n
        if at == len(wanted):
            break
    return pages.named(db, found)


def said_to_differ(
    db: sqlite3.Connection, known: Collection[int], nsids: Collection[Nsid]
) -> list[int]:
    """Those of `known` that differed from their servers in one of these collections, when they were
    compared last."""
    rows = db.execute(
        f"SELECT repo, apart FROM seen WHERE repo IN ({places([*known])}) AND apart IS NOT NULL",
        [*known],
    )
    return [number for number, kept in rows if apart.differs(kept, nsids)]


def one(db: sqlite3.Connection, number: int) -> tuple[Listed, dict[int, Class]]:
    """The repository with this number as it is, and its class for each counter that has it."""
    (row,) = db.execute("SELECT class FROM repo WHERE id = ?", (number,)).fetchall()
    kind = int(row[0])
    rows = db.execute("SELECT job, held FROM member WHERE repo = ?", (number,))
    held = dict.fromkeys(Homes(db, [number])[number], 0) | dict(rows.fetchall())
    (listed,) = _read(db, {number: kind})
    return listed, {counter: Class(for_job(kind, how)) for counter, how in held.items()}


def differing(db: sqlite3.Connection, counter: int, after: int, limit: int) -> list[Listed]:
    """The first `limit` repositories with `id > after` that `counter` has and whose rows are not
    what they should be."""
    return _read(db, dict(_differing(db, counter, after, limit)))


def differ(db: sqlite3.Connection, counter: int, most: int) -> int:
    """How many those are, at most `most`: they are not counted as they change."""
    return len(_differing(db, counter, 0, most))


def left_to_differ(db: sqlite3.Connection, most: int) -> list[Did]:
    """Those of the first `most` that differ, though they are fetched and nothing more is done about
    it by itself."""
    rows = db.execute(
        "SELECT id FROM (SELECT repo FROM seen WHERE differs IS NOT NULL OR apart IS NOT NULL"
        " ORDER BY repo LIMIT ?) JOIN repo ON id = repo"
        f" WHERE need = {Need.NONE:d} AND class IN ({Class.SYNCED:d}, {Class.EMPTY:d}) ORDER BY id",
        (most,),
    )
    return pages.named(db, [number for (number,) in rows])


def _differing(
    db: sqlite3.Connection, counter: int, after: int, limit: int
) -> list[tuple[int, int]]:
    """(number, class for the counter) of them."""
    found: list[tuple[int, int]] = []
    while len(found) < limit:
        rows = db.execute(
            "SELECT id, class FROM seen JOIN repo ON id = repo"
            " WHERE (differs IS NOT NULL OR apart IS NOT NULL) AND repo > ? ORDER BY repo LIMIT ?",
            (after, IDS_MAX),
        ).fetchall()
        counters = counters_of(db, [number for number, _ in rows])
        for number, kind in rows:
            held = dict(counters[number]).get(counter)
            if held is not None:
                found.append((number, int(for_job(kind, held))))
        if len(rows) < IDS_MAX:
            break
        # of many that differ none may be counted there: to the next of its own
        block = _next_block(db, counter, [*Class], (rows[-1][0] + 1) >> BLOCK_BITS)
        if block is None:
            break
        after = max(rows[-1][0], (block << BLOCK_BITS) - 1)
    return found[:limit]


def reason(one: Listed) -> str:
    """Why it failed, or is gone."""
    if one.kind is Class.GONE:
        return f"the account is {one.account}"
    if one.fault is Fault.FORGOTTEN:
        return "Tap does not know it: it was removed there, or Tap lost its database"
    return one.error or "Tap gives no reason"


def _next_block(
    db: sqlite3.Connection, counter: int, codes: Collection[int], block: int
) -> int | None:
    first = [
        db.execute(
            "SELECT min(block) FROM zone WHERE job = ? AND class = ? AND block >= ?",
            (counter, code, block),
        ).fetchone()[0]
        for code in codes
    ]
    return min((one for one in first if one is not None), default=None)


def _blocks(
    db: sqlite3.Connection, counter: int, codes: Collection[int]
) -> Iterator[tuple[int, int]]:
    """(block, how many in it), in order."""
    return db.execute(
        f"SELECT block, sum(n) FROM zone WHERE job = ? AND class IN ({places([*codes])})"
        " GROUP BY block ORDER BY block",
        (counter, *codes),
    )


def _of_block(
    db: sqlite3.Connection, counter: int, codes: Collection[int], block: int, after: int
) -> list[tuple[int, int]]:
    """(number, class for the counter) of those in the block."""
    first = max(after + 1, block << BLOCK_BITS)
    classes = {code for code in codes if fault_in(code) is None}
    faults = {fault for code in codes if (fault := fault_in(code)) is not None}
    kinds = sorted({*map(int, classes), *((int(Class.FAILED),) if faults else ())})
    rows = db.execute(
        "SELECT id, class, coalesce(fault, 0), held_by.held FROM repo"
        " LEFT JOIN seen ON seen.repo = id"
        " LEFT JOIN member AS held_by ON held_by.repo = id AND held_by.job = ?"
        f" WHERE id >= ? AND id < ? AND (class IN ({places(kinds)}) OR held_by.held > 0)",
        (counter, first, (block + 1) << BLOCK_BITS, *kinds),
    ).fetchall()
    homes = Homes(db, [number for number, *_ in rows])
    found: list[tuple[int, int]] = []
    for number, kind, fault, held in rows:
        if held is None and counter != ALL and counter not in homes[number]:
            continue
        code = int(for_job(kind, Held.NOT if held is None else held))
        if code in classes or (code == Class.FAILED and fault in faults):
            found.append((number, code))
    return found


def _read(db: sqlite3.Connection, kinds: dict[int, int]) -> list[Listed]:
    """The repositories with these numbers, in rising order, each with the class that is given."""
    numbers = sorted(kinds)
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM repo LEFT JOIN seen ON seen.repo = id"
        f" LEFT JOIN host ON host.number = seen.host WHERE id IN ({places(numbers)}) ORDER BY id",
        numbers,
    ).fetchall()
    found: list[Listed] = []
    for did, row in zip(pages.named(db, numbers), rows, strict=True):
        number, _, *known, fault, host, out, due, need, need_at, differs, kept = row
        why = "; ".join(filter(None, (differs, kept and apart.says(kept)))) or None
        rest: list[Any] = [*known, Fault(fault), host, Out(out), due, Need(need), need_at, why]
        found.append(Listed(number, did, Class(kinds[number]), *rest))
    return found
