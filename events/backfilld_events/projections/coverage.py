"""What became of each repository: one class per DID, counted per job as it changes.

The one rule: counts are kept, never scanned; `tally` moves with every change of a class.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from enum import IntEnum

from msgspec import Struct

from ..catalog.index import RecordsCommitted
from ..catalog.source import Observation
from ..ids import Did, unpack_one

KEYS_MAX = 2000  # in one statement; SQLite takes 32,766


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


def discovered(db: sqlite3.Connection, job: int, keys: Sequence[bytes], position: int) -> None:
    """The repositories `keys` (ids.pack_one) belong to `job`; those never seen before are made."""
    for some in _batches(keys):
        db.executemany(
            "INSERT INTO repo (did, class, since) VALUES (?, 0, ?) ON CONFLICT DO NOTHING",
            [(key, position) for key in some],
        )
        news = (
            f"FROM repo WHERE did IN ({_places(some)}) AND NOT EXISTS"
            " (SELECT 1 FROM member WHERE member.repo = repo.id AND member.job = ?)"
        )
        found = db.execute(f"SELECT class, count(*) {news} GROUP BY class", (*some, job))
        for kind, n in found.fetchall():
            _count(db, job, kind, n)
        db.execute(f"INSERT INTO member (repo, job) SELECT id, ? {news}", (job, *some, job))


def handed_off(db: sqlite3.Connection, keys: Sequence[bytes], position: int) -> None:
    """Tap accepted the repositories `keys`: what was only discovered is handed off now."""
    for some in _batches(keys):
        where = f"repo.did IN ({_places(some)})"
        moved = db.execute(
            "SELECT member.job, count(*) FROM repo JOIN member ON member.repo = repo.id"
            f" WHERE {where} AND class = 0 GROUP BY member.job",
            some,
        )
        for job, n in moved.fetchall():
            _count(db, job, Class.DISCOVERED, -n)
            _count(db, job, Class.HANDED_OFF, n)
        db.execute(
            "UPDATE repo SET handed = ?, since = iif(class = 0, ?, since),"
            f" class = iif(class = 0, 1, class) WHERE {where}",
            (position, position, *some),
        )


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


class Asked(Struct, frozen=True):
    """A repository to ask Tap about, with its last answer: state, error, rev, records."""

    id: int
    did: Did
    last: tuple[str | None, str | None, str | None, int | None]


def to_ask(db: sqlite3.Connection, after: int, limit: int, *, failed: bool) -> list[Asked]:
    """Repositories with `id > after` that Tap has and that are open, or failed if asked so."""
    # word for word the conditions of the partial indexes in schema.sql
    classes = "IN (6, 7) AND class = 6" if failed else "IN (1, 2, 5)"
    rows = db.execute(
        "SELECT id, did, tap_state, tap_error, rev, tap_records FROM repo"
        f" WHERE class {classes} AND handed IS NOT NULL AND id > ? ORDER BY id LIMIT ?",
        (after, limit),
    )
    return [Asked(number, unpack_one(did), (*last,)) for number, did, *last in rows]


class Unfit(Struct, frozen=True):
    """A repository whose records are not here, and why."""

    did: Did
    kind: Class
    reason: str
    since: int


def failures(db: sqlite3.Connection, job: int, limit: int) -> list[Unfit]:
    """Repositories of the job that failed or are gone, with the reason; oldest first."""
    rows = db.execute(
        "SELECT did, class, account, tap_state, tap_error, since FROM repo"
        " WHERE class IN (6, 7) AND EXISTS"
        " (SELECT 1 FROM member WHERE member.repo = repo.id AND member.job = ?)"
        " ORDER BY id LIMIT ?",
        (job, limit),
    )
    return [
        Unfit(unpack_one(did), Class(kind), _reason(Class(kind), account, state, error), since)
        for did, kind, account, state, error, since in rows
    ]


def _reason(kind: Class, account: str | None, state: str | None, error: str | None) -> str:
    if kind is Class.GONE:
        return f"the account is {account}"
    if state == "unknown":
        return "Tap does not know it: it was removed there, or Tap lost its database"
    return error or "Tap gives no reason"


def _batches(keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """At most as many at once as fit into one statement, each once."""
    each = list(dict.fromkeys(keys))
    for at in range(0, len(each), KEYS_MAX):
        yield each[at : at + KEYS_MAX]


def _places(keys: Sequence[bytes]) -> str:
    return ",".join("?" * len(keys))


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
