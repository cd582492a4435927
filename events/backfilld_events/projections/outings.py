"""Repositories that are taken out of Tap, and put back: which ones are on their way, and what of.

The one rule: what we say that we do is noted before it is done, so that nothing stays outside Tap
because of a crash.
"""

import sqlite3
from collections.abc import Collection, Sequence

from ..catalog.source import ReposLeaving
from ..faults import Fault
from ..ids import Did, unpack_keys
from . import joining, pages
from .classes import Out
from .judged import Repo
from .numbers import Numbers
from .repo import load, save
from .tally import Tally

HUNG = (
    "a worker of Tap hung at it: whoever answers for its DID or its handle took the question and "
    "never answered. It was taken out of Tap"
)


def leaving(
    db: sqlite3.Connection, numbers: Numbers, event: ReposLeaving, position: int, at: float
) -> None:
    """They are about to be removed from Tap."""
    found = numbers.find(unpack_keys(event.dids))
    known = sorted({number for number in found if number is not None})
    db.executemany(
        "INSERT INTO outing (position, repo) VALUES (?, ?)",
        [(position, number) for number in known],
    )
    _save(db, load(db, known).values(), position, at, Out.LEAVING)


def left(
    db: sqlite3.Connection, outing: int, why: str, position: int, at: float, *, again: bool
) -> None:
    """They are out of Tap; if `again`, to be added next. What a job handed over meanwhile may be
    in it: that will be seen."""
    there = [repo for repo in load(db, _of(db, outing)).values() if (repo.handed or 0) < outing]
    _save(db, there, position, at, Out.AWAY if again else Out.OUT, hung=why == "stuck")
    if not again:
        _forget(db, outing)


def returned(db: sqlite3.Connection, outing: int, why: str, position: int, at: float) -> None:
    """Tap has accepted them once more, and will send all of them."""
    tally = Tally()
    repos = load(db, _of(db, outing))
    for repo in repos.values():
        repo.begins_anew(position)
        repo.mended = int(why == "differs")
    joining.free(db, list(repos.values()), tally)
    save(db, repos.values(), tally, position, at, told=True)
    tally.write(db)
    _forget(db, outing)


def dids(db: sqlite3.Connection, outing: int) -> list[Did]:
    """The repositories of the outing at that position."""
    return pages.named(db, _of(db, outing))


def _of(db: sqlite3.Connection, outing: int) -> Sequence[int]:
    rows = db.execute("SELECT repo FROM outing WHERE position = ? ORDER BY repo", (outing,))
    return [number for (number,) in rows]


def _forget(db: sqlite3.Connection, outing: int) -> None:
    db.execute("DELETE FROM outing WHERE position = ?", (outing,))


def _save(
    db: sqlite3.Connection,
    repos: Collection[Repo],
    position: int,
    at: float,
    out: Out,
    *,
    hung: bool = False,
) -> None:
    tally = Tally()
    for repo in repos:
        repo.out = int(out)
        if out is Out.OUT:
            repo.handed = None
            if hung:  # Tap never said how it ended
                repo.tap_state, repo.tap_error, repo.observed = "error", HUNG, position
                repo.fault = int(Fault.TIMEOUT)
    save(db, repos, tally, position, at, told=True)
    tally.write(db)
