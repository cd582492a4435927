"""What the loss of the index means for repositories: nothing of them is here any more.

The one rule: Tap sends nothing again for a repository it has. So what was handed to it before the
index was lost is to be fetched anew, once Tap has fetched it.
"""

import sqlite3
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..ids import Did
from . import pages
from .repo import IDS_MAX, load, save
from .tally import Tally


class Away(NamedTuple):
    """An account that is not active, as an identity event said last."""

    did: Did
    status: str
    handle: str


def lost(db: sqlite3.Connection, position: int, at: float, progress: Callable[[], None]) -> None:
    """The index is gone, with all that had come. What was to be removed of it is so, too. Of many
    repositories it takes minutes, and `progress` is called meanwhile."""
    db.execute("INSERT INTO lost VALUES (?)", (position,))
    db.execute("DELETE FROM emptied")
    db.execute("DELETE FROM restored")
    db.execute("UPDATE job SET records = 0")
    db.execute(
        "UPDATE seen SET differs = NULL, apart = NULL, mend = 0"
        " WHERE differs IS NOT NULL OR apart IS NOT NULL"
    )
    tally, after = Tally(), 0
    while numbers := _some(db, after):
        after = numbers[-1]
        repos = load(db, numbers).values()
        for repo in repos:
            repo.live = repo.removed = repo.aside = repo.came = 0
        save(db, repos, tally, position, at, told=False)
        progress()
    tally.write(db)


def at_stake(db: sqlite3.Connection) -> tuple[int, int]:
    """(repositories that Tap was given, records that are here of all there are), counted."""
    given, live = db.execute("SELECT count(handed), coalesce(sum(live), 0) FROM repo").fetchone()
    return given, live


def away(db: sqlite3.Connection) -> Iterator[list[Away]]:
    """All accounts that are not active, some at once. The index that is lost knew them; nobody
    tells of them again."""
    after = 0
    while True:
        rows = db.execute(
            "SELECT repo, account, coalesce(handle, '') FROM seen"
            " WHERE account <> 'active' AND repo > ? ORDER BY repo LIMIT ?",
            (after, IDS_MAX),
        ).fetchall()
        if not rows:
            return
        after = rows[-1][0]
        dids = pages.named(db, [number for number, _, _ in rows])
        yield [Away(did, *said) for did, (_, *said) in zip(dids, rows, strict=True)]


def _some(db: sqlite3.Connection, after: int) -> list[int]:
    rows = db.execute("SELECT id FROM repo WHERE id > ? ORDER BY id LIMIT ?", (after, IDS_MAX))
    return [number for (number,) in rows]
