"""What becomes of many repositories at once: a job finds them, Tap accepts them.

The one rule: in the usual case, repositories that nothing had named before, no statement is
about one repository alone.
"""

import sqlite3
from collections.abc import Collection, Sequence

from msgspec import Struct
from msgspec.structs import replace

from ..ids import Nsid
from . import emptied, jobs, pages
from .classes import Class, Held
from .numbers import Numbers
from .pages import Homes, Page
from .repo import batches, load, places, save
from .tally import Tally


class _Met(Struct):
    """A repository that a job finds and that was known before. `held` None: no member yet."""

    id: int
    kind: int
    handed: int | None
    tap_state: str | None
    held: int | None


def began(db: sqlite3.Connection, job: int, collections: Sequence[Nsid]) -> None:
    """The job asks for these collections."""
    db.executemany("INSERT INTO target VALUES (?, ?)", [(job, nsid) for nsid in collections])


def discovered(
    db: sqlite3.Connection,
    numbers: Numbers,
    page: Page,
    keys: Sequence[bytes],
    collections: Collection[Nsid],
    *,
    look: bool,
) -> None:
    """The job of `page` found the repositories `keys` (ids.pack_one) for these collections; those
    never named before are made. A `look` counts only what is new: else each would make the work of
    every later receipt grow."""
    known = name(db, numbers, page, keys)
    tally = Tally()
    tally.add(page.job, Class.DISCOVERED, len(keys) - len(known))
    for some in batches(sorted({number for number in known if number < page.base})):
        targets = frozenset(collections)
        new = _new(db, page.job, some, targets) if look else some
        _join(db, page.job, new, targets, tally)
    tally.write(db)


def name(db: sqlite3.Connection, numbers: Numbers, page: Page, keys: Sequence[bytes]) -> list[int]:
    """Writes `page` and makes a repository of each entry that nothing had named before; the
    numbers of the others."""
    found = numbers.intern(keys, page.base)
    known = [number for at, number in enumerate(found, page.base) if number != at]
    _make(db, page, [at for at, number in enumerate(found, page.base) if number != at])
    pages.put(db, replace(page, news=len(keys) - len(known)))
    numbers.settle(page.base + page.count)
    return known


def _make(db: sqlite3.Connection, page: Page, but: Sequence[int]) -> None:
    # one statement that counts is three times as fast as one row after the other
    if len(but) < page.count:
        db.execute(
            "INSERT INTO repo (id, class, since, held, live, removed, aside)"
            " WITH RECURSIVE entry (number) AS"
            " (SELECT ? UNION ALL SELECT number + 1 FROM entry WHERE number + 1 < ?)"
            f" SELECT number, 0, ?, 0, 0, 0, 0 FROM entry WHERE number NOT IN ({places(but)})",
            (page.base, page.base + page.count, page.position, *but),
        )


def _join(
    db: sqlite3.Connection,
    job: int,
    known: Sequence[int],
    collections: frozenset[Nsid],
    tally: Tally,
) -> None:
    """Makes known repositories members of the job: held, those that Tap had before the job
    began, and not for these collections."""
    rows = db.execute(
        "SELECT id, class, handed, tap_state, member.held FROM repo"
        " LEFT JOIN seen ON seen.repo = id LEFT JOIN member ON member.repo = id AND member.job = ?"
        f" WHERE id IN ({places(known)})",
        (job, *known),
    )
    homes = Homes(db, known)
    met = [one for one in (_Met(*row) for row in rows) if homes[one.id] != job]
    had = [
        one
        for one in met
        if not one.held and one.handed is not None and one.handed < job
        and one.tap_state != "unknown"
    ]  # fmt: skip
    asked_about = [one.id for one in had]
    held = _not_covered(db, job, asked_about, homes, collections, Held.NOT)
    held |= emptied.lost(db, job, asked_about, collections)
    for one in met:
        if one.held is None:
            tally.add(job, one.kind, 1, held=Held(one.id in held))
        elif one.id in held:
            tally.add(job, one.kind, -1)
            tally.add(job, one.kind, 1, held=Held.YES)
    db.executemany(
        "INSERT INTO member (repo, job, held) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET held = max(held, excluded.held)",
        [(one.id, job, one.id in held) for one in met if one.held is None or one.id in held],
    )
    db.executemany("UPDATE repo SET held = 1 WHERE id = ?", [(number,) for number in sorted(held)])


def _new(
    db: sqlite3.Connection, job: int, known: Sequence[int], collections: frozenset[Nsid]
) -> list[int]:
    """Those that are not yet with Tap, or that no earlier job found for `collections`."""
    had = db.execute(
        f"SELECT id FROM repo WHERE id IN ({places(known)}) AND handed IS NOT NULL", known
    )
    old = [number for (number,) in had]
    new = _not_covered(db, job, old, Homes(db, old), collections, Held.YES)
    return sorted({*known}.difference(old) | new)


def had_asked(db: sqlite3.Connection, job: int, number: int) -> bool:
    """Whether jobs before this one had asked for all that it asks for, so that it holds the
    repository only because records were removed."""
    (targets,) = jobs.targets(db, [job]).values()
    collections = frozenset(map(Nsid, targets))
    return not _not_covered(db, job, [number], Homes(db, [number]), collections, Held.NOT)


def _not_covered(
    db: sqlite3.Connection,
    job: int,
    known: Sequence[int],
    homes: Homes,
    collections: frozenset[Nsid],
    worst: Held,
) -> set[int]:
    """Those for which no earlier job, or not all of them together, asked for `collections`; a job
    counts that holds the repository no worse than that."""
    earlier = {number: {homes[number]} for number in known}
    rows = db.execute(
        f"SELECT repo, job FROM member WHERE repo IN ({places(known)}) AND job < ? AND held <= ?",
        (*known, job, int(worst)),
    )
    for number, other in rows:
        earlier[number].add(other)
    asked = jobs.targets(db, set().union(*earlier.values()))
    return {
        number
        for number, others in earlier.items()
        if not collections <= set().union(*(asked[other] for other in others))
    }


def handed_off(
    db: sqlite3.Connection, numbers: Numbers, job: int, first: int, upto: int, position: int
) -> None:
    """Tap accepted the ordinals `first .. upto` of the job: what was only discovered is handed
    off now."""
    tally, accepted = Tally(), 0
    for page in pages.of_ordinals(db, job, first, upto):
        start, end = max(first - page.first, 0), min(upto - page.first, page.count)
        at, accepted = page.base + start, accepted + end - start
        if page.news:
            _accept(db, "BETWEEN ? AND ?", (at, page.base + end - 1), position, tally, job)
        if page.news < page.count:
            found = numbers.find(pages.keys_of(db, page)[start:end])
            others = {number for place, number in enumerate(found, at) if number != place}
            for some in batches(sorted(number for number in others if number is not None)):
                _accept(db, f"IN ({places(some)})", some, position, tally)
    if accepted != upto - first:
        raise ValueError(f"job {job} has {accepted} DIDs in {first}..{upto}")
    tally.write(db)


def left(db: sqlite3.Connection, numbers: Numbers, job: int, first: int, upto: int) -> None:
    """The job was cancelled before it handed over its ordinals `first .. upto`: those of them that
    it holds are not waited for, even if the listing named them before, too."""
    tally = Tally()
    for page in pages.of_ordinals(db, job, first, upto):
        if page.news == page.count:
            continue
        found = numbers.find(pages.keys_of(db, page)[max(first - page.first, 0) :])
        for some in batches(sorted({number for number in found if number is not None})):
            held = db.execute(
                "SELECT id, class FROM repo JOIN member ON member.repo = id AND member.job = ?"
                f" WHERE id IN ({places(some)}) AND member.held = 1",
                (job, *some),
            ).fetchall()
            for _, kind in held:
                tally.add(job, kind, -1, held=Held.YES)
                tally.add(job, kind, 1, held=Held.LEFT)
            db.executemany(
                "UPDATE member SET held = 2 WHERE repo = ? AND job = ?",
                [(number, job) for number, _ in held],
            )
            db.executemany(
                "UPDATE repo SET held = EXISTS"
                " (SELECT 1 FROM member WHERE member.repo = repo.id AND member.held = 1)"
                " WHERE id = ?",
                [(number,) for number, _ in held],
            )
    tally.write(db)


def _accept(
    db: sqlite3.Connection,
    which: str,
    values: Sequence[int],
    position: int,
    tally: Tally,
    home: int | None = None,
) -> None:
    """Tap accepted repositories; `home`: the job of the page that all of them came with first."""
    if home is not None:
        (n,) = db.execute(
            f"SELECT count(*) FROM repo WHERE id {which} AND class = 0", values
        ).fetchone()
        moved = [(home, n)]
    else:
        found = db.execute(f"SELECT id FROM repo WHERE id {which} AND class = 0", values)
        still = [number for (number,) in found]
        homes = Homes(db, still)
        moved = [(homes[number], 1) for number in still]
    moved += db.execute(
        "SELECT member.job, count(*) FROM member JOIN repo ON repo.id = member.repo"
        f" WHERE member.repo {which} AND class = 0 AND member.held = 0 GROUP BY member.job",
        values,
    ).fetchall()
    for job, n in moved:
        tally.add(job, Class.DISCOVERED, -n)
        tally.add(job, Class.HANDED_OFF, n)
    db.execute(
        "UPDATE repo SET handed = coalesce(handed, ?), since = iif(class = 0, ?, since),"
        f" class = iif(class = 0, 1, class) WHERE id {which} AND handed IS NULL",
        (position, position, *values),
    )
    _known_again(db, which, values, position, tally)


def _known_again(
    db: sqlite3.Connection, which: str, values: Sequence[int], position: int, tally: Tally
) -> None:
    """What Tap had forgotten and has now taken again begins anew: all of it will be sent."""
    rows = db.execute(f"SELECT repo FROM seen WHERE repo {which} AND tap_state = 'unknown'", values)
    forgotten = load(db, [number for (number,) in rows])
    for repo in forgotten.values():
        repo.tap_state = repo.tap_error = repo.tap_records = None
        repo.begins_anew(position)
    if forgotten:
        save(db, forgotten.values(), position, tally, told=True)
