"""What Tap and the index tell of repositories: answers of /info, records that came, accounts."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Sequence

from ..catalog.index import GhostsRemoved, RecordsCommitted, RecordsRemoved, RowsRecounted
from ..catalog.index import Tally as Receipts
from ..catalog.reconcile import Difference, ReposCompared
from ..catalog.source import Observation, ReposDiffer, ReposObserved
from ..faults import Fault, fault_of
from ..folds.reconcile import Reconcile
from ..ids import unpack_keys
from . import apart, coverage, emptied, jobs, joining, judged, pages
from .judged import Repo
from .numbers import Numbers
from .pages import Page
from .repo import counters_of, load, save
from .tally import Tally

_COUNTS = ("inserted", "updated", "deleted", "unchanged", "stale", "dead", "ignored")
_FETCHING = ("pending", "resyncing", "desynchronized", "error")


def observed(
    db: sqlite3.Connection, numbers: Numbers, event: ReposObserved, position: int, at: float
) -> None:
    """Tap answered for some repositories; of those that nothing has named it is not believed, nor
    what may be from before they were taken out or given to it anew."""
    found = numbers.find([seen.repo for seen in event.observations])
    again = unpack_keys(event.unchanged) if event.unchanged else []
    same = [number for number in numbers.find(again) if number is not None]
    known = load(db, {number for number in found if number is not None}.union(same))
    repos = {number: repo for number, repo in known.items() if _is_now(repo, event.asked)}
    same = [number for number in same if number in repos]
    tally = Tally()
    freed: list[Repo] = []
    for seen, number in zip(event.observations, found, strict=True):
        if number is None or number not in repos:
            continue
        repo = repos[number]
        if _take_in(db, repo, seen, position, drained=event.drained):
            freed.append(repo)
    joining.free(db, freed, tally)
    for number in same:
        _hold_against(repos[number])
    save(db, repos.values(), tally, position, at, told=True, unchanged=frozenset(same))
    tally.write(db)


def _is_now(repo: Repo, asked: int) -> bool:
    """Whether an answer that was asked for at position `asked` is of what Tap has now."""
    return not repo.out and (not asked or (repo.handed or 0) <= asked)


def _take_in(
    db: sqlite3.Connection, repo: Repo, seen: Observation, position: int, *, drained: bool
) -> bool:
    """Notes what Tap says of it now. Whether nobody is to hold it any more, since Tap does not know
    it, or has still to fetch it."""
    known = repo.tap_state == "active" or repo.rev is not None
    if repo.lost and seen.state == "pending":  # nothing of it came into the index that was lost
        known = True
    to_fetch = seen.state in _FETCHING and seen.rev is None
    if known and to_fetch:
        repo.begins_anew(position)
        repo.before = None  # it was not asked for right before: rows may be newer
    if seen.state == "active" and Fault(repo.fault) in judged.DEPARTED:
        repo.back = judged.FETCHED if repo.account not in (None, "active") else repo.back
    same = (repo.rev, repo.tap_records) == (seen.rev, seen.records)
    repo.tap_state, repo.tap_error, repo.rev = seen.state, seen.error, seen.rev
    repo.tap_records, repo.observed, repo.retries = seen.records, position, seen.retries
    repo.fault = int(fault_of(seen.state, seen.error))
    repo.drained = int(drained and seen.state == "active")
    if seen.host:
        repo.host = _host(db, seen.host)
    if not same:
        repo.doubt = 0
    _hold_against(repo)
    return to_fetch or seen.state == "unknown"


def _hold_against(repo: Repo) -> None:
    """Tap's count is of now: whether it fits what is here. Believed when it was so twice, for what
    comes meanwhile may be in the one and not in the other; then until it is seen to fit."""
    if repo.tap_state != "active":
        repo.differs, repo.doubt = None, 0
    elif repo.drained:  # else it is not known
        why = judged.unlike(repo)
        repo.differs = why if repo.doubt or repo.differs else None
        repo.doubt = int(why is not None and repo.differs is None)
        repo.mended = repo.mended if why else 0


def _host(db: sqlite3.Connection, name: str) -> int:
    db.execute("INSERT INTO host (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
    (number,) = db.execute("SELECT number FROM host WHERE name = ?", (name,)).fetchone()
    return int(number)


def differ(
    db: sqlite3.Connection, numbers: Numbers, event: ReposDiffer, position: int, at: float
) -> None:
    """Rows were held against something else, and why they differ is named."""
    found = numbers.find([one.repo for one in event.differing])
    repos = load(db, {number for number in found if number is not None})
    for one, number in zip(event.differing, found, strict=True):
        if number is not None:
            repo = repos[number]
            repo.differs, repo.sweep = one.why or None, 0
            repo.mended = int(bool(one.why) and not one.mend)
    tally = Tally()
    save(db, repos.values(), tally, position, at, told=True)
    tally.write(db)


def compared(
    db: sqlite3.Connection,
    numbers: Numbers,
    event: ReposCompared,
    asked: Reconcile,
    position: int,
    at: float,
) -> None:
    """Rows were held against the servers: how each differs is noted, and that it does no more."""
    by_key: defaultdict[bytes, list[Difference]] = defaultdict(list)
    for one in event.differing:
        by_key[one.repo].append(one)
    keys = [*by_key, *unpack_keys(event.again)]
    known = {
        number: key
        for key, number in zip(keys, numbers.find(keys), strict=True)
        if number is not None
    }
    repos = load(db, known)
    for number, repo in repos.items():
        found = by_key.get(known[number], [])
        repo.apart = apart.after(repo.apart, asked.collections, found)
        to_mend = repo.mend or (found and asked.repair)
        repo.mend = int(bool(to_mend) and repo.apart is not None)
    tally = Tally()
    save(db, repos.values(), tally, position, at, told=True)
    tally.write(db)


def committed(
    db: sqlite3.Connection, numbers: Numbers, event: RecordsCommitted, position: int, at: float
) -> None:
    """Receipts came in: records arrived, accounts changed."""
    keys = pages.keys_named(event)
    tally = Tally()
    number_of = dict(zip(keys, _numbers(db, numbers, keys, position, tally), strict=True))
    repos = load(db, set(number_of.values()))
    for one in event.tallies:
        repo = repos[number_of[one.repo]]
        repo.live += one.inserted - one.deleted
        if one.deleted and repo.sweep:
            repo.sweep = judged.LOOK
        repo.aside += one.dead + one.ignored
        repo.came += one.inserted + one.updated + one.unchanged + one.stale + one.dead + one.ignored
    for account in event.accounts:
        repo = repos[number_of[account.repo]]
        if account.status == "active" and repo.account not in (None, "active"):
            repo.back = 1
        repo.account, repo.handle = account.status, account.handle
    told = {number_of[account.repo] for account in event.accounts}
    named = [repo for repo in repos.values() if repo.id in told]
    save(db, named, tally, position, at, told=True)
    counted = [repo for repo in repos.values() if repo.id not in told]
    save(db, counted, tally, position, at, told=False)
    tally.write(db)
    _count(db, event, number_of)
    _add_up(db, event, position)


def removed(
    db: sqlite3.Connection, numbers: Numbers, event: RecordsRemoved, position: int, at: float
) -> None:
    """Somebody took records out of the index. They had come, so nothing more is waited for."""
    found = numbers.find([one.repo for one in event.repos])
    repos = load(db, {number for number in found if number is not None})
    for one, number in zip(event.repos, found, strict=True):
        if number is not None:
            repos[number].live -= one.count
            repos[number].removed += one.count
    tally = Tally()
    save(db, repos.values(), tally, position, at, told=False)
    tally.write(db)
    if event.uri is None and event.last:
        emptied.done(db, event.collection)
    _delete(db, event.collection, sum(one.count for one in event.repos))


def ghosts(
    db: sqlite3.Connection, numbers: Numbers, event: GhostsRemoved, position: int, at: float
) -> None:
    """Rows that a refetch did not bring were removed."""
    (number,) = numbers.find([event.repo])
    for nsid, count in event.collections:
        _delete(db, nsid, count)
    if number is None:
        return
    (repo,) = load(db, [number]).values()
    repo.live -= sum(count for _, count in event.collections)
    repo.sweep, repo.differs, repo.mended = 0, None, 0
    tally = Tally()
    save(db, [repo], tally, position, at, told=True)
    tally.write(db)


def recounted(
    db: sqlite3.Connection, numbers: Numbers, event: RowsRecounted, position: int, at: float
) -> None:
    """The rows of a repository were counted, whatever receipts say."""
    (number,) = numbers.find([event.repo])
    for nsid, _, dropped in event.collections:
        _delete(db, nsid, dropped)
    if number is None:
        return
    (repo,) = load(db, [number]).values()
    repo.live = sum(rows for _, rows, _ in event.collections)
    tally = Tally()
    save(db, [repo], tally, position, at, told=False)
    tally.write(db)


def _delete(db: sqlite3.Connection, nsid: str, count: int) -> None:
    db.execute("UPDATE delivered SET deleted = deleted + ? WHERE collection = ?", (count, nsid))


def _numbers(
    db: sqlite3.Connection, numbers: Numbers, keys: Sequence[bytes], position: int, tally: Tally
) -> Sequence[int]:
    found = numbers.find(keys)
    if None in found:  # Tap follows repositories that no job has found
        page = Page(pages.following(db), len(keys), 0, 0, 0, 0, position)
        coverage.name(db, numbers, page, keys, tally)
        found = numbers.find(keys)
    return [number for number in found if number is not None]


def _count(db: sqlite3.Connection, event: RecordsCommitted, number_of: dict[bytes, int]) -> None:
    """The jobs that asked for these records count them."""
    came = [one for one in event.tallies if one.inserted + one.updated]
    found_by = counters_of(db, {number_of[one.repo] for one in came})
    targets = jobs.targets(db, {job for of_one in found_by.values() for job, _ in of_one})
    more: Counter[int] = Counter()
    for one in came:
        collection = event.collections[one.collection]
        for job, _ in found_by[number_of[one.repo]]:
            if collection in targets[job]:
                more[job] += one.inserted + one.updated
    jobs.count_records(db, more)


def _add_up(db: sqlite3.Connection, event: RecordsCommitted, position: int) -> None:
    by_collection: dict[int, list[Receipts]] = {}
    for one in event.tallies:
        by_collection.setdefault(one.collection, []).append(one)
    added = ", ".join(f"{name} = {name} + excluded.{name}" for name in _COUNTS)
    db.executemany(
        "INSERT INTO delivered VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        f" ON CONFLICT DO UPDATE SET {added}, last = max(last, excluded.last)",
        [
            (
                event.collections[collection],
                *(sum(getattr(one, name) for one in some) for name in _COUNTS),
                position if any(one.inserted + one.updated + one.unchanged for one in some) else 0,
            )
            for collection, some in by_collection.items()
        ],
    )
