"""What Tap and the index tell of repositories: answers of /info, records that came, accounts."""

import sqlite3
from collections import Counter
from collections.abc import Sequence

from ..catalog.index import RecordsCommitted, RecordsRemoved
from ..catalog.index import Tally as Receipts
from ..catalog.source import ReposObserved
from . import coverage, emptied, jobs, pages
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
        known = repo.tap_state == "active" or repo.rev is not None
        anew = known and seen.state not in ("active", "unknown") and seen.rev is None
        repo.tap_state, repo.tap_error, repo.rev = seen.state, seen.error, seen.rev
        repo.tap_records, repo.observed = seen.records, position
        repo.drained = int(event.drained and seen.state == "active")
        if anew:
            repo.begins_anew(position)
        if anew or seen.state == "unknown":
            _unhold(db, repo, tally)
        else:
            _here_again(db, repo, tally)
    save(db, repos.values(), position, tally, told=True)
    tally.write(db)


def _unhold(db: sqlite3.Connection, repo: Repo, tally: Tally) -> None:
    """Tap does not know it, or was given it anew: it fetches it, and sends it whole."""
    if repo.held:
        _free(db, repo, _holders(db, repo), tally)


def _here_again(db: sqlite3.Connection, repo: Repo, tally: Tally) -> None:
    """Frees what is held only because records of it were removed, if some came since and as many
    as Tap counts now are here: it was fetched so fast that Tap was never seen without it."""
    if repo.again == 2 and repo.tap_state == "active" and repo.live >= (repo.tap_records or 0):
        holders = _holders(db, repo)
        _free(db, repo, [job for job in holders if coverage.had_asked(db, job, repo.id)], tally)
        repo.again = 1


def _holders(db: sqlite3.Connection, repo: Repo) -> list[int]:
    """The jobs that hold it."""
    return [job for job, held in jobs_of(db, [repo.id])[repo.id] if held == Held.YES]


def _free(db: sqlite3.Connection, repo: Repo, freed: Sequence[int], tally: Tally) -> None:
    for job in freed:
        tally.add(job, repo.kind, -1, held=Held.YES)
        tally.add(job, repo.kind, 1)
        db.execute("UPDATE member SET held = 0 WHERE repo = ? AND job = ?", (repo.id, job))
    repo.held = int(bool(_holders(db, repo)))


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
        if repo.again and one.inserted:
            repo.removed = max(0, repo.removed - one.inserted)
            repo.again = 1 + repo.held
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
    if event.uri is None and event.last:
        emptied.done(db, event.collection)
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
