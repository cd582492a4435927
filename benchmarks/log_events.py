"""A made-up history for benchmarks of the log: the events a busy daemon writes, in its mix.

Of a hundred events about 33 are pages (of 10 to 20 repositories, so that a million of them stay a
small file), 17 hand-offs, 25 receipts, 15 observations, 8 failed attempts; the rest are lexicons,
starts and ends of jobs and of the daemon. Deterministic: the same seed is the same log.
"""

import random
from collections.abc import Iterator

from backfilld_events.catalog import Event
from backfilld_events.catalog.index import RecordsCommitted, Tally
from backfilld_events.catalog.job import (
    AttemptFailed,
    BatchHandedOff,
    JobCompleted,
    JobStarted,
    PageDiscovered,
)
from backfilld_events.catalog.lexicon import LexiconUploaded
from backfilld_events.catalog.service import ServiceStarted
from backfilld_events.catalog.source import Observation, ReposObserved, TapConnected
from backfilld_events.ids import Nsid, Rev
from backfilld_events.row import NewEvent

JOBS_AT_ONCE = 6
JOB_PAGES = 2_000
RELAY = "https://relay1.us-east.bsky.network"
TAP = "http://127.0.0.1:2480"
AT = 1_800_000_000_000_000
WEIGHTS = {"page": 25, "hand-off": 25, "receipts": 25, "observed": 15, "failed": 8, "other": 2}


class _Job:
    """A job under way: how far it is."""

    def __init__(self, number: int) -> None:
        self.stream = f"job/{number:08x}"
        self.collection = Nsid(f"net.example{number % 40}.feed.post")
        self.pages = self.found = self.handed = 0


def history(count: int, seed: int = 7) -> Iterator[NewEvent]:
    """`count` events that follow from each other as the daemon's do."""
    made = _History(random.Random(seed))
    for _ in range(count):
        yield made.next()


class _History:
    """What has happened so far; `next` makes it go on."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._jobs: list[_Job] = []
        self._started = self._receipts = self._others = 0
        self._kinds = list(WEIGHTS)
        self._weights = list(WEIGHTS.values())

    def next(self) -> NewEvent:
        """The next event."""
        if len(self._jobs) < JOBS_AT_ONCE:
            return self._start()
        (kind,) = self._chance.choices(self._kinds, self._weights)
        job = self._chance.choice(self._jobs)
        if kind == "receipts":
            return NewEvent("index", self._committed(), "system")
        if kind == "observed":
            return NewEvent("tap", self._observed(), "system")
        if kind == "other":
            return self._other()
        if kind == "hand-off" and job.handed == job.found:
            kind = "page"  # nothing waits to be handed over
        if kind == "page" and job.pages >= JOB_PAGES:
            return self._end(job)
        return NewEvent(job.stream, self._of_job(kind, job), "system")

    def _start(self) -> NewEvent:
        job = _Job(self._started)
        self._started += 1
        self._jobs.append(job)
        event = JobStarted([job.collection], job.collection, None, given=False, mode="add")
        return NewEvent(job.stream, event, "uid:1000")

    def _end(self, job: _Job) -> NewEvent:
        self._jobs.remove(job)
        return NewEvent(job.stream, JobCompleted(job.found, job.handed, 0, []), "system")

    def _of_job(self, kind: str, job: _Job) -> Event:
        if kind == "page":
            return self._page(job)
        if kind == "hand-off":
            first, job.handed = job.handed, job.found
            return BatchHandedOff(first, job.handed, TAP)
        return AttemptFailed("hand-off", TAP, "unreachable", "connection refused", 1, AT / 1e6 + 60)

    def _page(self, job: _Job) -> PageDiscovered:
        count = self._chance.randint(10, 20)
        packed = bytes(4) + self._chance.randbytes(15 * count)  # ids.pack of as many did:plc
        first, job.found = job.found, job.found + count
        job.pages += 1
        cursor = f"{first:x}-{job.pages}"
        return PageDiscovered(job.collection, RELAY, first, count, cursor, packed, [])

    def _committed(self) -> RecordsCommitted:
        first = self._receipts + 1
        self._receipts += self._chance.randint(1, 8)
        tallies = [
            Tally(self._chance.randbytes(15), 0, inserted=self._chance.randint(1, 90))
            for _ in range(self._chance.randint(1, 6))
        ]
        posts = Nsid("net.example.feed.post")
        return RecordsCommitted(first, self._receipts, [posts], tallies, [], 0)

    def _observed(self) -> ReposObserved:
        rev = Rev("3jzfcijpj2z2a")
        return ReposObserved(
            TAP,
            drained=False,
            observations=[
                Observation(self._chance.randbytes(15), "active", "", rev, 120)
                for _ in range(self._chance.randint(1, 6))
            ],
        )

    def _other(self) -> NewEvent:
        self._others += 1
        number = self._others % 40
        if self._others % 3 == 0:
            return NewEvent("service", ServiceStarted("0.1.0"), "system")
        if self._others % 3 == 1:
            return NewEvent("tap", TapConnected(TAP), "system")
        nsid = Nsid(f"net.example{number}.feed.post")
        document = b'{"lexicon":1,"id":"%s"}' % nsid.encode()
        event = LexiconUploaded(nsid, self._others, "record", False, None, document)
        return NewEvent(f"lexicon/{nsid}", event, "uid:1000")
