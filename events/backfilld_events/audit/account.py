"""The history of one account, from the rows of a log alone. Pure.

The one rule: one walk, in memory that does not grow with the log. So what a later event says by
number alone (a batch, the end of an outing) is kept from the event that named the account on.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from .. import chronicle
from ..catalog.index import RecordsCommitted
from ..catalog.job import BatchHandedOff, DidsGiven, JobStarted, PageDiscovered
from ..catalog.source import ReposLeaving, ReposLeft, ReposReturned
from ..ids import Did, Handle, unpack_keys, unpack_one
from ..row import Row
from .jobwords import short
from .naming import Named
from .show import UNREADABLE
from .told import Told, told, unreadable

_LISTS: Final = ("job.page-discovered", "job.dids-given")
_OUT: Final = ("tap.repos-left", "tap.repos-returned")
_ENDS: Final = ("job.completed", "job.cancelled", "job.failed")
_NAMING: Final = frozenset(chronicle.NAMING)


def explain(rows: Iterable[Row], did: Did) -> Iterator[Told]:
    """What the events say of the account, in their order."""
    walk = _Walk(Named(did))
    for row in rows:
        try:
            yield from walk.take(row)
        except UNREADABLE as error:
            yield unreadable(row, error)


def named(rows: Iterable[Row], handle: Handle) -> list[Did]:
    """Who had the handle, by what identity events said, and who has it last at the end."""
    raw, found = handle.encode(), dict[Did, None]()
    for row in rows:
        if row.type == "index.records-committed" and raw in row.payload.lower():
            for did in _having(row, handle):
                found.pop(did, None)
                found[did] = None
    return list(found)


def _having(row: Row, handle: Handle) -> list[Did]:
    try:
        event = row.event
    except UNREADABLE:  # `explain` says so
        return []
    said = event.accounts if isinstance(event, RecordsCommitted) else []
    return [unpack_one(account.repo) for account in said if account.handle.lower() == handle]


class _Walk:
    """How far it came: `pages` of each job under way; the ordinals under which a job found the
    account, and that it has not handed over; the outings that it is on.

    `refetching` are the jobs under way in that mode, with their positions, `waiting` those of them
    that are to have it fetched anew: Tap had been `given` it before they began. `given` is where
    that was last; None: Tap has it not.
    """

    def __init__(self, account: Named) -> None:
        self._account = account
        self._pages: dict[str, int] = {}
        self._ordinals: dict[str, list[int]] = {}
        self._outings: dict[int, bool] = {}
        self._refetching: dict[str, int] = {}
        self._waiting: list[str] = []
        self._given: int | None = None

    def take(self, row: Row) -> Iterator[Told]:
        """What the event says of the account. Raises UNREADABLE."""
        name = row.type
        if name == "job.started":
            self._started(row)
        elif name in _LISTS:
            yield from self._listed(row)
        elif name == "job.batch-handed-off":
            if row.stream in self._ordinals:
                yield from self._handed_over(row)
        elif name in _OUT:
            if self._outings:
                yield from self._out(row)
        elif name in _ENDS:
            self._pages.pop(row.stream, None)
            self._refetching.pop(row.stream, None)
            if self._ordinals.pop(row.stream, None):  # cancelled before it was handed over
                self._waiting = [one for one in self._waiting if one != row.stream]
        elif name in _NAMING and self._account.may_be_in(row.payload):
            says = chronicle.of(row, self._account.key)
            event = row.event
            if says and isinstance(event, ReposLeaving):
                self._outings[row.position] = event.again
                job = short(self._waiting[-1]) if self._waiting else None
                says = [chronicle.leaving(event, job)]
            yield from (told(row, one) for one in says)

    def _started(self, row: Row) -> None:
        try:
            event = row.event
        except UNREADABLE:  # it names nobody, and an outing has words for any mode
            return
        if isinstance(event, JobStarted) and event.mode == "refetch":
            self._refetching[row.stream] = row.position

    def _listed(self, row: Row) -> Iterator[Told]:
        event = row.event
        if not isinstance(event, PageDiscovered | DidsGiven):
            return
        number = self._pages[row.stream] = self._pages.get(row.stream, 0) + bool(event.count)
        if not self._account.may_be_in(row.payload):
            return
        keys = unpack_keys(event.dids)
        if self._account.key in keys:
            yield told(row, chronicle.found(event, number, short(row.stream)))
            ordinal = event.first + keys.index(self._account.key)
            self._ordinals.setdefault(row.stream, []).append(ordinal)
            if (self._given or row.position) < self._refetching.get(row.stream, 0):
                self._waiting.append(row.stream)

    def _handed_over(self, row: Row) -> Iterator[Told]:
        event = row.event
        if not isinstance(event, BatchHandedOff):
            return
        waiting = self._ordinals[row.stream]
        left = [one for one in waiting if not event.first <= one < event.upto]
        if left != waiting:
            yield told(row, chronicle.handed_over(event, short(row.stream)))
            self._ordinals[row.stream] = left
            self._given = row.position

    def _out(self, row: Row) -> Iterator[Told]:
        event = row.event
        if isinstance(event, ReposLeft | ReposReturned) and event.leaving in self._outings:
            yield told(row, chronicle.out(event))
            is_back = isinstance(event, ReposReturned)
            if is_back or not self._outings[event.leaving]:
                del self._outings[event.leaving]
                self._given = row.position if is_back else None
                self._waiting.clear()
