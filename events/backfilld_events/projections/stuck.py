"""What does not get on among the repositories: fetches that go on and on, servers that limit Tap.

Reads only. The one rule: it costs the same however many repositories there are.
"""

import sqlite3

from ..log import read
from . import listing, pages, repos
from .asked import Asked
from .classes import Ask, Class, Need
from .still import Fetching, Limited, Stuck
from .tally import ALL

FETCHED_MAX = 100  # that are looked at; Tap fetches few at once
PARKED_MAX = 5_000
HOSTS_MAX = 5

_SETTLED = (Class.SYNCED, Class.EMPTY, Class.FAILED, Class.GONE)


def stuck(db: sqlite3.Connection) -> Stuck:
    """How it stands now."""
    counts = repos.counts(db, ALL)
    parked = counts.get(Class.PARKED, 0)
    return Stuck(
        settled=sum(counts.get(kind, 0) for kind in _SETTLED),
        with_tap=repos.unsettled(db),
        parked=parked,
        fetching=_fetching(db),
        limited=_limited(db) if parked else (),
    )


def first_unsettled(db: sqlite3.Connection, limit: int) -> list[Asked]:
    """The repositories that Tap is likely to be at, if it does not get on: it takes them in the
    order in which it was given them."""
    found = listing.page(db, ALL, (Class.HANDED_OFF, Class.ARRIVING), -1, limit)
    return [
        Asked(
            one.id, one.did, Ask.SILENT, True,
            (one.tap_state, one.error, one.rev, one.tap_records, one.retries), one.host,
        )
        for one in found
    ]  # fmt: skip


def _fetching(db: sqlite3.Connection) -> Fetching | None:
    rows = db.execute(
        "SELECT repo, observed FROM seen WHERE tap_state = 'resyncing' AND out = 0"
        " ORDER BY observed LIMIT ?",
        (FETCHED_MAX,),
    ).fetchall()
    if not rows:
        return None
    (last,) = db.execute(
        "SELECT max(observed) FROM seen WHERE tap_state = 'resyncing' AND out = 0"
    ).fetchone()
    numbers = sorted(number for number, _ in rows)
    named = dict(zip(numbers, pages.named(db, numbers), strict=True))
    dids = tuple(named[number] for number, _ in rows)
    return Fetching(dids, _at(db, rows[0][1]), _at(db, last))


def _limited(db: sqlite3.Connection) -> tuple[Limited, ...]:
    rows = db.execute(
        "SELECT coalesce(host.name, ''), count(*), max(iif(need = ?, need_at, due))"
        " FROM (SELECT id, need, need_at, due FROM repo WHERE ask = ? AND ask > 0"
        " ORDER BY due LIMIT ?) LEFT JOIN seen ON seen.repo = id"
        " LEFT JOIN host ON host.number = seen.host GROUP BY 1 ORDER BY 2 DESC LIMIT ?",
        (int(Need.PARKED), int(Ask.PARKED), PARKED_MAX, HOSTS_MAX),
    )
    return tuple(Limited(host, count, float(until)) for host, count, until in rows)


def _at(db: sqlite3.Connection, position: int) -> float:
    row = read.row(db, position)
    if row is None:
        raise ValueError(f"event {position} should tell of a repository, and is not there")
    return row.at
