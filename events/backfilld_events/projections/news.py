"""What Tap and the index tell of repositories: answers of /info, records that came, accounts."""

import sqlite3
from collections import Counter
from collections.abc import Sequence

from ..catalog.index import RecordsCommitted, RecordsRemoved
from ..catalog.index import Tally as Receipts
from ..catalog.source import ReposObserved
from . import coverage, jobs, pages
from .classes import Held
from .numbers import Numbers
from .pages import Page
from .repo import Repo, jobs_of, load, save
from .tally import Tally

_COUNTS = ("inserted", "updated", "deleted", "unchanged", "stale", "dead", "ignored")


def observed(db: sqlite3.Connection, numbers: Numbers, event: ReposObserved, position: int) -> None:
    """Tap answered for some repositories; of those that nothing has named it is not believed."""
    found = numbers.find([seen.repo for seen in event.observations])
    repos = load(db, {number for number in found if number is not None})
    tally = Tally()
    for seen, number in zip(event.observations, found, strict=True):
        if number is None:
            continue
        repo = repos[number]
        repo.tap_state, repo.tap_error, repo.rev = seen.state, seen.error, seen.rev
        repo.tap_records, repo.observed = seen.records, position
        repo.drained = int(event.drained and seen.state == "active")
        if seen.state == "unknown" and repo.held:
            _unhold(db, repo, tally)
    save(db, repos.values(), position, tally, told=True)
    tally.write(db)


def _unhold(db: sqlite3.Connection, repo: Repo, tally: Tally) -> None:
    """Tap does not know it: what it is given from now on it fetches, and sends whole."""
    for job, held in jobs_of(db, [repo.id])[repo.id]:
        if held == Held.YES:
            tally.add(job, repo.kind, -1, held=held)
            tally.add(job, repo.kind, 1)
    db.execute("UPDATE member SET held = 0 WHERE repo = ? AND held = 1", (repo.id,))
    repo.held = 0


def committed(
    db: sqlite3.Connection, numbers: Numbers, event: RecordsCommitted, position: int
) -> None:
    """Receipts came in: records arrived, accounts changed."""
    keys = pages.keys_named(event)
    number_of = dict(zip(keys, _numbers(db, numbers, keys, position), strict=True))
    repos = load(db, set(number_of.values()))
    for one in event.tallies:
        repo = repos[number_of[one.repo]]
        repo.live += one.inserted - one.deleted
        repo.removed = max(0, repo.removed - one.inserted)
        repo.aside += one.dead + one.ignored
    for account in event.accounts:
        repo = repos[number_of[account.repo]]
        repo.account, repo.handle = account.status, account.handle
    tally = Tally()
    told = {number_of[account.repo] for account in event.accounts}
    save(db, [repo for repo in repos.values() if repo.id in told], position, tally, told=True)
    counted = [repo for repo in repos.values() if repo.id not in told]
    save(db, counted, position, tally, told=False)
    tally.write(db)
    _count(db, event, number_of)
    _add_up(db, event)


def removed(db: sqlite3.Connection, numbers: Numbers, event: RecordsRemoved, position: int) -> None:
    """Somebody took records out of the index. They had come, so nothing more is waited for."""
    found = numbers.find([one.repo for one in event.repos])
    repos = load(db, {number for number in found if number is not None})
    for one, number in zip(event.repos, found, strict=True):
        if number is not None:
            repos[number].live -= one.count
            repos[number].removed += one.count
    tally = Tally()
    save(db, repos.values(), position, tally, told=False)
    tally.write(db)
    db.execute(
        "UPDATE delivered SET deleted = deleted + ? WHERE collection = ?",
        (sum(one.count for one in event.repos), event.collection),
    )


def _numbers(
    db: sqlite3.Connection, numbers: Numbers, keys: Sequence[bytes], position: int
) -> Sequence[int]:
    found = numbers.find(keys)
    if None in found:  # Tap follows repositories that no job has found
        page = Page(pages.following(db), len(keys), 0, 0, 0, position)
        coverage.name(db, numbers, page, keys)
        found = numbers.find(keys)
    return [number for number in found if number is not None]


def _count(db: sqlite3.Connection, event: RecordsCommitted, number_of: dict[bytes, int]) -> None:
    """The jobs that asked for these records count them."""
    came = [one for one in event.tallies if one.inserted + one.updated]
    found_by = jobs_of(db, {number_of[one.repo] for one in came})
    targets = jobs.targets(db, {job for of_one in found_by.values() for job, _ in of_one})
    more: Counter[int] = Counter()
    for one in came:
        collection = event.collections[one.collection]
        for job, _ in found_by[number_of[one.repo]]:
            if collection in targets[job]:
                more[job] += one.inserted + one.updated
    jobs.count_records(db, more)


def _add_up(db: sqlite3.Connection, event: RecordsCommitted) -> None:
    by_collection: dict[int, list[Receipts]] = {}
    for one in event.tallies:
        by_collection.setdefault(one.collection, []).append(one)
    added = ", ".join(f"{name} = {name} + excluded.{name}" for name in _COUNTS)
    db.executemany(
        f"INSERT INTO delivered VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET {added}",
        [
            (
                event.collections[collection],
                *(sum(getattr(one, name) for one in some) for name in _COUNTS),
            )
            for collection, some in by_collection.items()
        ],
    )
