"""Known repositories become those of a job and of its collections, and are held or freed.

The one rule: a repository that Tap fetched before a collection was asked for is held, by the job
and by the collection, until Tap is given it anew.
"""

import sqlite3
from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from ..ids import Nsid
from . import judged, targets
from .classes import Held
from .judged import Repo
from .repo import batches, counters_of, load, places, save
from .tally import Tally, block_of

_HELD_BY = {"add": 1, "auto": 2, "refetch": 3}


class Finding(Struct, frozen=True):
    """A job has found repositories for the collections `wanted` (counter -> NSID), by the event at
    `position`, recorded `at`."""

    job: int
    mode: str
    look: bool
    wanted: Mapping[int, Nsid]
    position: int
    at: float


def join(db: sqlite3.Connection, finding: Finding, known: Sequence[int], tally: Tally) -> None:
    """Makes known repositories members of the job and of its collections."""
    counters = {number: dict(of_one) for number, of_one in counters_of(db, known).items()}
    repos = load(db, known)
    lacking = {
        counter: targets.fetched_without(db, known, nsid)
        for counter, nsid in finding.wanted.items()
    }
    changed: list[Repo] = []
    rows: list[tuple[int, int, int]] = []
    for number in known:
        repo, counted = repos[number], counters[number]
        lacks = [counter for counter in finding.wanted if number in lacking[counter]]
        if finding.look and not _new(repo, counted, finding, lacks):
            continue
        for counter in finding.wanted:
            rows += _count(repo, counter, counted, counter in lacks, tally)
        anew = finding.mode == "refetch" and repo.handed is not None and repo.handed < finding.job
        holds = bool(lacks) or (anew and not repo.out and repo.tap_state != "unknown")
        rows += _count(repo, finding.job, counted, holds, tally)
        if holds:
            repo.held = max(repo.held, _HELD_BY[finding.mode])
            changed.append(repo)
    db.executemany(
        "INSERT INTO member (repo, job, held) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET held = excluded.held",
        rows,
    )
    save(db, changed, tally, finding.position, finding.at, told=False)


def _new(repo: Repo, counted: Mapping[int, int], finding: Finding, lacks: Sequence[int]) -> bool:
    """Whether it is not with Tap, or not found yet for one of the collections, or lacks one and
    nobody knew."""
    if repo.handed is None or any(one not in counted for one in finding.wanted):
        return True
    return any(counted[one] == Held.NOT for one in lacks)


def _count(
    repo: Repo, counter: int, counted: Mapping[int, int], holds: bool, tally: Tally
) -> list[tuple[int, int, int]]:
    """Counts the repository there, if it is not yet, and as held if it is to be; the row to write,
    if any."""
    before = counted.get(counter)
    held = Held.YES if holds else Held.NOT
    if before is not None and (before == held or not holds):
        return []
    block, fault = block_of(repo.id), repo.fault
    if before is None:
        tally.found(counter, 1)
    else:
        tally.add(counter, repo.kind, -1, block, held=before, fault=fault)
    tally.add(counter, repo.kind, 1, block, held=held, fault=fault)
    return [(repo.id, counter, int(held))]


def free(db: sqlite3.Connection, repos: Collection[Repo], tally: Tally) -> None:
    """Tap is given these anew, or has them still to fetch: nobody holds them any more. They are to
    be saved after."""
    held = {repo.id: repo for repo in repos if repo.held}
    if not held:
        return
    rows: list[tuple[int, int]] = []
    for some in batches([*held]):
        rows += db.execute(
            f"SELECT repo, job FROM member WHERE held = 1 AND repo IN ({places(some)})", some
        )
    for number, counter in rows:
        repo = held[number]
        block, fault = block_of(number), repo.was_fault
        tally.add(counter, repo.kind, -1, block, held=Held.YES, fault=fault)
        tally.add(counter, repo.kind, 1, block, fault=fault)
    db.executemany("UPDATE member SET held = 0 WHERE repo = ? AND job = ?", rows)
    for repo in held.values():
        repo.held = 0


def leave(db: sqlite3.Connection, job: int, some: Sequence[int], tally: Tally) -> None:
    """The job was cancelled and had not handed these over: those that it holds are left."""
    rows = db.execute(
        f"SELECT repo FROM member WHERE job = ? AND held = 1 AND repo IN ({places(some)})",
        (job, *some),
    )
    left = load(db, [number for (number,) in rows])
    for repo in left.values():
        block = block_of(repo.id)
        tally.add(job, repo.kind, -1, block, held=Held.YES, fault=repo.fault)
        tally.add(job, repo.kind, 1, block, held=Held.LEFT, fault=repo.fault)
    db.executemany(
        f"UPDATE member SET held = {int(Held.LEFT)} WHERE repo = ? AND job = ?",
        [(number, job) for number in left],
    )
    _hold_no_longer(db, list(left.values()))


def _hold_no_longer(db: sqlite3.Connection, repos: Sequence[Repo]) -> None:
    """What only the cancelled job had fetched anew stays as it is; its collections may hold it."""
    for repo in repos:
        others = db.execute(
            "SELECT max(job.number) FROM member JOIN job ON job.number = member.job"
            " WHERE member.repo = ? AND member.held = 1",
            (repo.id,),
        ).fetchone()
        repo.held = 2 if others[0] is not None else 1
        repo.need, repo.need_at = judged.needed(repo, repo.need_at)
    db.executemany(
        "UPDATE repo SET held = ?, need = ?, need_at = ? WHERE id = ?",
        [(repo.held, int(repo.need), repo.need_at, repo.id) for repo in repos],
    )
