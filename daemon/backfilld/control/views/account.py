"""What is asked about one account: how it stands, and its whole history.

The one rule: no index leads from a repository to the events that name it, so a request looks at a
bounded number of them, newest first and in pieces, and says how far it came. The jobs that found it
are known, and are told whole.
"""

from collections.abc import Sequence
from typing import NamedTuple

from backfilld_events import chronicle
from backfilld_events.catalog.job import BatchHandedOff, DidsGiven, PageDiscovered
from backfilld_events.catalog.source import ReposLeft, ReposReturned
from backfilld_events.folds.job import Job
from backfilld_events.ids import Did, pack_one
from backfilld_events.log import read, seldom
from backfilld_events.log.append import head
from backfilld_events.projections import history, listing, pages
from backfilld_events.projections.classes import Class
from backfilld_events.projections.listing import Listed
from backfilld_events.projections.numbers import KEY_BYTES
from backfilld_events.projections.pages import Page
from backfilld_events.row import COLUMNS, Row, from_columns, utc_text

from .. import covered
from ..shapes.coverage import AsOf
from ..shapes.repos import Account, Line, Standing, TapAnswer
from .base import ViewsBase, at_one_moment

LOOKED_MAX = 100_000  # events that one request looks at
AT_ONCE = 200  # of them, so that others have their turn between: some are 150 KB
JOBS_MAX = 50  # whose part is told: the newest
PAGES_AT_ONCE = 200
PAGES_LOOKED_MAX = 20_000


class _Known(NamedTuple):
    """What the projections know of an account; `home` is the page on which it came first."""

    account: Account
    home: Page
    number: int
    jobs: Sequence[Job]


class _Looked(NamedTuple):
    lines: list[Line]
    down_to: int


class AccountViews(ViewsBase):
    """The part of the views that knows the history of an account."""

    async def account(self, did: Did, before: int | None, limit: int) -> Account | None:
        """How the account stands, and at least `limit` lines of its history, if there are as many,
        the newest of those below the position `before`. None: nothing has named it."""
        key = pack_one(did)
        known = await self._worker(self._account_known, did, key)
        if known is None:
            return None
        account = known.account
        upto = account.as_of.position if before is None else min(before - 1, account.as_of.position)
        first, at, looked = known.home.position, upto, 0
        lines: list[Line] = []
        while at >= first and len(lines) < limit and looked < LOOKED_MAX:
            some = await self._worker(
                self._events_naming, did, key, max(at - AT_ONCE, first - 1), at, limit
            )
            lines += some.lines
            looked, at = looked + at - some.down_to, some.down_to
        if before is None:
            for job in known.jobs:
                lines += await self._part(job, did, key, known)
        account.history = sorted(lines, key=lambda line: line.position)
        account.complete_from = max(at + 1, first)
        account.before = account.complete_from if at >= first else None
        return account

    async def _part(self, job: Job, did: Did, key: bytes, known: _Known) -> list[Line]:
        """How the job found and handed over the account."""
        if known.home.job == job.position:
            place = known.home.first + known.number - known.home.base
            return await self._worker(self._of_entry, job, known.home, place)
        after, looked = -1, 0
        while looked < PAGES_LOOKED_MAX:
            some = await self._worker(self._page_of_job, job, did, key, after)
            if isinstance(some, tuple):
                return await self._worker(self._of_entry, job, *some)
            if some is None:
                break
            after, looked = some, looked + PAGES_AT_ONCE
        return []

    # --- calls of the worker ---------------------------------------------------------------

    def _account_known(self, did: Did, key: bytes) -> _Known | None:
        db = self._events
        with at_one_moment(db):
            (number,) = self._find([key])
            if number is None:
                return None
            one, classes = listing.one(db, number)
            home = pages.of_number(db, number)
            numbers = sorted((counter for counter in classes if counter > 0), reverse=True)
            found = [history.at(db, position) for position in numbers[:JOBS_MAX]]
            names = {-n: nsid for n, nsid in db.execute("SELECT number, nsid FROM collection")}
            position, _ = head(db)
            times = read.times(db, {one.since, one.observed or one.since, position})
        ids = {job.position: job.id for job in found}
        standings = [
            Standing(names.get(counter), ids.get(counter), kind.name.lower())
            for counter, kind in sorted(classes.items())
            if counter in names or counter in ids
        ]
        account = _account(did, one, standings, times, AsOf(position, utc_text(times[position])))
        return _Known(account, home, number, found)

    def _events_naming(self, did: Did, key: bytes, after: int, upto: int, limit: int) -> _Looked:
        """The events with `after < position <= upto` that name it, the newest first."""
        raw = key if len(key) == KEY_BYTES else did.encode()
        rows = self._events.execute(
            f"SELECT {COLUMNS} FROM event WHERE position > ? AND position <= ?"
            f" AND type IN ({','.join('?' * len(chronicle.NAMING))}) ORDER BY position DESC",
            (after, upto, *chronicle.NAMING),
        )
        lines: list[Line] = []
        for row in map(from_columns, rows):
            if raw not in row.payload:  # a tenth of what SQLite's instr takes
                continue
            lines += [_line(row, says) for says in chronicle.of(row, key)]
            if row.type == "tap.repos-leaving" and lines and lines[-1].position == row.position:
                lines += self._outing(row)
            if len(lines) >= limit:
                return _Looked(lines, row.position - 1)
        return _Looked(lines, after)

    def _outing(self, leaving: Row) -> list[Line]:
        """How the outing went that began with that event."""
        lines: list[Line] = []
        for name in ("tap.repos-left", "tap.repos-returned"):
            columns = self._events.execute(
                f"SELECT {COLUMNS} FROM event WHERE type = ? AND {seldom.CONDITION}"
                " AND position > ? AND cause = ? ORDER BY position LIMIT 1",
                (name, leaving.position, leaving.position),
            ).fetchone()
            row = None if columns is None else from_columns(columns)
            event = None if row is None else row.event
            if row is not None and isinstance(event, ReposLeft | ReposReturned):
                lines.append(_line(row, chronicle.out(event)))
        return lines

    def _page_of_job(
        self, job: Job, did: Did, key: bytes, after: int
    ) -> tuple[Page, int] | int | None:
        """(its page in the job, its ordinal there); or as far as was looked; or None: it is on
        none. Only pages on which something was known before can have it."""
        some = pages.mixed(self._events, job.position, after, PAGES_AT_ONCE)
        raw = key if len(key) == KEY_BYTES else did.encode()
        for page in some:
            row = read.row(self._events, page.position)
            if row is not None and raw in row.payload:
                keys = pages.keys_named(row.event)
                if key in keys:
                    return page, page.first + keys.index(key)
        return some[-1].first if len(some) == PAGES_AT_ONCE else None

    def _of_entry(self, job: Job, page: Page, ordinal: int) -> list[Line]:
        row = read.row(self._events, page.position)
        event = None if row is None else row.event
        if row is None or not isinstance(event, PageDiscovered | DidsGiven):
            return []
        number = pages.place(self._events, page)
        lines = [_line(row, chronicle.found(event, number, job.id[:8]))]
        batch = history.batch_of(self._events, job.id, ordinal)
        handed = None if batch is None else batch.event
        if batch is not None and isinstance(handed, BatchHandedOff):
            lines.append(_line(batch, chronicle.handed_over(handed, job.id[:8])))
        return lines


def _line(row: Row, says: str) -> Line:
    return Line(row.position, utc_text(row.at), says, row.actor)


def _account(
    did: Did, one: Listed, standings: list[Standing], times: dict[int, float], as_of: AsOf
) -> Account:
    answer = None
    if one.observed is not None and one.tap_state is not None:
        answer = TapAnswer(
            one.tap_state, one.error or "", one.rev, one.tap_records or 0, one.retries,
            utc_text(times[one.observed]), one.observed,
        )  # fmt: skip
    is_stray = covered.is_stray(one, len(standings))
    return Account(
        did=did,
        handle=covered.handle(one),
        pds_endpoint=covered.pds(one.host),
        state=one.kind.name.lower(),
        kind=one.fault.word if one.kind is Class.FAILED else None,
        since=utc_text(times[one.since]),
        position=one.since,
        sentence=covered.STRAY if is_stray else covered.says(one),
        next=covered.STRAY_NEXT if is_stray else covered.comes_next(one),
        standings=standings,
        account=one.account,
        tap=answer,
        records=one.live,
        removed=one.removed,
        differs=one.differs,
        asked_next=utc_text(one.due) if one.due else None,
        history=[],
        complete_from=one.since,
        before=None,
        as_of=as_of,
    )
