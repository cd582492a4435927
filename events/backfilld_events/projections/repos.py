"""Questions about repositories, answered from what `coverage` keeps. Reads only."""

import sqlite3

from msgspec import Struct

from ..ids import Did
from . import pages
from .classes import Class


def counts(db: sqlite3.Connection, job: int) -> dict[Class, int]:
    """How many repositories of the job stand in each class."""
    rows = db.execute("SELECT class, n FROM tally WHERE job = ?", (job,))
    return {Class(kind): n for kind, n in rows if n}


def dead_letters(db: sqlite3.Connection) -> int:
    """How many records of all receipts went to the dead letters."""
    (n,) = db.execute("SELECT coalesce(sum(dead), 0) FROM delivered").fetchone()
    return int(n)


class Asked(Struct, frozen=True):
    """A repository to ask Tap about, with its last answer: state, error, rev, records.
    `arriving`: its records are not all here, as far as we know, or may be here again."""

    id: int
    did: Did
    arriving: bool
    last: tuple[str | None, str | None, str | None, int | None]


def to_ask(db: sqlite3.Connection, after: int, limit: int, *, failed: bool) -> list[Asked]:
    """Repositories with `id > after` that Tap has and that are open, or failed if asked so."""
    # word for word the conditions of the partial indexes in schema.sql
    which = "class IN (6, 7) AND class = 6" if failed else "(class IN (1, 2, 5) OR held = 1)"
    rows = db.execute(
        "SELECT id, class IN (1, 2) OR (again = 2 AND live >= tap_records),"
        " tap_state, tap_error, rev, tap_records FROM repo LEFT JOIN seen ON seen.repo = repo.id"
        f" WHERE {which} AND handed IS NOT NULL AND id > ? ORDER BY id LIMIT ?",
        (after, limit),
    ).fetchall()
    dids = pages.named(db, [number for number, *_ in rows])
    return [
        Asked(number, did, bool(arriving), (*last,))
        for did, (number, arriving, *last) in zip(dids, rows, strict=True)
    ]


class Unfit(Struct, frozen=True):
    """A repository whose records are not here, and why."""

    did: Did
    kind: Class
    reason: str
    since: int


def failures(db: sqlite3.Connection, job: int, limit: int) -> list[Unfit]:
    """Repositories of the job that failed or are gone, with the reason; oldest first."""
    rows = db.execute(
        "SELECT id, class, account, tap_state, tap_error, since FROM repo"
        " LEFT JOIN seen ON seen.repo = repo.id WHERE class IN (6, 7) AND (? ="
        " (SELECT job FROM page WHERE base <= repo.id ORDER BY base DESC LIMIT 1) OR EXISTS"
        " (SELECT 1 FROM member WHERE member.repo = repo.id AND member.job = ?))"
        " ORDER BY id LIMIT ?",
        (job, job, limit),
    ).fetchall()
    dids = pages.named(db, [number for number, *_ in rows])
    return [
        Unfit(did, Class(kind), _reason(Class(kind), account, state, error), since)
        for did, (_, kind, account, state, error, since) in zip(dids, rows, strict=True)
    ]


def _reason(kind: Class, account: str | None, state: str | None, error: str | None) -> str:
    if kind is Class.GONE:
        return f"the account is {account}"
    if state == "unknown":
        return "Tap does not know it: it was removed there, or Tap lost its database"
    return error or "Tap gives no reason"
