"""A made-up log in which repositories stand in every class of coverage, common and rare ones.

Of a thousand about 300 are handed off, 400 empty, 200 synced, 50 parked, 48 failed with a timeout,
1 too large, 1 discovered; a second job, for another collection, finds every tenth, which Tap has
already. Deterministic: the same size is the same log.
"""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from backfilld_events import ids
from backfilld_events.catalog import Event
from backfilld_events.catalog.index import RecordsCommitted, Tally
from backfilld_events.catalog.job import BatchHandedOff, JobStarted, PageDiscovered
from backfilld_events.catalog.source import Observation, ReposObserved
from backfilld_events.eventlog import EventLog
from backfilld_events.ids import Nsid, Rev
from backfilld_events.log.append import Append
from backfilld_events.row import NewEvent

PAGE = 1_000
FIRST, SECOND = Nsid("net.example.score"), Nsid("net.example.profile")
AT = 1_800_000_000_000_000
_RELAY, _TAP, _REV = "https://relay1.example", "http://127.0.0.1:2480", Rev("3jzfcijpj2z2a")
_TIMEOUT = "failed to get repo: context deadline exceeded"
_LARGE = "failed to get repo: response body too large"


def write(path: Path, size: int) -> None:
    """Writes the log of `size` repositories, in whole pages, with its projections."""
    log = EventLog.open(path)
    chance = random.Random(7)
    handed = 0
    held: list[bytes] = []
    log.append([Append([_of_job("first", _started(FIRST))])], AT)
    for receipt, first in enumerate(range(0, size, PAGE), 1):
        keys = [chance.randbytes(15) for _ in range(PAGE)]
        events: list[NewEvent] = [_of_job("first", _page(FIRST, first, keys))]
        upto = first + PAGE if first + PAGE < size else first + PAGE - 1
        events.append(_of_job("first", BatchHandedOff(handed, upto, _TAP)))
        handed = upto
        events += [NewEvent("tap", event, "system") for event in _observed(keys)]
        rows = [Tally(key, 0, inserted=3) for key in keys[700:900]]
        committed = RecordsCommitted(receipt, receipt, [FIRST], rows, [], 0)
        events.append(NewEvent("index", committed, "system"))
        held += keys[::10]
        log.append([Append(events)], AT + first)
    log.append([Append([_of_job("second", _started(SECOND))])], AT)
    for first in range(0, len(held), PAGE):
        page = _page(SECOND, first, held[first : first + PAGE])
        log.append([Append([_of_job("second", page)])], AT)
    log.close()


def _observed(keys: Sequence[bytes]) -> Iterator[Event]:
    def seen(key: bytes, state: str, error: str = "", records: int = 0) -> Observation:
        return Observation(key, state, error, _REV, records, 1, "pds1.example")

    failing = [seen(key, "error", _TIMEOUT) for key in keys[950:998]]
    failing += [seen(keys[998], "error", _LARGE)]
    failing += [seen(key, "desynchronized") for key in keys[900:950]]
    yield ReposObserved(_TAP, False, failing)
    here = [seen(key, "active") for key in keys[300:700]]
    here += [seen(key, "active", records=3) for key in keys[700:900]]
    yield ReposObserved(_TAP, True, here)


def _page(nsid: Nsid, first: int, keys: Sequence[bytes]) -> PageDiscovered:
    packed = bytes(4) + b"".join(keys)  # ids.pack of as many did:plc
    assert len(ids.unpack_keys(packed)) == len(keys)
    return PageDiscovered(nsid, _RELAY, first, len(keys), f"{first}-1", packed, [])


def _started(nsid: Nsid) -> JobStarted:
    return JobStarted([nsid], nsid, None, given=False, mode="add")


def _of_job(name: str, event: Event) -> NewEvent:
    return NewEvent(f"job/{name}", event, "system")
