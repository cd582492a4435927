"""What becomes of many repositories at once: a job finds them, Tap accepts them.

The one rule: in the usual case, repositories that nothing had named before, no statement is
about one repository alone.
"""

import sqlite3
from collections.abc import Collection, Sequence

from msgspec.structs import replace

from ..folds.job import Job
from ..ids import Nsid
from . import joining, pages, targets
from .classes import Ask, Class, Held
from .numbers import Numbers
from .pages import Homes, Page
from .repo import batches, load, places, save
from .tally import ALL, BLOCK_BITS, Tally, block_of

FIRST_ASK_S = 5  # after a hand-off, as judged.first_ask has it
_ACCEPTED = (  # the class of what Tap accepts, as judged.classified has it
    f"iif(live + removed + aside > 0, {int(Class.ARRIVING)}, {int(Class.HANDED_OFF)})"
)


def began(db: sqlite3.Connection, job: int, collections: Sequence[Nsid]) -> None:
    """The job asks for these collections."""
    targets.began(db, collections, job)
    db.executemany("INSERT INTO target VALUES (?, ?)", [(job, nsid) for nsid in collections])


def discovered(
    db: sqlite3.Connection,
    numbers: Numbers,
    job: Job,
    collections: Sequence[Nsid],
    page: Page,
    keys: Sequence[bytes],
    at: float,
) -> None:
    """The job of `page` found the repositories `keys` (ids.pack_one) for these collections; those
    never named before are made. A look counts only what is new: else each would make the work of
    every later receipt grow."""
    wanted = targets.counters(db, collections)
    if len(wanted) == 1:
        page = replace(page, collection=-next(iter(wanted)))
    tally = Tally()
    known, not_at_home = name(db, numbers, page, keys, tally, (job.position, *wanted))
    if len(wanted) > 1:
        at_home = set(range(page.base, page.base + page.count)).difference(not_at_home)
        db.executemany(
            "INSERT INTO member (repo, job, held) VALUES (?, ?, 0)",
            [(number, counter) for number in sorted(at_home) for counter in wanted],
        )
    finding = joining.Finding(job.position, job.mode, job.look, wanted, page.position, at)
    for some in batches(sorted({number for number in known if number < page.base})):
        joining.join(db, finding, some, tally)
    tally.write(db)


def name(
    db: sqlite3.Connection,
    numbers: Numbers,
    page: Page,
    keys: Sequence[bytes],
    tally: Tally,
    counters: Collection[int] = (),
) -> tuple[list[int], list[int]]:
    """Writes `page` and makes a repository of each entry that nothing had named before, counted
    under `counters`. (the numbers of the others, the numbers those would have had)"""
    found = numbers.intern(keys, page.base)
    known = [number for at, number in enumerate(found, page.base) if number != at]
    not_at_home = [at for at, number in enumerate(found, page.base) if number != at]
    _make(db, page, not_at_home)
    for counter in (ALL, *counters):
        tally.add_range(counter, Class.DISCOVERED, page.base, page.count)
        for at in not_at_home:
            tally.add(counter, Class.DISCOVERED, -1, block_of(at))
        tally.found(counter, page.count - len(not_at_home))
    pages.put(db, replace(page, news=len(keys) - len(known)))
    numbers.settle(page.base + page.count)
    return known, not_at_home


def _make(db: sqlite3.Connection, page: Page, but: Sequence[int]) -> None:
    # one statement that counts is three times as fast as one row after the other
    if len(but) < page.count:
        db.execute(
            "INSERT INTO repo (id, class, since, held, live, removed, aside, came, ask, due, wait,"
            " need, need_at) WITH RECURSIVE entry (number) AS"
            " (SELECT ? UNION ALL SELECT number + 1 FROM entry WHERE number + 1 < ?)"
            " SELECT number, 0, ?, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0"
            f" FROM entry WHERE number NOT IN ({places(but)})",
            (page.base, page.base + page.count, page.position, *but),
        )


def handed_off(
    db: sqlite3.Connection,
    numbers: Numbers,
    job: int,
    ordinals: tuple[int, int],
    position: int,
    at: float,
) -> None:
    """Tap accepted the `ordinals`, (first, upto), of the job: what was only discovered is handed
    off now."""
    first, upto = ordinals
    accepting, accepted = _Accepting(db, position, at), 0
    for page in pages.of_ordinals(db, job, first, upto):
        start, end = max(first - page.first, 0), min(upto - page.first, page.count)
        base, accepted = page.base + start, accepted + end - start
        if page.news:
            accepting.accept("BETWEEN ? AND ?", (base, page.base + end - 1), page.counters)
        if page.news < page.count:
            found = numbers.find(pages.keys_of(db, page)[start:end])
            others = {number for place, number in enumerate(found, base) if number != place}
            for some in batches(sorted(number for number in others if number is not None)):
                accepting.accept(f"IN ({places(some)})", some)
    if accepted != upto - first:
        raise ValueError(f"job {job} has {accepted} DIDs in {first}..{upto}")
    accepting.tally.write(db)


def left(db: sqlite3.Connection, numbers: Numbers, job: int, first: int, upto: int) -> None:
    """The job was cancelled before it handed over its ordinals `first .. upto`: those of them that
    it holds are not waited for, even if the listing named them before, too."""
    tally = Tally()
    for page in pages.of_ordinals(db, job, first, upto):
        if page.news == page.count:
            continue
        found = numbers.find(pages.keys_of(db, page)[max(first - page.first, 0) :])
        for some in batches(sorted({number for number in found if number is not None})):
            joining.leave(db, job, some, tally)
    tally.write(db)


class _Accepting:
    """Tap accepts repositories, by the event at `position`, recorded `at`."""

    def __init__(self, db: sqlite3.Connection, position: int, at: float) -> None:
        self._db, self._position, self._at, self.tally = db, position, at, Tally()

    def accept(
        self, which: str, values: Sequence[int], counters: Collection[int] | None = None
    ) -> None:
        """Those with an id `which` matches; `counters`: of the page that all of them came with
        first."""
        db, tally = self._db, self.tally
        for counter, block, kind, n in self._moved(which, values, counters):
            tally.add(counter, Class.DISCOVERED, -n, block)
            tally.add(counter, kind, n, block)
        db.execute(
            "UPDATE repo SET handed = ?, since = iif(class = 0, ?, since),"
            f" ask = iif(class IN (0, 2), {int(Ask.SILENT)}, ask), due = ?, wait = {FIRST_ASK_S},"
            f" class = iif(class = 0, {_ACCEPTED}, class) WHERE id {which} AND handed IS NULL",
            (self._position, self._position, int(self._at) + FIRST_ASK_S, *values),
        )
        self._known_again(which, values)

    def _moved(
        self, which: str, values: Sequence[int], counters: Collection[int] | None
    ) -> list[tuple[int, int, int, int]]:
        """(counter, block, class that they come to, how many) of those that were only discovered.
        One that is out of Tap for a moment is handed over already, and is so again when it is put
        back."""
        which = f"{which} AND class = 0 AND handed IS NULL"
        rows = self._db.execute(
            f"SELECT id >> {BLOCK_BITS}, {_ACCEPTED}, count(*) FROM repo WHERE id {which}"
            " GROUP BY 1, 2",
            values,
        ).fetchall()
        moved = [(counter, *row) for row in rows for counter in (ALL, *(counters or ()))]
        if counters is None:
            found = self._db.execute(f"SELECT id, {_ACCEPTED} FROM repo WHERE id {which}", values)
            still: dict[int, int] = dict(found.fetchall())
            homes = Homes(self._db, still)
            moved += [
                (one, block_of(number), kind, 1)
                for number, kind in still.items()
                for one in homes[number]
            ]
        moved += self._db.execute(
            f"SELECT member.job, repo.id >> {BLOCK_BITS}, {_ACCEPTED}, count(*) FROM member"
            f" JOIN repo ON repo.id = member.repo WHERE member.repo {which}"
            f" AND member.held = {int(Held.NOT)} GROUP BY 1, 2, 3",
            values,
        ).fetchall()
        return moved

    def _known_again(self, which: str, values: Sequence[int]) -> None:
        """What Tap had forgotten or dropped, or we had taken out, begins anew: all of it will be
        sent."""
        rows = self._db.execute(
            "SELECT repo FROM seen"
            " WHERE (tap_state = 'unknown' OR out IN (1, 3) OR account = 'deleted')"
            f" AND repo {which}",
            values,
        )
        again = load(self._db, [number for (number,) in rows])
        for repo in again.values():
            repo.begins_anew(self._position)
        if again:
            joining.free(self._db, list(again.values()), self.tally)
            save(
                self._db, again.values(), self.tally, self._position, self._at, told=True
            )  # fmt: skip
