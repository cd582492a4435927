"""A repository as the projections know it: read many, change them, write what changed.

The one rule: its class, its needs and its turn to be asked about are functions of the rest of it
(`judged`); whoever changes something writes through `save`, which moves the tallies.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence

from . import judged
from .classes import Held
from .judged import Repo
from .pages import Homes
from .tally import ALL, Tally, block_of

IDS_MAX = 2000  # in one statement; SQLite takes 32,766

_SEEN = (
    "account, handle, tap_state, tap_error, rev, tap_records, observed, drained, retries, fault,"
    " host, out, back, sweep, before, doubt, differs, mended, apart, mend"
)
_ZERO = ("drained", "retries", "fault", "host", "out", "back", "sweep", "doubt", "mended", "mend")
_SEEN_OR_ZERO = ", ".join(
    f"coalesce({name}, 0)" if name in _ZERO else name for name in _SEEN.split(", ")
)
# what Tap had before that it sends not again
_LOST = "coalesce(handed < (SELECT max(position) FROM lost), 0)"


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
            "SELECT id, class, handed, held, live, removed, aside, came, ask, due, wait, need,"
            f" need_at, {_SEEN_OR_ZERO}, {_LOST} FROM repo LEFT JOIN seen ON seen.repo = repo.id"
            f" WHERE id IN ({places(some)})",
            some,
        )
        for columns in rows:
            repo = found[columns[0]] = Repo(*columns)
            repo.was_fault, repo.was_sweep = repo.fault, repo.sweep
    return found


def save(
    db: sqlite3.Connection,
    repos: Collection[Repo],
    tally: Tally,
    position: int,
    at: float,
    *,
    told: bool,
    unchanged: Collection[int] = (),
) -> None:
    """Writes repositories that the event at `position`, recorded `at`, changed. `told`: what Tap
    or we said of it changed too, not only how many records came. Those with the ids `unchanged`
    were asked about, and answered as before."""
    before = {repo.id: (repo.kind, repo.was_fault) for repo in repos}
    for repo in repos:
        repo.kind = judged.classified(repo)
        if repo.sweep and not judged.may_have_ghosts(repo):
            repo.sweep = 0
        if repo.id in unchanged:
            repo.ask, repo.due, repo.wait = judged.next_ask(repo, at)
        else:
            repo.ask, repo.due, repo.wait = judged.first_ask(repo, at, told=told)
        repo.need, repo.need_at = judged.needed(repo, at)
    changed = [repo for repo in repos if (repo.kind, repo.fault) != before[repo.id]]
    counters = counters_of(db, [repo.id for repo in changed])
    moves = Counter(  # of thousands most are alike
        (block_of(repo.id), before[repo.id], (repo.kind, repo.fault), counters[repo.id])
        for repo in changed
    )
    for (block, (kind, fault), (after, after_fault), counted), n in moves.items():
        for counter, held in counted:
            tally.add(counter, kind, -n, block, held=held, fault=fault)
            tally.add(counter, after, n, block, held=held, fault=after_fault)
    db.executemany(
        "UPDATE repo SET class = ?1, since = iif(class = ?1, since, ?2), handed = ?3, held = ?4,"
        " live = ?5, removed = ?6, aside = ?7, came = ?8, ask = ?9, due = ?10, wait = ?11,"
        " need = ?12, need_at = ?13 WHERE id = ?14",
        [
            (
                int(one.kind), position, one.handed, one.held, one.live, one.removed, one.aside,
                one.came, one.ask, one.due, one.wait, one.need, one.need_at, one.id,
            )
            for one in repos
        ],
    )  # fmt: skip
    if told:
        _save_seen(db, repos)
    elif swept := [(one.sweep, one.id) for one in repos if one.sweep != one.was_sweep]:
        db.executemany("UPDATE seen SET sweep = ? WHERE repo = ?", swept)


def _save_seen(db: sqlite3.Connection, repos: Collection[Repo]) -> None:
    db.executemany(
        f"INSERT OR REPLACE INTO seen (repo, {_SEEN})"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                one.id, one.account, one.handle, one.tap_state, one.tap_error, one.rev,
                one.tap_records, one.observed, one.drained, one.retries, one.fault, one.host,
                one.out, one.back, one.sweep, one.before, one.doubt, one.differs, one.mended,
                one.apart, one.mend,
            )
            for one in repos
        ],
    )  # fmt: skip


Counted = tuple[tuple[int, int], ...]
"""(counter, classes.Held) of each in which a repository is counted."""


def counters_of(db: sqlite3.Connection, numbers: Collection[int]) -> dict[int, Counted]:
    """By number: all, jobs that found it, and -number of collections it was found for."""
    found: dict[int, Counted] = {}
    rest: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for some in batches(sorted(numbers)):
        rows = db.execute(
            f"SELECT repo, job, held FROM member WHERE repo IN ({places(some)})", some
        )
        for number, counter, held in rows:
            rest[number][counter] = held
    homes = Homes(db, numbers)
    for number in numbers:
        counters = {ALL: int(Held.NOT)} | dict.fromkeys(homes[number], int(Held.NOT))
        if number in rest:  # a row says more than the page
            counters |= rest[number]
        found[number] = tuple(counters.items())
    return found
