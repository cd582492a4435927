"""Do the receipts in the log sum up to the index, to the row?

The one rule: what is committed to the index has a receipt, in the same transaction, and each
receipt stands in the log once. So of each repository and collection the rows are what the receipts
add up to; where they are not, somebody or something else has changed the index, or the log.

A daemon may go on with both meanwhile: the log is read first, then the index at one moment, whose
receipts that the log did not have yet are added from the index itself.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from ..catalog import Event
from ..catalog import index as catalog
from ..ids import pack_one, unpack_one
from ..row import Row, from_columns
from ..words import counted
from .index import Index, Receipt, Unreadable
from .show import UNREADABLE
from .source import Source
from .sums import Sum, Sums
from .verify import Broken, checked

FEW = 2_000  # events that may come between the log's moment and the index's
KEPT_RECEIPTS = 10_000  # that the index keeps behind the log's last, at least (delivery.ledger)
DIFFERENCES_MAX = 20  # that are told; all are counted


class Difference(Struct, frozen=True):
    """The log says that there are `said` rows, and the index has `has`. `position` is the last
    event that changed that number; None: none ever, or it is in the index's receipt `receipt`."""

    did: str
    collection: str
    said: int
    has: int
    position: int | None
    receipt: int | None

    @property
    def sentence(self) -> str:
        """What is wrong, for people."""
        where = "which no event names" if self.position is None else f"last by #{self.position}"
        if self.receipt is not None:
            where = f"last by receipt {self.receipt}, which the log has not"
        return (
            f"{self.did} {self.collection}: the log says {self.said:,}, {where}; "
            f"the index has {self.has:,}"
        )


class Reconciled(Struct, frozen=True):
    """What came of it. The log ends at `position` with receipt `logged`, the index with `written`;
    `lost`: the last event that says that the index was lost, and begins anew.

    `wrong` are sentences about what is wrong beside the rows. With `is_compared` the index has
    `rows` rows of `repos` repositories in `collections` collections; `differ` counts the pairs of
    these for which the log says otherwise, and `differences` are the first.
    """

    position: int
    logged: int
    written: int
    lost: int | None
    wrong: list[str]
    is_compared: bool = False
    rows: int = 0
    repos: int = 0
    collections: int = 0
    differ: int = 0
    differences: list[Difference] = []

    @property
    def agrees(self) -> bool:
        """Whether nothing is wrong."""
        return self.is_compared and not self.differ and not self.wrong

    @property
    def sentence(self) -> str:
        """The finding about the rows, for people."""
        since = "" if self.lost is None else f", since the index was lost (#{self.lost}),"
        receipts = f"receipts 1..{self.written}{since}" if self.written else f"no receipts{since}"
        if not self.is_compared:
            return f"{receipts} in the index, 1..{self.logged} in the log: rows were not compared"
        verb = "sum up to" if self.written else "and"
        if self.differ:
            verb = "do not sum up to the"
        collections = counted(self.collections, "collection", "collections")
        there = (
            f"{receipts} {verb} {counted(self.rows, 'row', 'rows')} of "
            f"{counted(self.repos, 'repository', 'repositories')} in {collections}"
        )
        if self.differ:
            pairs = counted(self.differ, "number differs", "numbers differ")
            return f"{there}: {pairs}"
        return f"{there}: agrees to the row"


def reconcile(source: Source, path: Path) -> Reconciled:
    """Holds the index at `path` against the log. Raises Broken where the log cannot be read or its
    receipts have a gap; BadFile."""
    with _Walk() as walk:
        before, came = None, walk.follow(source)
        while came > FEW and (before is None or came < before):  # each time they are fewer
            before, came = came, walk.follow(source)
        index = Index(path)
        try:
            return _held_against(walk, index)
        finally:
            index.close()


class _Walk:
    """Adds up receipts: those of the log up to `position`, and then any others."""

    def __init__(self) -> None:
        self.sums = Sums()
        self.position = self.receipts = 0
        self.lost: int | None = None

    def __enter__(self) -> "_Walk":
        return self

    def __exit__(self, *ended: object) -> None:
        self.sums.close()

    def follow(self, source: Source) -> int:
        """Goes on to the end that the log has now; how many events that were."""
        after, upto = self.position, source.upto()
        if upto <= after:
            return 0
        for row in checked(map(from_columns, source.columns(after, upto))):
            if row.type in catalog.TYPES:
                self._take(row)
        self.position = upto
        return upto - after

    def _take(self, row: Row) -> None:
        try:
            self._add(row, row.event)
        except UNREADABLE as error:
            raise Broken(row.position, f"its rows cannot be added up: {error}") from error

    def _add(self, row: Row, event: Event) -> None:
        say, at = self.sums.say, row.position
        match event:
            case catalog.RecordsCommitted():
                self._count(at, event.first, event.last)
                for one in event.tallies:
                    say(one.repo, event.collections[one.collection], one.inserted - one.deleted, at)
            case catalog.RecordsRemoved():
                self._count(at, event.receipt, event.receipt)
                for removed in event.repos:
                    say(removed.repo, event.collection, -removed.count, at)
            case catalog.GhostsRemoved():
                self._count(at, event.receipt, event.receipt)
                for collection, count in event.collections:
                    say(event.repo, collection, -count, at)
            case catalog.RowsRecounted():
                self._count(at, event.receipt, event.receipt)
                rows = [(collection, count) for collection, count, _ in event.collections]
                self.sums.recount(event.repo, rows, at)
            case catalog.IndexLost():
                self.lost, self.receipts = at, 0
                self.sums.reset()

    def _count(self, position: int, first: int, last: int) -> None:
        if first != self.receipts + 1 or last < first:
            raise Broken(
                position, f"receipts {first}..{last} do not follow receipt {self.receipts}"
            )
        self.receipts = last

    def add(self, receipt: Receipt, at: int) -> None:
        """One that the log does not have, as if it stood there at `at`."""
        if receipt.recount is not None:
            self.sums.recount(pack_one(receipt.recount.did), receipt.recount.rows, at)
            return
        for did, collection, change in receipt.changes:
            self.sums.say(pack_one(did), collection, change.inserted - change.deleted, at)


def _held_against(walk: _Walk, index: Index) -> Reconciled:
    position, logged = walk.position, walk.receipts
    wrong, is_whole = _receipts(index, logged)
    found = Reconciled(position, logged, index.last, walk.lost, wrong)
    if not is_whole:
        return found
    try:
        for receipt in index.receipts(logged):
            walk.add(receipt, position + receipt.no - logged)
    except (Unreadable, *UNREADABLE) as error:
        wrong.append(str(error))
        return found
    rows, hidden = Counter[str](), Counter[str]()
    walk.sums.hold(_counted(index, rows, hidden))
    wrong += _counters(index, rows, hidden)
    return _compared(walk.sums, replace(found, is_compared=True, collections=len(rows)))


def _receipts(index: Index, logged: int) -> tuple[list[str], bool]:
    """What is wrong with the index's receipts; and whether those are all there that the log does
    not have, so that rows can be compared."""
    if index.last < logged:
        return [
            f"the index is older than the log: the log has receipts up to {logged}, and the first "
            f"that the index misses is {index.last + 1}; it was restored from an older backup, or "
            "its last receipts were taken out"
        ], False
    if (gap := index.missing(logged)) is not None:
        return [
            f"receipt {gap} is missing: the log ends with {logged}, and the index goes on with "
            f"others up to {index.last}; the log was restored from an older backup, or a receipt "
            "was taken out of the index"
        ], False
    wrong = []
    oldest = max(1, index.last - KEPT_RECEIPTS + 1)
    if index.first > oldest:
        wrong.append(f"receipt {oldest} is missing from the index, which keeps {KEPT_RECEIPTS:,}")
    elif index.first and (gap := index.missing(index.first - 1)) is not None:
        wrong.append(f"receipt {gap} is missing from the index, though the log has it")
    return wrong, True


def _counted(
    index: Index, rows: Counter[str], hidden: Counter[str]
) -> Iterator[tuple[str, str, int]]:
    """What the index holds; adds it up by collection, too."""
    for one in index.rows():
        rows[one.collection] += one.rows
        hidden[one.collection] += one.rows * one.hidden
        yield one.did, one.collection, one.rows


def _counters(index: Index, rows: Counter[str], hidden: Counter[str]) -> Iterator[str]:
    """Where the index's own counters are not what is counted."""
    kept = index.counters()
    for collection in sorted({*kept, *rows}):
        records, away = kept.get(collection, (0, 0))
        if records != rows[collection]:
            yield f"{collection}: the index counts {records:,} rows, and has {rows[collection]:,}"
        if away != hidden[collection]:
            yield (
                f"{collection}: the index counts {away:,} rows of accounts that are not shown, and "
                f"has {hidden[collection]:,}"
            )


def _compared(sums: Sums, found: Reconciled) -> Reconciled:
    """The rows, one repository after the other."""
    rows = repos = differ = 0
    differences: list[Difference] = []
    last = None
    for one in sums.sums():
        rows += one.has
        if one.has and one.repo != last:
            repos, last = repos + 1, one.repo
        if one.said != one.has:
            differ += 1
            if len(differences) < DIFFERENCES_MAX:
                differences.append(_difference(one, found))
    return replace(found, rows=rows, repos=repos, differ=differ, differences=differences)


def _difference(one: Sum, found: Reconciled) -> Difference:
    beyond = (one.at or 0) - found.position  # see _held_against
    return Difference(
        did=unpack_one(one.repo),
        collection=one.collection,
        said=one.said,
        has=one.has,
        position=one.at if beyond <= 0 else None,
        receipt=found.logged + beyond if beyond > 0 else None,
    )
