"""What Tap says is an event, and an answer that cannot be read keeps no other from being asked."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from support.given import NOON, POSTS, dids, handed_off, page, started

from backfilld.backfill.asking_tap import TapAsker
from backfilld.backfill.recount import EVERY_S_MIN, Recount
from backfilld.clock import virtual
from backfilld.failures import Failure, Kind
from backfilld.journal import Journal
from backfilld.sources.tap.http import RepoInfo
from backfilld.worker import InlineWorker
from backfilld_events import ids
from backfilld_events.catalog.source import ReposLeaving, ReposLeft, ReposReturned
from backfilld_events.eventlog import EventLog
from backfilld_events.ids import Did
from backfilld_events.log.append import Append
from backfilld_events.log.file import open_writer
from backfilld_events.projections import repos
from backfilld_events.projections.classes import Class
from backfilld_events.row import NewEvent

ALL = dids(0, 40)


class Tap:
    """Calls all active but some, of which its answers are failures of this kind."""

    url = "http://127.0.0.1:2480"

    def __init__(self, kind: Kind, odd: Sequence[Did] = ()) -> None:
        self.kind: Kind = kind
        self.odd = odd

    async def info(self, did: Did) -> RepoInfo:
        await trio.lowlevel.checkpoint()
        if did in self.odd:
            raise Failure(self.kind, "x")
        return RepoInfo("active", rev="3aaaaaaaaaaa2")

    async def resolve(self, did: Did) -> str | None:
        raise AssertionError(did)

    async def outbox_buffer(self) -> int:
        return 0


class Site:
    """A log in which Tap was given ALL, served by a journal."""

    def __init__(self, path: Path, db_journal: tuple[EventLog, Journal]) -> None:
        self.log, self.journal = db_journal
        self.db = open_writer(path, "backfilld_events.log")

    async def asks(self, tap: Tap) -> bool:
        """Asks about all; whether Tap was there."""

        async def account() -> None: ...

        asker = TapAsker(tap, self.journal, account)
        numbers = [number for (number,) in self.db.execute("SELECT id FROM repo")]
        return (await asker.ask(repos.to_ask(self.db, numbers))).there


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    path = folder / "events.db"
    log = EventLog.open(path)
    first = [started(POSTS), page(0, len(ALL), None), handed_off(len(ALL))]
    log.append([Append([NewEvent("job/a", event, "x") for event in first])], round(NOON * 1e6))
    journal = Journal(log, InlineWorker(), virtual(NOON))
    async with trio.open_nursery() as nursery:
        await nursery.start(journal.run)
        found = Site(path, (log, journal))
        yield found
        found.db.close()
        nursery.cancel_scope.cancel()
    log.close()


async def test_a_server_whose_errors_are_too_long_to_read_keeps_no_other_from_being_asked_about(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with site(tmp_path) as one:
        odd = ALL[:30]
        due = "SELECT min(due) FROM repo WHERE class = 1"
        (before,) = one.db.execute(due).fetchone()
        assert await one.asks(Tap("too_large", odd)), "Tap is there"
        assert repos.counts(one.db, 0) == {Class.HANDED_OFF: len(odd), Class.EMPTY: 10}
        (after,) = one.db.execute(due).fetchone()
        assert after > before, "they are asked about later, and let others go first"


async def test_a_tap_that_is_down_is_not_asked_for_ever(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with site(tmp_path) as one:
        assert not await one.asks(Tap("unreachable", ALL))
        assert repos.counts(one.db, 0) == {Class.HANDED_OFF: len(ALL)}


class Counting:
    """Has some less than it was given."""

    def __init__(self, less: Callable[[], int]) -> None:
        self.less = less

    async def repo_count(self) -> int:
        return len(ALL) - self.less()


async def test_what_we_are_taking_out_just_now_is_not_missed(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """Else each large refetch would have Tap asked about all there are."""
    async with site(tmp_path) as one, trio.open_nursery() as nursery:
        less = [0]

        async def expected() -> int:
            return repos.expected(one.db)

        recount = Recount(Counting(lambda: less[0]), one.journal, expected, lambda: 0)
        nursery.start_soon(recount.run)
        leaving = ReposLeaving("lacks", True, 5, ids.pack(ALL[:5]))
        (row,) = await one.journal.append([NewEvent("tap", leaving, "x")])
        less[0] = 5
        await trio.sleep(5 * EVERY_S_MIN)
        assert one.journal.state.source.census is None
        ends = [ReposLeft(row.position), ReposReturned(row.position, "t")]
        await one.journal.append([NewEvent("tap", event, "x") for event in ends])
        await trio.sleep(5 * EVERY_S_MIN)
        assert one.journal.state.source.census is not None, "now they are"
        nursery.cancel_scope.cancel()
