"""A log to which things happen, and what its projections say of repositories."""

from pathlib import Path
from sqlite3 import Connection

from backfilld_events import ids
from backfilld_events.catalog import Event
from backfilld_events.catalog.index import RecordsCommitted, Tally
from backfilld_events.catalog.source import (
    Observation,
    ReposLeaving,
    ReposLeft,
    ReposObserved,
    ReposReturned,
    Why,
)
from backfilld_events.eventlog import EventLog
from backfilld_events.ids import Rev, pack_one
from backfilld_events.log.append import Append
from backfilld_events.log.file import open_reader
from backfilld_events.projections import repos
from backfilld_events.projections.classes import Class, Need
from backfilld_events.projections.tally import ALL
from backfilld_events.row import NewEvent
from support.given import POSTS, did


class Log:
    """A log, and what its projections say; times stand still."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = EventLog.open(path)
        self.db: Connection = open_reader(path)

    def happens(self, stream: str, *events: Event) -> dict[Class, int]:
        self.log.append([Append([NewEvent(stream, event, "x") for event in events])], 1)
        return repos.counts(self.db, ALL)

    def answers(
        self, *states: str, records: int = 3, rev: Rev | None = None, drained: bool = True
    ) -> dict[Class, int]:
        """Tap says so of the first, the second, ... repository; `drained`: all that it had sent
        was here after that."""
        seen = [
            Observation(pack_one(did(n)), state, "", rev, records) for n, state in enumerate(states)
        ]
        return self.happens("tap", ReposObserved("t", drained, seen))

    def came(self, receipt: int, *counts: int) -> dict[Class, int]:
        tallies = [Tally(pack_one(did(n)), 0, inserted=count) for n, count in enumerate(counts)]
        return self.happens("index", RecordsCommitted(receipt, receipt, [POSTS], tallies, [], 0))

    def needy(self, need: Need) -> list[ids.Did]:
        return [one.did for one in repos.needy(self.db, need, 1e9, 99)]

    def fetched_anew(self, *numbers: int, why: Why = "lost") -> None:
        leaving = self.log.state.position + 1
        dids = ids.pack([did(n) for n in numbers])
        self.happens("tap", ReposLeaving(why, True, len(numbers), dids), ReposLeft(leaving))
        self.happens("tap", ReposReturned(leaving, "t"))
