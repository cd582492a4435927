"""What became of each repository: one class per DID, counted per job as it changes.

The one rule: counts are kept, never scanned; `tally` moves with every change of a class.
"""

import sqlite3
from collections.abc import Iterator, Sequence

from msgspec import Struct

from ..catalog.index import RecordsCommitted
from ..catalog.source import ReposObserved
from ..ids import Nsid
from .classes import Class, for_job

KEYS_MAX = 2000  # in one statement; SQLite takes 32,766


class _Repo(Struct):
    id: int
    kind: int
    handed: int | None
    account: str | None
    tap_state: str | None
    tap_error: str | None
    tap_records: int | None
    drained: int
    live: int
    aside: int


_COLUMNS = "id, class, handed, account, tap_state, tap_error, tap_records, drained, live, aside"


def began(db: sqlite3.Connection, job: int, collections: Sequence[Nsid]) -> None:
    """The job asks for these collections."""
    db.executemany("INSERT INTO target VALUES (?, ?)", [(job, nsid) for nsid in collections])


def discovered(
    db: sqlite3.Connection,
    job: int,
    keys: Sequence[bytes],
    position: int,
    collections: Sequence[Nsid],
) -> None:
    """The repositories `keys` (ids.pack_one) belong to `job`, found for these collections; those
    never seen before are made."""
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
        db.execute(
            f"INSERT INTO member (repo, job, held) SELECT id, ?, 0 {news}", (job, *some, job)
        )
        _hold(db, job, some, collections)


def _hold(
    db: sqlite3.Connection, job: int, keys: Sequence[bytes], collections: Sequence[Nsid]
) -> None:
    """Marks those that Tap had before the job began, and not for these collections."""
    held = db.execute(
        "SELECT repo.id, repo.class FROM repo JOIN member ON member.repo = repo.id"
        f" WHERE did IN ({_places(keys)}) AND member.job = ? AND member.held = 0"
        " AND handed < ? AND tap_state IS NOT 'unknown'"
        " AND (SELECT count(DISTINCT target.collection) FROM member AS earlier"
        "   JOIN target ON target.job = earlier.job WHERE earlier.repo = repo.id"
        "   AND earlier.job < ? AND earlier.held = 0"
        f"  AND target.collection IN ({_places(collections)})) < ?",
        (*keys, job, job, job, *collections, len(collections)),
    )
    for repo, kind in held.fetchall():
        _count(db, job, kind, -1)
        _count(db, job, for_job(kind, held=True), 1)
        db.execute("UPDATE member SET held = 1 WHERE repo = ? AND job = ?", (repo, job))
        db.execute("UPDATE repo SET held = 1 WHERE id = ?", (repo,))


def handed_off(db: sqlite3.Connection, keys: Sequence[bytes], position: int) -> None:
    """Tap accepted the repositories `keys`: what was only discovered is handed off now."""
    for some in _batches(keys):
        where = f"repo.did IN ({_places(some)})"
        moved = db.execute(
            "SELECT member.job, count(*) FROM repo JOIN member ON member.repo = repo.id"
            f" WHERE {where} AND class = 0 AND member.held = 0 GROUP BY member.job",
            some,
        )
        for job, n in moved.fetchall():
            _count(db, job, Class.DISCOVERED, -n)
            _count(db, job, Class.HANDED_OFF, n)
        db.execute(
            "UPDATE repo SET handed = coalesce(handed, ?), since = iif(class = 0, ?, since),"
            f" class = iif(class = 0, 1, class) WHERE {where}",
            (position, position, *some),
        )
        _known_again(db, some, position)


def _unhold(db: sqlite3.Connection, repo: _Repo) -> None:
    """Tap does not know it: what it is given from now on it fetches, and sends whole."""
    held = db.execute("SELECT job FROM member WHERE repo = ? AND held = 1", (repo.id,)).fetchall()
    for (job,) in held:
        _count(db, job, for_job(repo.kind, held=True), -1)
        _count(db, job, for_job(repo.kind, held=False), 1)
    db.execute("UPDATE member SET held = 0 WHERE repo = ?", (repo.id,))
    db.execute("UPDATE repo SET held = 0 WHERE id = ?", (repo.id,))


def _known_again(db: sqlite3.Connection, keys: Sequence[bytes], position: int) -> None:
    """What Tap had forgotten and has now taken again begins anew: all of it will be sent."""
    where = f"did IN ({_places(keys)}) AND tap_state = 'unknown'"
    forgotten = db.execute(f"SELECT did FROM repo WHERE {where}", keys).fetchall()
    db.execute(
        "UPDATE repo SET tap_state = NULL, tap_error = NULL, tap_records = NULL, drained = 0,"
        f" aside = 0, handed = ? WHERE {where}",
        (position, *keys),
    )
    for (key,) in forgotten:
        _reclass(db, _known(db, key, position), position)


def observed(db: sqlite3.Connection, event: ReposObserved, position: int) -> None:
    """Tap answered for some repositories."""
    for seen in event.observations:
        repo = _repo(db, seen.repo)
        if repo is None:
            continue
        db.execute(
            "UPDATE repo SET tap_state = ?, tap_error = ?, rev = ?, tap_records = ?, observed = ?,"
            " drained = ? WHERE id = ?",
            (
                seen.state, seen.error, seen.rev, seen.records, position,
                drained := int(event.drained and seen.state == "active"), repo.id,
            ),
        )  # fmt: skip
        repo.tap_state, repo.tap_error, repo.tap_records = seen.state, seen.error, seen.records
        repo.drained = drained
        if seen.state == "unknown":
            _unhold(db, repo)
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


def _batches(keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """At most as many at once as fit into one statement, each once."""
    each = list(dict.fromkeys(keys))
    for at in range(0, len(each), KEYS_MAX):
        yield each[at : at + KEYS_MAX]


def _places(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _class(repo: _Repo) -> Class:
    if repo.account not in (None, "active"):
        return Class.GONE
    came = repo.live + repo.aside
    match repo.tap_state:
        # `aside` is no measure: what came and was not kept may come again, and count again
        case "active" if repo.drained or repo.live >= (repo.tap_records or 0):
            return Class.SYNCED if repo.live else Class.EMPTY
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
    jobs = db.execute("SELECT job, held FROM member WHERE repo = ?", (repo.id,))
    for job, held in jobs.fetchall():
        _count(db, job, for_job(repo.kind, held=held), -1)
        _count(db, job, for_job(after, held=held), 1)
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
