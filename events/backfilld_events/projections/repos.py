"""Questions about repositories, answered from what the projections keep. Reads only."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from ..faults import Fault
from ..ids import Nsid
from . import pages
from .asked import Asked
from .classes import UNSETTLED, Ask, Class, Need
from .repo import batches, places
from .tally import ALL, FOUND, fault_in

_LAST = "tap_state, tap_error, rev, tap_records, retries"


def counts(db: sqlite3.Connection, counter: int) -> dict[Class, int]:
    """How many repositories stand in each class: of a job, of a collection (under minus its
    number), or of all (0)."""
    rows = db.execute("SELECT class, n FROM tally WHERE job = ? AND class <> ?", (counter, FOUND))
    return {Class(code): n for code, n in rows if n and fault_in(code) is None}


def found(db: sqlite3.Connection, counter: int) -> int:
    """How many repositories that counter has: told by what was found, not by the classes."""
    row = db.execute("SELECT n FROM tally WHERE job = ? AND class = ?", (counter, FOUND)).fetchone()
    return 0 if row is None else int(row[0])


def faults(db: sqlite3.Connection, counter: int) -> dict[Fault, int]:
    """How many of the failed ones failed in which way."""
    rows = db.execute("SELECT class, n FROM tally WHERE job = ?", (counter,)).fetchall()
    return {Fault(fault): n for code, n in rows if n and (fault := fault_in(code)) is not None}


def unsettled(db: sqlite3.Connection) -> int:
    """How many repositories are with Tap, which has still work with them."""
    found = counts(db, ALL)
    return sum(found.get(kind, 0) for kind in UNSETTLED)


def expected(db: sqlite3.Connection) -> int:
    """How many repositories Tap should know, at least: those that fail may be out of it."""
    found = counts(db, ALL)
    kinds = (*UNSETTLED, Class.SYNCED, Class.EMPTY, Class.HELD)
    return sum(found.get(kind, 0) for kind in kinds)


def dead_letters(db: sqlite3.Connection) -> int:
    """How many records of all receipts went to the dead letters."""
    (n,) = db.execute("SELECT coalesce(sum(dead), 0) FROM delivered").fetchone()
    return int(n)


def due(db: sqlite3.Connection, ask: Ask, now: float, limit: int) -> list[int]:
    """The numbers of repositories of this queue whose turn has come, the longest due first."""
    rows = db.execute(
        "SELECT id FROM repo WHERE ask = ? AND due <= ? AND ask > 0 ORDER BY due LIMIT ?",
        (int(ask), now, limit),
    )
    return [number for (number,) in rows]


def to_ask(db: sqlite3.Connection, numbers: Sequence[int]) -> list[Asked]:
    """These repositories, with what Tap has said of them."""
    rows: list[tuple[Any, ...]] = []
    for some in batches(numbers):
        rows += db.execute(
            f"SELECT id, class IN (1, 2) OR doubt, {_LAST}, host.name, before, ask, handle, mended"
            " FROM repo LEFT JOIN seen ON seen.repo = id LEFT JOIN host ON host.number = seen.host"
            f" WHERE id IN ({places(some)})",
            some,
        )
    return _asked(db, rows)


def needy(db: sqlite3.Connection, need: Need, now: float, limit: int) -> list[Asked]:
    """Repositories for which something is to be done, from now on, the longest first."""
    rows = db.execute(
        f"SELECT id, class IN (1, 2) OR doubt OR sweep, {_LAST}, host.name, before, ask, handle,"
        " mended FROM repo LEFT JOIN seen ON seen.repo = id"
        " LEFT JOIN host ON host.number = seen.host"
        " WHERE need = ? AND need_at <= ? AND need > 0 ORDER BY need_at LIMIT ?",
        (int(need), now, limit),
    ).fetchall()
    return _asked(db, rows)


def with_tap(db: sqlite3.Connection, after: int, limit: int) -> list[Asked]:
    """Repositories with `id > after` that should be with Tap, in order of id: for a census."""
    rows = db.execute(
        f"SELECT id, 0, {_LAST}, NULL, NULL, ask, handle, mended"
        " FROM repo LEFT JOIN seen ON seen.repo = id"
        " WHERE handed IS NOT NULL AND coalesce(account, '') <> 'deleted' AND id > ?"
        " ORDER BY id LIMIT ?",
        (after, limit),
    ).fetchall()
    return _asked(db, rows)


def _asked(db: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> list[Asked]:
    ordered = sorted(row[0] for row in rows)
    names = dict(zip(ordered, pages.named(db, ordered), strict=True))
    return [
        Asked(
            number, names[number], Ask(ask), bool(unsure),
            (state, error, rev, records, retries or 0), host, before, handle, bool(mended),
        )
        for number, unsure, state, error, rev, records, retries, host, before, ask, handle, mended
        in rows
    ]  # fmt: skip


def delivered_since(db: sqlite3.Connection, position: int) -> set[Nsid]:
    """The collections of which Tap has sent records after `position`."""
    rows = db.execute("SELECT collection FROM delivered WHERE last > ?", (position,))
    return {Nsid(nsid) for (nsid,) in rows}
