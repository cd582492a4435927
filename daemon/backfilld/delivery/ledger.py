"""Takes the index's receipts into the log: in order, each exactly once, many to an event.

The one rule: the number of the last receipt in the log is folded from the log, so a crash at any
moment neither counts a receipt twice nor leaves one out.
"""

import trio

from backfilld_events import ids
from backfilld_events.catalog.dead import DeadLettersHandled
from backfilld_events.catalog.index import (
    Account,
    GhostsRemoved,
    IndexRestored,
    RecordsCommitted,
    RecordsRemoved,
    Removed,
    RowsRecounted,
    Tally,
)
from backfilld_events.ids import Did, Nsid
from backfilld_events.row import NewEvent, Row

from ..journal import Journal, Stale
from ..records.store import Counts, Ghosts, Receipt, RecordStore, Recount, Removal
from ..worker import Worker

RECEIPTS_MAX = 500  # of an event
TALLIES_MAX = 5_000  # of an event, unless one receipt alone has more: each costs the writer time
KEPT_RECEIPTS = 10_000  # stay in the index after they stand in the log, for repair by hand


_PUT_BACK = (
    "Put back the one that belongs to it, or restore both from one backup. If there is none: move "
    "records.db away, and backfilld forget-index --reason TEXT has all records fetched again"
)


class ReceiptsMissing(Exception):
    """The log and the index are not of the same history; the message says how."""


class Ledger:
    """The only writer of the stream `index`."""

    def __init__(
        self, store: RecordStore, worker: Worker, journal: Journal, every_s: float = 1.0
    ) -> None:
        self._store, self._worker, self._journal, self._every_s = store, worker, journal, every_s
        self._news = trio.Event()

    def wake(self) -> None:
        """A receipt was written."""
        self._news.set()

    async def check(self) -> None:
        """Raises ReceiptsMissing when the index cannot be the one this log tells of."""
        logged = self._journal.state.source.receipts
        first, last = await self._worker(self._store.receipt_ends)
        if logged and not last:
            raise ReceiptsMissing(
                f"records.db has no receipts, and the log knows those up to {logged:,}: the index "
                "is missing, or was begun anew. If the one that belongs to this log is still there,"
                " put it back. If it is lost:"
                " backfilld forget-index --reason TEXT has all records fetched again"
            )
        if last < logged:
            raise ReceiptsMissing(
                f"records.db ends with receipt {last:,}, and the log knows those up to {logged:,}: "
                f"the index is older than the log. {_PUT_BACK}"
            )
        if first > logged + 1:
            raise ReceiptsMissing(
                f"records.db has receipts from {first:,} on, and the log ends with {logged:,}: the "
                f"log is older than the index, by more receipts than are kept. {_PUT_BACK}"
            )
        if (said := await self._journal.last("index")) is not None:
            await self._meet(said)

    async def _meet(self, said: Row) -> None:
        """Whether the index has written the receipts that the log had of it last. Its numbers alone
        do not tell: an index that was lost and is put back may have the same."""
        event = said.event
        match event:
            case RecordsCommitted(first, last):
                pass
            case GhostsRemoved(first) | RecordsRemoved(first) | RowsRecounted(first):
                last = first
            case _:  # it begins anew after that
                return
        written = await self._worker(self._store.receipts, first - 1, last - first + 1)
        if written and written[0].no == first and _rows(_events(written)[0].event) != _rows(event):
            raise ReceiptsMissing(
                f"records.db is not the index that this log tells of: what its receipt {last:,} "
                f"says is not what event #{said.position:,} has of it. {_PUT_BACK}"
            )

    async def take_up(self) -> None:
        """Has the log say so when the index is a backup, which went on without it."""
        if (made := await self._worker(self._store.copied)) is not None:
            await self._journal.append([NewEvent("service", IndexRestored(made), "system")])
            await self._worker(self._store.take_up)  # after it: else a crash would hide it

    async def run(self) -> None:
        """Runs until cancelled; groups what comes within a second."""
        while True:
            await self.catch_up()
            await self._news.wait()
            self._news = trio.Event()
            await trio.sleep(self._every_s)

    async def catch_up(self) -> None:
        """Takes in every receipt there is now; not those that are written meanwhile, or it would
        never end while records flow, with an fsync of the log for each of the index."""
        more = True
        while more:
            source = self._journal.state.source
            receipts = await self._worker(self._store.receipts, source.receipts, RECEIPTS_MAX)
            if not receipts:
                return
            some = _some(receipts)
            more = len(some) < len(receipts) or len(receipts) == RECEIPTS_MAX
            try:
                await self._journal.append(_events(some), expected={"index": source.index_version})
            except Stale:  # an append we were cancelled in has happened all the same
                more = True
                continue
            await self._worker(self._store.forget_receipts, some[-1].no - KEPT_RECEIPTS)


def _some(receipts: list[Receipt]) -> list[Receipt]:
    """The first of them, as many as make one event: what a person did, a sweep or a recount is one
    by itself."""
    tallies = 0
    for n, receipt in enumerate(receipts):
        tallies += len(receipt.counts)
        alone = receipt.removal or receipt.ghosts or receipt.handled or receipt.recount
        if alone or tallies > TALLIES_MAX:
            return receipts[: max(n, 1)]
    return receipts


def _events(receipts: list[Receipt]) -> list[NewEvent]:
    """What these receipts say; only a removal, ghosts or dead letters are on behalf of anybody."""
    receipt = receipts[0]
    if receipt.removal is not None:
        removal = receipt.removal
        return [NewEvent("index", _removed(receipt, removal), removal.actor, removal.cause)]
    if receipt.ghosts is not None:
        return [NewEvent("index", _swept(receipt, receipt.ghosts), "system")]
    if receipt.recount is not None:
        return [NewEvent("index", _recounted(receipt, receipt.recount), "system")]
    if receipt.handled is None:
        return [NewEvent("index", summed(receipts), "system")]
    one = receipt.handled
    handled = DeadLettersHandled(action=one.action, ids=one.ids, failed=one.failed)
    return [
        NewEvent("index", summed(receipts), one.actor),
        NewEvent("dead-letters", handled, one.actor),
    ]


def _rows(event: object) -> dict[tuple[bytes, str], int]:
    """What it says of rows, by repository and collection, whatever version wrote it."""
    match event:
        case RecordsCommitted():
            names = event.collections
            said = [(one.repo, names[one.collection], one.inserted - one.deleted)
                    for one in event.tallies]  # fmt: skip
        case RecordsRemoved():
            said = [(one.repo, event.collection, -one.count) for one in event.repos]
        case GhostsRemoved():
            said = [(event.repo, nsid, -count) for nsid, count in event.collections]
        case RowsRecounted():
            said = [(event.repo, nsid, rows) for nsid, rows, _ in event.collections]
        case _:
            said = []
    return {(repo, nsid): n for repo, nsid, n in said if n}


def _removed(receipt: Receipt, removal: Removal) -> RecordsRemoved:
    packed = _packed([did for did, _, _ in receipt.counts])
    return RecordsRemoved(
        receipt=receipt.no,
        collection=removal.collection,
        uri=removal.uri,
        removal=removal.id,
        last=removal.last,
        repos=[
            Removed(repo, counts.deleted)
            for repo, (_, _, counts) in zip(packed, receipt.counts, strict=True)
        ],
    )


def _swept(receipt: Receipt, ghosts: Ghosts) -> GhostsRemoved:
    return GhostsRemoved(
        receipt=receipt.no,
        repo=ids.pack_one(receipt.counts[0][0]),
        rev=ghosts.rev,
        records=ghosts.records,
        collections=[(nsid, counts.deleted) for _, nsid, counts in receipt.counts],
    )


def _recounted(receipt: Receipt, recount: Recount) -> RowsRecounted:
    dropped = {nsid: counts.deleted for _, nsid, counts in receipt.counts}
    rows = dict(recount.rows)
    return RowsRecounted(
        receipt=receipt.no,
        repo=ids.pack_one(recount.did),
        rev=recount.rev,
        collections=[
            (nsid, rows.get(nsid, 0), dropped.get(nsid, 0)) for nsid in sorted({*rows, *dropped})
        ],
    )


def summed(receipts: list[Receipt]) -> RecordsCommitted:
    """Receipts in order as one event; pure. What was said of an account is told each time that it
    differs from the time before: its records may have gone in between."""
    places: dict[Nsid, int] = {}
    totals: dict[tuple[Did, int], Counts] = {}
    for receipt in receipts:
        for did, nsid, counts in receipt.counts:
            key = (did, places.setdefault(nsid, len(places)))
            so_far = totals.get(key)
            totals[key] = counts if so_far is None else _added(so_far, counts)
    accounts = _changes(receipts)
    return RecordsCommitted(
        first=receipts[0].no,
        last=receipts[-1].no,
        collections=list(places),
        tallies=[
            Tally(
                repo, place, total.inserted, total.updated, total.deleted, total.unchanged,
                total.stale, total.dead, total.ignored,
            )
            for repo, ((_, place), total) in zip(
                _packed([did for did, _ in totals]), totals.items(), strict=True
            )
        ],
        accounts=[
            Account(repo, status, handle)
            for repo, (_, status, handle) in zip(
                _packed([did for did, _, _ in accounts]), accounts, strict=True
            )
        ],
        unreadable=sum(receipt.unreadable for receipt in receipts),
    )  # fmt: skip


def _changes(receipts: list[Receipt]) -> list[tuple[Did, str, str]]:
    last: dict[Did, tuple[str, str]] = {}
    found: list[tuple[Did, str, str]] = []
    for receipt in receipts:
        for did, status, handle in receipt.accounts:
            if last.get(did) != (status, handle):
                last[did] = (status, handle)
                found.append((did, status, handle))
    return found


def _added(one: Counts, other: Counts) -> Counts:
    # by name: as many as a hundred thousand a second, and a loop over names costs five times this
    return Counts(
        one.inserted + other.inserted,
        one.updated + other.updated,
        one.deleted + other.deleted,
        one.unchanged + other.unchanged,
        one.stale + other.stale,
        one.dead + other.dead,
        one.ignored + other.ignored,
    )


def _packed(dids: list[Did]) -> list[bytes]:
    """`ids.pack_one` of each, all at once."""
    return ids.unpack_keys(ids.pack(dids))
