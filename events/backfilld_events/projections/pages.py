"""Pages: the events that name repositories, as ranges of numbers.

Every entry of such an event has a number, `base` and its place; the number under which a DID came
first is its repository's. So neither table nor queue repeats a DID: the event holds it.
"""

import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from .. import ids
from ..catalog import Event
from ..catalog.index import RecordsCommitted
from ..catalog.job import DidsGiven, PageDiscovered
from ..ids import Did
from ..log import read

_COLUMNS = "base, count, news, job, collection, first, position"


class Page(Struct, frozen=True):
    """A row of the table: the entries `base .. base + count`; `news` of them are at home here.
    For a job they have the ordinals `first .. first + count`. `collection` is the number of the one
    that they were asked for, 0 if there are several."""

    base: int
    count: int
    news: int
    job: int
    collection: int
    first: int
    position: int

    @property
    def counters(self) -> tuple[int, ...]:
        """Where those at home here are counted by that alone: the job, and -collection."""
        return tuple(number for number in (self.job, -self.collection) if number)


def keys_named(event: Event) -> list[bytes]:
    """The entries of the event, as keys (ids.pack_one), in the order of their numbers."""
    match event:
        case PageDiscovered() | DidsGiven():
            return ids.unpack_keys(event.dids)
        case RecordsCommitted():
            named = [one.repo for one in event.tallies] + [one.repo for one in event.accounts]
            return list(dict.fromkeys(named))
        case _:
            raise TypeError(f"{type(event).__name__} names no repositories")


def put(db: sqlite3.Connection, page: Page) -> None:
    """Writes a page."""
    db.execute(
        f"INSERT INTO page ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            page.base, page.count, page.news, page.job, page.collection, page.first, page.position,
        ),
    )  # fmt: skip


def following(db: sqlite3.Connection) -> int:
    """The next number to give."""
    row = db.execute("SELECT base + count FROM page ORDER BY base DESC LIMIT 1").fetchone()
    return 1 if row is None else int(row[0])


def of_ordinals(db: sqlite3.Connection, job: int, first: int, upto: int) -> list[Page]:
    """The pages that hold the ordinals `first .. upto` of the job, in order."""
    (start,) = db.execute(
        "SELECT coalesce(max(first), 0) FROM page WHERE job = ? AND first <= ?", (job, first)
    ).fetchone()
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM page WHERE job = ? AND first >= ? AND first < ?"
        " AND first + count > ? ORDER BY first",
        (job, start, upto, first),
    )
    return [Page(*row) for row in rows]


def of_number(db: sqlite3.Connection, number: int) -> Page:
    """The page that has the entry with this number."""
    row = db.execute(
        f"SELECT {_COLUMNS} FROM page WHERE base <= ? ORDER BY base DESC LIMIT 1", (number,)
    ).fetchone()
    return Page(*row)


def mixed(db: sqlite3.Connection, job: int, after: int, limit: int) -> list[Page]:
    """Pages of the job with `first > after`, in order, on which something was named before."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM page WHERE job = ? AND first > ? AND news < count"
        " ORDER BY first LIMIT ?",
        (job, after, limit),
    )
    return [Page(*row) for row in rows]


def place(db: sqlite3.Connection, page: Page) -> int:
    """Which page of its job it is, from 1 on; pages without entries are not counted."""
    (n,) = db.execute(
        "SELECT count(*) FROM page WHERE job = ? AND first <= ?", (page.job, page.first)
    ).fetchone()
    return int(n)


def keys_of(db: sqlite3.Connection, page: Page) -> list[bytes]:
    """The keys of the page's entries, read from the log."""
    return keys_named(_event(db, page))


def dids(db: sqlite3.Connection, job: int, first: int, upto: int) -> list[Did]:
    """The DIDs with the ordinals `first .. upto` of the job, read from the log."""
    found: list[Did] = []
    for page in of_ordinals(db, job, first, upto):
        event = _event(db, page)
        if not isinstance(event, PageDiscovered | DidsGiven):
            raise TypeError(f"event {page.position} should hold ordinals of job {job}")
        named = ids.unpack(event.dids)
        found += named[max(first - page.first, 0) : min(upto - page.first, page.count)]
    if len(found) != upto - first:
        raise ValueError(f"job {job} has {len(found)} DIDs in {first}..{upto}")
    return found


def named(db: sqlite3.Connection, numbers: Sequence[int]) -> list[Did]:
    """The DIDs of repositories, given their numbers in rising order."""
    found: list[Did] = []
    at = 0
    while at < len(numbers):
        page = of_number(db, numbers[at])
        upto = bisect_left(numbers, page.base + page.count, at)
        places, event = [number - page.base for number in numbers[at:upto]], _event(db, page)
        if isinstance(event, PageDiscovered | DidsGiven):
            keys = ids.keys_at(event.dids, places)
        else:
            named = keys_named(event)
            keys = [named[place] for place in places]
        found += map(ids.unpack_one, keys)
        at = upto
    return found


def since(db: sqlite3.Connection, number: int) -> Iterator[tuple[list[bytes], int]]:
    """(keys, base) of the pages with entries from that number on at which a repository came
    first."""
    (start,) = db.execute(
        "SELECT coalesce(max(base), 0) FROM page WHERE base <= ?", (number,)
    ).fetchone()
    rows = db.execute(f"SELECT {_COLUMNS} FROM page WHERE base >= ? AND news > 0", (start,))
    for row in rows.fetchall():
        page = Page(*row)
        yield keys_of(db, page), page.base


class Homes:
    """The pages at which some repositories came first, as Page.counters."""

    def __init__(self, db: sqlite3.Connection, numbers: Iterable[int]) -> None:
        self._bases: list[int] = []
        self._counters: list[tuple[int, ...]] = []
        end = 0
        for number in sorted(numbers):
            if number < end:
                continue
            row = db.execute(
                f"SELECT {_COLUMNS} FROM page WHERE base <= ? ORDER BY base DESC LIMIT 1", (number,)
            ).fetchone()
            page = Page(*row)
            self._bases.append(page.base)
            self._counters.append(page.counters)
            end = page.base + page.count

    def __getitem__(self, number: int) -> tuple[int, ...]:
        return self._counters[bisect_right(self._bases, number) - 1]


def _event(db: sqlite3.Connection, page: Page) -> Event:
    row = read.row(db, page.position)
    if row is None:
        raise ValueError(f"event {page.position} should name repositories, and is not there")
    return row.event
