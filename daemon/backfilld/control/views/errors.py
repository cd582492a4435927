"""What is asked about the failures of a job: repositories, entries that are no DIDs, listings.

The one rule: of repositories a page costs what it shows. Entries that are no DIDs stand in the
pages of the log alone, which are read for them in pieces, and only if there are any.
"""

from collections.abc import Collection, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec
from msgspec import Struct

from backfilld_events.catalog.job import ListingFailed
from backfilld_events.faults import MEANINGS, Fault
from backfilld_events.folds.job import Job
from backfilld_events.ids import Did
from backfilld_events.log import read
from backfilld_events.projections import jobs, listing, repos
from backfilld_events.projections.classes import Class
from backfilld_events.projections.listing import Listed
from backfilld_events.projections.tally import of_fault
from backfilld_events.row import Row, utc_text

from ...failures import clean
from .. import covered
from ..shapes.errors import MESSAGE_CHARS_MAX, ErrorShape
from .base import ViewsBase, at_one_moment

PAGES_AT_ONCE = 200  # of 1,000 repositories each: 3 MB
DIDS_AT_ONCE = 2_000

_RESOLVED = (Fault.DID_DOC_NOT_FOUND, Fault.DID_DOC_FORBIDDEN, Fault.DID_DOC_INVALID)


class Place(NamedTuple):
    """How far a list of failures was read: so many `listings` (None: all), repositories up to the
    number `repo`, and of the event at `position` so many `entries`."""

    listings: int | None = 0
    repo: int = 0
    position: int = 0
    entries: int = 0


class _Entries(Struct):
    """The part of a page that is wanted: the rest is passed over, not decoded."""

    malformed: list[str]


_ENTRIES = msgspec.msgpack.Decoder(_Entries)


class ErrorViews(ViewsBase):
    """The part of the views that knows what failed."""

    async def failed(self, job: Job) -> dict[Fault, int]:
        """How much of a job failed in which way."""
        return await self._worker(self._failed, job)

    async def errors(
        self, job: Job, kinds: Collection[Fault], place: Place, limit: int
    ) -> tuple[list[ErrorShape], Place | None]:
        """Failures of these kinds: listings, then repositories, then entries that are no DIDs; and
        the place to go on from, if there are more."""
        found: list[ErrorShape] = []
        if place.listings is not None:
            told = place.listings
            found = await self._worker(self._listings, job, kinds, told, limit + 1)
            if len(found) > limit:
                return found[:limit], place._replace(listings=told + limit)
            place = place._replace(listings=None)
        if place.repo >= 0 and len(found) < limit:
            some, after = await self._worker(
                self._repositories, job, kinds, place.repo, limit - len(found)
            )
            found += some
            place = place._replace(repo=-1 if after is None else after)
        if place.repo < 0 and job.malformed and Fault.HANDOFF_REFUSED in kinds:
            while len(found) < limit:
                more, at = await self._worker(self._entries, job, place, limit - len(found))
                found += more
                if at is None:
                    return found, None
                place = at
            return found, place
        return found, None if place.repo < 0 else place

    async def failed_dids(self, job: Job, kinds: Collection[Fault]) -> list[Did]:
        """All repositories of the job that failed in one of these ways."""
        codes = [of_fault(kind) for kind in kinds]
        found: list[Did] = []
        after: int | None = 0
        while after is not None:
            some, after = await self._worker(self._dids, job.position, codes, after)
            found += some
        return found

    async def told_apart(self, job: Job, keys: Sequence[bytes]) -> list[tuple[Class, Fault] | None]:
        """For each of these (ids.pack_one) its class for the job, and how it failed; None: the job
        does not count it."""
        found: list[tuple[Class, Fault] | None] = []
        for at in range(0, len(keys), DIDS_AT_ONCE):
            some = keys[at : at + DIDS_AT_ONCE]
            found += await self._worker(self._told_apart, job.position, list(some))
        return found

    # --- calls of the worker ---------------------------------------------------------------

    def _failed(self, job: Job) -> dict[Fault, int]:
        with at_one_moment(self._events):
            found = repos.faults(self._events, job.position)
            parked = repos.counts(self._events, job.position).get(Class.PARKED, 0)
            job = jobs.find(self._events, job.id)[0][0]
        found[Fault.RATE_PARKED] = parked
        found[Fault.HANDOFF_REFUSED] = job.malformed
        found[Fault.LISTING_FAILED] = len(job.failed_listings)
        return {fault: n for fault, n in found.items() if n}

    def _listings(
        self, job: Job, kinds: Collection[Fault], told: int, limit: int
    ) -> list[ErrorShape]:
        if Fault.LISTING_FAILED not in kinds or not job.failed_listings:
            return []
        rows = read.rows(
            self._events, job.position, stream=f"job/{job.id}", type_name="job.listing-failed"
        )
        found = (
            _of_listing(row, row.event)
            for row in rows
            if isinstance(row.event, ListingFailed) and row.event.next_relay is None
        )
        return list(islice(found, told, told + limit))

    def _repositories(
        self, job: Job, kinds: Collection[Fault], after: int, limit: int
    ) -> tuple[list[ErrorShape], int | None]:
        codes = [of_fault(kind) for kind in kinds]
        if Fault.RATE_PARKED in kinds:
            codes.append(int(Class.PARKED))
        with at_one_moment(self._events):
            found = listing.page(self._events, job.position, codes, after, limit + 1)
            asked = {one.since for one in found} | {one.observed or one.since for one in found}
            times = read.times(self._events, asked)
        collection = job.collections[0] if len(job.collections) == 1 else job.asked_for
        shapes = [_of_repository(one, collection, times) for one in found[:limit]]
        return shapes, found[limit - 1].id if len(found) > limit else None

    def _entries(self, job: Job, place: Place, limit: int) -> tuple[list[ErrorShape], Place | None]:
        rows = read.rows(
            self._events, max(place.position - 1, 0), stream=f"job/{job.id}",
            type_name="job.page-discovered", limit=PAGES_AT_ONCE,
        )  # fmt: skip
        found: list[ErrorShape] = []
        row = None
        for looked, row in enumerate(rows, 1):
            entries = _ENTRIES.decode(row.payload).malformed
            done = place.entries if row.position == place.position else 0
            some = entries[done : done + limit - len(found)]
            found += [_of_entry(row, entry) for entry in some]
            place = place._replace(position=row.position, entries=done + len(some))
            if len(found) == limit and place.entries < len(entries):
                return found, place
            if looked == PAGES_AT_ONCE or len(found) == limit:
                return found, place._replace(position=row.position + 1, entries=0)
        return found, None

    def _dids(self, job: int, codes: list[int], after: int) -> tuple[list[Did], int | None]:
        found = listing.page(self._events, job, codes, after, DIDS_AT_ONCE)
        last = found[-1].id if len(found) == DIDS_AT_ONCE else None
        return [one.did for one in found], last

    def _told_apart(self, job: int, keys: list[bytes]) -> list[tuple[Class, Fault] | None]:
        told: list[tuple[Class, Fault] | None] = []
        with at_one_moment(self._events):
            for number in self._find(keys):
                if number is None:
                    told.append(None)
                    continue
                one, classes = listing.one(self._events, number)
                told.append((classes[job], one.fault) if job in classes else None)
        return told


def _of_repository(one: Listed, collection: str | None, times: dict[int, float]) -> ErrorShape:
    fault = Fault.RATE_PARKED if one.kind is Class.PARKED else one.fault
    at = one.observed or one.since
    again = covered.retry_at(one, times[at] if one.observed else None)
    resolves = fault in _RESOLVED or (one.error or "").startswith("failed to resolve DID")
    message = covered.says(one) if one.kind is Class.PARKED else listing.reason(one)
    return ErrorShape(
        did=one.did,
        collection=collection,
        phase="resolve" if resolves else "fetch",
        kind=fault.word,
        message=clean(message, MESSAGE_CHARS_MAX - 1),
        attempts=one.retries,
        last_at=utc_text(times[at]),
        next_attempt_at=None if again is None else utc_text(again),
        what_to_do=MEANINGS[fault].what_to_do,
        position=at,
    )


def _of_listing(row: Row, event: ListingFailed) -> ErrorShape:
    fault = Fault.LISTING_FAILED
    return ErrorShape(
        did=None,
        collection=event.collection,
        phase="discover",
        kind=fault.word,
        message=clean(f"{event.relay} {event.message}", MESSAGE_CHARS_MAX - 1),
        attempts=event.attempts,
        last_at=utc_text(row.at),
        next_attempt_at=None,
        what_to_do=MEANINGS[fault].what_to_do,
        position=row.position,
    )


def _of_entry(row: Row, entry: str) -> ErrorShape:
    fault = Fault.HANDOFF_REFUSED
    shown = clean(entry, MESSAGE_CHARS_MAX - 1)
    return ErrorShape(
        did=shown,
        collection=None,
        phase="handoff",
        kind=fault.word,
        message="the relay listed it, and it is no DID",
        attempts=1,
        last_at=utc_text(row.at),
        next_attempt_at=None,
        what_to_do=MEANINGS[fault].what_to_do,
        position=row.position,
    )
