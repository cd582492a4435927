"""What became of each repository: one class per DID, counted per job as it changes.

The one rule: counts are kept, never scanned; `tally` moves with every change of a class.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from enum import IntEnum

from msgspec import Struct

from ..catalog.index import RecordsCommitted
from ..catalog.source import Observation
from ..ids import Did, pack_each


class Class(IntEnum):
    """Where a repository stands. `open`: DISCOVERED, HANDED_OFF, ARRIVING and PARKED."""

    DISCOVERED = 0
    HANDED_OFF = 1
    ARRIVING = 2
    SYNCED = 3
    EMPTY = 4
    PARKED = 5
    FAILED = 6
    GONE = 7


OPEN = frozenset({Class.DISCOVERED, Class.HANDED_OFF, Class.ARRIVING, Class.PARKED})


class _Repo(Struct):
    id: int
    kind: int
    handed: int | None
    account: str | None
    tap_state: str | None
    tap_error: str | None
    tap_records: int | None
    live: int
    aside: int


_COLUMNS = "id, class, handed, account, tap_state, tap_error, tap_records, live, aside"


def discovered(db: sqlite3.Connection, job: int, dids: Sequence[Did], position: int) -> None:
    """`dids` belong to `job`; those never seen before become repositories."""
    keys = pack_each(dids)
    db.executemany(
        "INSERT INTO repo (did, class, since) VALUES (?, 0, ?) ON CONFLICT DO NOTHING",
        [(key, position) for key in keys],
    )
    news: dict[int, int] = {}
    for key in keys:
        repo, kind = db.execute("SELECT id, class FROM repo WHERE did = ?", (key,)).fetchone()
        added = db.execute(
            "INSERT INTO member (repo, job) VALUES (?, ?) ON CONFLICT DO NOTHING", (repo, job)
        )
        if added.rowcount == 1:
            news[kind] = news.get(kind, 0) + 1
    for kind, n in news.items():
        _count(db, job, kind, n)


def handed_off(db: sqlite3.Connection, dids: Iterable[Did], position: int) -> None:
    """Tap accepted `dids`."""
    for key in pack_each(dids):
        repo = _repo(db, key)
        if repo is not None:
            db.execute("UPDATE repo SET handed = ? WHERE id = ?", (position, repo.id))
            repo.handed = position
            _reclass(db, repo, position)


def observed(db: sqlite3.Connection, observations: Sequence[Observation], position: int) -> None:
    """Tap answered for some repositories."""
    for seen in observations:
        repo = _repo(db, seen.repo)
        if repo is None:
            continue
        db.execute(
            "UPDATE repo SET tap_state = ?, tap_error = ?, rev = ?, tap_records = ?, observed = ?"
            " WHERE id = ?",
            (seen.state, seen.error, seen.rev, seen.records, position, repo.id),
        )
        repo.tap_state, repo.tap_error, repo.tap_records = seen.state, seen.error, seen.records
        _reclass(db, repo, position)


def committed(db: sqlite3.Connection, event: RecordsCommitted, position: int) -> None:
    """Receipts came in: records arrived, accounts changed."""
    for tally in event.tallies:
        repo = _known(db, tally.repo, position)
        repo.live += tally.inserted - tally.deleted
        repo.aside += tally.dead + tally.ignored
        db.execute(
            "UPDATE repo SET live = ?, aside = ? WHERE id = ?", (repo.live, repo.aside, repo.id)
        )
        _reclass(db, repo, position)
    for account in event.accounts:
        repo = _known(db, account.repo, position)
        repo.account = account.status
        db.execute(
            "UPDATE repo SET account = ?, handle = ? WHERE id = ?",
            (account.status, account.handle, repo.id),
        )
        _reclass(db, repo, position)


def counts(db: sqlite3.Connection, job: int) -> dict[Class, int]:
    """How many repositories of the job stand in each class."""
    rows = db.execute("SELECT class, n FROM tally WHERE job = ?", (job,))
    return {Class(kind): n for kind, n in rows if n}


def _class(repo: _Repo) -> Class:
    if repo.account not in (None, "active"):
        return Class.GONE
    came = repo.live + repo.aside
    match repo.tap_state:
        case "active" if came >= (repo.tap_records or 0):
            return Class.SYNCED if came else Class.EMPTY
        case "error" | "unknown":
            return Class.FAILED
        case "desynchronized" if not repo.tap_error:
            return Class.PARKED  # tap: an empty error means that the host is rate-limiting
    if came:
        return Class.ARRIVING
    return Class.DISCOVERED if repo.handed is None else Class.HANDED_OFF


def _reclass(db: sqlite3.Connection, repo: _Repo, position: int) -> None:
    after = _class(repo)
    if after == repo.kind:
        return
    db.execute("UPDATE repo SET class = ?, since = ? WHERE id = ?", (int(after), position, repo.id))
    for (job,) in db.execute("SELECT job FROM member WHERE repo = ?", (repo.id,)).fetchall():
        _count(db, job, repo.kind, -1)
        _count(db, job, after, 1)
    repo.kind = after


def _count(db: sqlite3.Connection, job: int, kind: int, n: int) -> None:
    db.execute(
        "INSERT INTO tally (job, class, n) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET n = n + excluded.n",
        (job, int(kind), n),
    )


def _repo(db: sqlite3.Connection, key: bytes) -> _Repo | None:
    row = db.execute(f"SELECT {_COLUMNS} FROM repo WHERE did = ?", (key,)).fetchone()
    return None if row is None else _Repo(*row)


def _known(db: sqlite3.Connection, key: bytes, position: int) -> _Repo:
    """The repository, made if Tap tells of one that no job of ours has found."""
    repo = _repo(db, key)
    if repo is None:
        db.execute("INSERT INTO repo (did, class, since) VALUES (?, 0, ?)", (key, position))
        repo = _repo(db, key)
        assert repo is not None  # noqa: S101 - just inserted, in this transaction
    return repo
