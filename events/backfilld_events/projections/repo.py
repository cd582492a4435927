"""A repository as the projections know it: read many, change them, write what changed.

The one rule: the class of a repository is a function of the rest of it (`classified`); whoever
changes something writes through `save`, which moves the tallies.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct

from .classes import Class, Held
from .pages import Homes
from .tally import Tally

IDS_MAX = 2000  # in one statement; SQLite takes 32,766


class Repo(Struct):
    """Columns of `repo` and `seen`, see schema.sql. `kind` is the class it had when read."""

    id: int
    kind: int
    handed: int | None
    held: int
    live: int
    removed: int
    aside: int
    account: str | None
    handle: str | None
    tap_state: str | None
    tap_error: str | None
    rev: str | None
    tap_records: int | None
    observed: int | None
    drained: int
    again: int

    def begins_anew(self, position: int) -> None:
        """Tap was given it once more: all of it will be sent, whatever came before."""
        self.drained = self.removed = self.again = self.aside = 0
        self.handed = position


_SETTLED = (Class.SYNCED, Class.EMPTY)

_SEEN = "account, handle, tap_state, tap_error, rev, tap_records, observed"


def batches(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """As many at once as go into one statement."""
    for at in range(0, len(numbers), IDS_MAX):
        yield numbers[at : at + IDS_MAX]


def places(values: Sequence[object]) -> str:
    """As many question marks."""
    return ",".join("?" * len(values))


def load(db: sqlite3.Connection, numbers: Collection[int]) -> dict[int, Repo]:
    """The repositories with these numbers."""
    found: dict[int, Repo] = {}
    for some in batches(sorted(numbers)):
        rows = db.execute(
            f"SELECT id, class, handed, held, live, removed, aside, {_SEEN}, coalesce(drained, 0),"
            f" again FROM repo LEFT JOIN seen ON seen.repo = repo.id WHERE id IN ({places(some)})",
            some,
        )
        for columns in rows:
            found[columns[0]] = Repo(*columns)
    return found


def classified(repo: Repo) -> Class:
    """The class it is in."""
    if repo.account not in (None, "active"):
        return Class.GONE
    kept = repo.live + repo.removed
    match repo.tap_state:
        # `aside` is no measure: what came and was not kept may come again, and count again
        case "active" if repo.drained or kept >= (repo.tap_records or 0):
            return Class.SYNCED if repo.live else Class.EMPTY
        case "error" | "unknown":
            return Class.FAILED
        case "desynchronized" if not repo.tap_error:
            return Class.PARKED  # tap: an empty error means that the host is rate-limiting
    if kept or repo.aside:
        return Class.ARRIVING
    return Class.DISCOVERED if repo.handed is None else Class.HANDED_OFF


def save(
    db: sqlite3.Connection,
    repos: Collection[Repo],
    position: int,
    tally: Tally,
    *,
    told: bool,
) -> None:
    """Writes repositories that the event at `position` changed. `told`: Tap's answers or the
    account changed too, not only how many records came."""
    for repo in repos:
        # until all has come, what comes is what never did, and not what was removed
        if repo.again < 2:
            repo.again = int(repo.removed > 0 and (repo.again or classified(repo) in _SETTLED))
    changed = [repo for repo in repos if classified(repo) != repo.kind]
    jobs = jobs_of(db, [repo.id for repo in changed])
    for repo in changed:
        before, repo.kind = repo.kind, classified(repo)
        for job, held in jobs[repo.id]:
            tally.add(job, before, -1, held=held)
            tally.add(job, repo.kind, 1, held=held)
    db.executemany(
        "UPDATE repo SET class = ?1, since = iif(class = ?1, since, ?2), handed = ?3, held = ?4,"
        " live = ?5, removed = ?6, aside = ?7, again = ?8 WHERE id = ?9",
        [
            (
                int(one.kind), position, one.handed, one.held, one.live, one.removed, one.aside,
                one.again, one.id,
            )
            for one in repos
        ],
    )  # fmt: skip
    if told:
        db.executemany(
            f"INSERT OR REPLACE INTO seen (repo, {_SEEN}, drained)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    one.id, one.account, one.handle, one.tap_state, one.tap_error, one.rev,
                    one.tap_records, one.observed, one.drained,
                )
                for one in repos
            ],
        )  # fmt: skip


def jobs_of(
    db: sqlite3.Connection, numbers: Collection[int]
) -> defaultdict[int, list[tuple[int, int]]]:
    """number -> (job, classes.Held) of each job that found the repository."""
    found: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    homes = Homes(db, numbers)
    for number in numbers:
        if job := homes[number]:
            found[number].append((job, Held.NOT))
    for some in batches(sorted(numbers)):
        rows = db.execute(
            f"SELECT repo, job, held FROM member WHERE repo IN ({places(some)})", some
        )
        for number, job, held in rows:
            found[number].append((job, held))
    return found
