"""What events tell of one repository, in plain words. Pure.

The one rule: an event that names the repository says something, and no other does.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from .catalog import TYPES
from .catalog.index import (
    Account,
    GhostsRemoved,
    RecordsCommitted,
    RecordsRemoved,
    RowsRecounted,
    Tally,
)
from .catalog.job import BatchHandedOff, DidsGiven, PageDiscovered
from .catalog.reconcile import Difference, ReconcileAsked, ReposCompared
from .catalog.source import (
    Observation,
    ReposDiffer,
    ReposLeaving,
    ReposLeft,
    ReposObserved,
    ReposReturned,
)
from .faults import Fault, fault_of
from .ids import NO_HANDLE, unpack_keys
from .row import Row
from .words import counted

_COUNTS: Final = {
    "inserted": "new", "updated": "changed", "deleted": "deleted", "unchanged": "as before",
    "stale": "older than ours", "dead": "to the dead letters", "ignored": "not asked for",
}  # fmt: skip

WHY: Final = {
    "lacks": "a job asks for all of it, or for a collection that it was fetched without",
    "parked": "its server's pause is over",
    "forgotten": "Tap had forgotten it",
    "final": "it fails for good, and Tap would try for ever",
    "restless": "Tap would try it without pause from now on",
    "reactivated": "its account is active again",
    "differs": "its records are not what they should be",
    "stuck": "Tap did not get on with it",
    "lost": "the index was lost, and with it what had come",
}


def of(row: Row, key: bytes) -> list[str]:
    """What the event says of the repository with this key (ids.pack_one); nothing if it does not
    name it."""
    event: Any = row.event
    tells = _TELLS.get(type(event))
    return [] if tells is None else list(tells(event, row, key))


def found(event: PageDiscovered | DidsGiven, page: int, job: str) -> str:
    """A job found it: on the `page`-th page of its listing."""
    if isinstance(event, DidsGiven):
        return f"named in job {job}"
    return f"found by {event.relay}, page {page:,}, in job {job} ({event.collection})"


def handed_over(event: BatchHandedOff, job: str) -> str:
    """A job handed it to Tap."""
    return f"handed to Tap with entries {event.first + 1:,}-{event.upto:,} of job {job}: accepted"


def leaving(event: ReposLeaving, job: str | None = None) -> str:
    """An outing of it begins; `job`: a job in mode refetch is known that waits for it."""
    then = "to be fetched anew" if event.again else "for good"
    why = WHY[event.why]
    if event.why == "lacks" and job is not None:
        why = f"job {job} asks for all of it (mode refetch)"
    return f"about to be taken out of Tap, {then}: {why}"


def out(event: ReposLeft | ReposReturned) -> str:
    """The end of what a ReposLeaving said."""
    if isinstance(event, ReposLeft):
        return "out of Tap"
    return "handed to Tap once more: accepted, and all of it will come again"


def _committed(event: RecordsCommitted, row: Row, key: bytes) -> Iterator[str]:
    receipts = f"receipt {event.first}"
    if event.last > event.first:
        receipts = f"receipts {event.first}-{event.last}"
    for one in event.tallies:
        if one.repo == key:
            yield f"{event.collections[one.collection]}: {_counted(one)} ({receipts})"
    for account in event.accounts:
        if account.repo == key:
            yield _account(account)


def _counted(one: Tally) -> str:
    some = [(getattr(one, name), word) for name, word in _COUNTS.items()]
    total = sum(n for n, _ in some)
    if one.inserted == total:
        return f"{counted(total, 'record', 'records')} committed"
    return ", ".join(f"{n:,} {word}" for n, word in some if n) or "nothing changed"


def _account(account: Account) -> str:
    handle = f", handle @{account.handle}" if account.handle not in ("", NO_HANDLE) else ""
    return f"the account is {account.status}{handle}"


def _observed(event: ReposObserved, row: Row, key: bytes) -> Iterator[str]:
    for seen in event.observations:
        if seen.repo == key:
            yield _answer(seen, drained=event.drained)


def _answer(seen: Observation, *, drained: bool) -> str:
    tries = f" after {counted(seen.retries, 'try', 'tries')}" if seen.retries else ""
    match seen.state:
        case "active":
            counts = counted(seen.records, "record", "records")
            empty = "; all that it had to send is here" if drained else ""
            return f"Tap says active: {counts}, rev {seen.rev or 'none'}{empty}"
        case "unknown":
            return "Tap does not know it"
        case "desynchronized" if seen.retries and not seen.error:
            host = seen.host or "its server"
            return f"{host} asks for fewer requests: parked by Tap{tries}"
    fault = fault_of(seen.state, seen.error)
    kind = f" ({fault.word})" if fault is not Fault.NONE else ""
    text = f": {seen.error}" if seen.error else ""
    return f"Tap says {seen.state}{kind}{tries}{text}"


def _leaving(event: ReposLeaving, row: Row, key: bytes) -> Iterator[str]:
    if key in unpack_keys(event.dids):
        yield leaving(event)


def _differ(event: ReposDiffer, row: Row, key: bytes) -> Iterator[str]:
    for one in event.differing:
        if one.repo == key:
            yield f"it differs: {one.why}" if one.why else "it differs no more"


def _removed(event: RecordsRemoved, row: Row, key: bytes) -> Iterator[str]:
    for one in event.repos:
        if one.repo == key:
            many = counted(one.count, "record", "records")
            what = event.uri or f"{many} of {event.collection}"
            yield f"{what} removed from the index by {row.actor}"


def _ghosts(event: GhostsRemoved, row: Row, key: bytes) -> Iterator[str]:
    if event.repo == key:
        for nsid, count in event.collections:
            rows = counted(count, "row", "rows")
            yield f"{rows} of {nsid} removed: its refetch did not bring them, so they are gone"


def _recounted(event: RowsRecounted, row: Row, key: bytes) -> Iterator[str]:
    if event.repo == key:
        rows = sum(rows for _, rows, _ in event.collections)
        dropped = sum(dropped for _, _, dropped in event.collections)
        newer = f", {dropped:,} dropped that no fetch would win over" if dropped else ""
        yield f"its rows were counted: {counted(rows, 'row is', 'rows are')} here{newer}"


def _asked(event: ReconcileAsked, row: Row, key: bytes) -> Iterator[str]:
    if key in unpack_keys(event.dids):
        yield f"to be compared with its server, in {', '.join(event.collections)}: by {row.actor}"


def _compared(event: ReposCompared, row: Row, key: bytes) -> Iterator[str]:
    for one in event.differing:
        if one.repo == key:
            yield _difference(one)
    for unread in event.unread:
        if unread.repo == key:
            yield f"not compared with its server: {unread.message}"
    if key in unpack_keys(event.again):
        yield "compared with its server: it differs no more"


def _difference(one: Difference) -> str:
    parts = [
        (one.missing, "missing here"), (one.extra, "here and not there"),
        (one.different, "of another version"),
    ]  # fmt: skip
    some = ", ".join(f"{n:,} {word}" for n, word in parts if n)
    return f"compared with its server, {one.collection}: {some}"


_TELLS: Final[dict[type, Callable[[Any, Row, bytes], Iterator[str]]]] = {
    ReposObserved: _observed,
    ReposLeaving: _leaving,
    ReposDiffer: _differ,
    RecordsCommitted: _committed,
    RecordsRemoved: _removed,
    GhostsRemoved: _ghosts,
    RowsRecounted: _recounted,
    ReconcileAsked: _asked,
    ReposCompared: _compared,
}
NAMING: Final = tuple(name for name, kind in TYPES.items() if kind in _TELLS)
