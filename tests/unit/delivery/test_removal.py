"""A person who has records removed is answered when it is durable and in the log; a crash at any
moment neither forgets the wish nor does it twice."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest
import trio
import trio.testing
from support.given import POSTS, did

from backfilld.deliveries import RecordDelivery
from backfilld.delivery import removal
from backfilld.delivery.ledger import Ledger
from backfilld.delivery.removal import Remover
from backfilld.journal import Journal
from backfilld.records.sqlite import SqliteStore
from backfilld.records.store import Group
from backfilld.worker import InlineWorker
from backfilld_events import ids
from backfilld_events.audit.verify import verify
from backfilld_events.catalog.index import RecordsCommitted, RecordsRemoved, RemovalAsked
from backfilld_events.eventlog import EventLog
from backfilld_events.ids import Cid, Rev, Rkey
from backfilld_events.log import read
from backfilld_events.log.file import open_reader
from backfilld_events.row import Row

P = ParamSpec("P")
T = TypeVar("T")
ALICE = "uid:1000"


class Killed(Exception):
    """The daemon is gone."""


class Mortal(InlineWorker):
    """The index's worker, which dies before or after one of its calls of a name."""

    def __init__(self, name: str = "", after_calls: int = 1 << 30) -> None:
        self._name, self._left = name, after_calls

    async def __call__(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        done = await super().__call__(work, *args, **kwargs)
        if getattr(work, "__name__", "") == self._name:
            self._left -= 1
            if not self._left:
                raise Killed
        return done


class Life:
    """A daemon's index and log, without the rest of it."""

    def __init__(self, store: SqliteStore, journal: Journal, ledger: Ledger, remover: Remover):
        self.store, self.journal, self.ledger, self.remover = store, journal, ledger, remover

    async def come(self, first: int, count: int) -> None:
        """Records come in, and into the log."""
        records = [
            RecordDelivery(
                1, did(n % 3), POSTS, Rkey(f"k{n}"), Rev("3aaaaaaaaaaa2"), Cid("bafyreione"), b"{}",
                False,
            )
            for n in range(first, first + count)
        ]  # fmt: skip
        self.store.commit(Group(records, [], [], []), 1)
        await self.ledger.catch_up()


@asynccontextmanager
async def living(folder: Path, worker: InlineWorker | None = None) -> AsyncIterator[Life]:
    """One life; an exception in it is a kill."""
    with (
        closing(EventLog.open(folder / "events.db")) as log,
        closing(SqliteStore.open(folder / "records.db", 20)) as store,
    ):
        journal = Journal(log, InlineWorker(), lambda: 1.8e9)
        ledger = Ledger(store, InlineWorker(), journal)
        names = iter(f"r{n}" for n in range(journal.state.position, 1000))
        remover = Remover(
            store, worker or InlineWorker(), journal, ledger, lambda: 1.8e9, lambda: next(names)
        )
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(journal.run)
                await ledger.check()
                await ledger.catch_up()
                nursery.start_soon(remover.run)
                yield Life(store, journal, ledger, remover)
                nursery.cancel_scope.cancel()
        except* Killed:
            pass


def rows(folder: Path) -> list[Row]:
    with closing(open_reader(folder / "events.db")) as db:
        found = list(read.rows(db))
    verify(found)
    return found


def removals(folder: Path) -> list[RecordsRemoved]:
    return [row.event for row in rows(folder) if isinstance(row.event, RecordsRemoved)]


def check_the_log_agrees_with_the_index(folder: Path) -> int:
    """How many records there are."""
    sums: dict[str, int] = {}
    last = 0
    for row in rows(folder):
        event = row.event
        if isinstance(event, RecordsCommitted):
            assert event.first == last + 1
            last = event.last
            for tally in event.tallies:
                who = ids.unpack_one(tally.repo)
                sums[who] = sums.get(who, 0) + tally.inserted - tally.deleted
        elif isinstance(event, RecordsRemoved):
            assert event.receipt == last + 1
            last = event.receipt
            for one in event.repos:
                who = ids.unpack_one(one.repo)
                sums[who] = sums.get(who, 0) - one.count
    with closing(open_reader(folder / "records.db")) as db:
        held = dict(db.execute("SELECT did, count(*) FROM records_text GROUP BY did"))
    assert {who: n for who, n in sums.items() if n} == held
    with closing(open_reader(folder / "events.db")) as db:
        (live,) = db.execute("SELECT coalesce(sum(live), 0) FROM repo").fetchone()
        (net,) = db.execute("SELECT sum(inserted - deleted) FROM delivered").fetchone()
    assert live == net == sum(held.values())
    return sum(held.values())


async def test_when_the_answer_comes_the_record_is_gone_and_the_log_says_who_did_it(
    tmp_path: Path,
) -> None:
    async with living(tmp_path) as life:
        await life.come(0, 3)
        assert await life.remover.record(did(1), POSTS, Rkey("k1"), ALICE)
        assert not await life.remover.record(did(1), POSTS, Rkey("k1"), ALICE)
        last = rows(tmp_path)[-1]
    assert (last.actor, last.stream, last.type) == (ALICE, "index", "index.records-removed")
    (event,) = removals(tmp_path)
    assert (event.uri, event.last) == (f"at://{did(1)}/{POSTS}/k1", True)
    assert check_the_log_agrees_with_the_index(tmp_path) == 2


async def test_a_record_removed_before_a_crash_stands_in_the_log_after_it_once(
    tmp_path: Path,
) -> None:
    async with living(tmp_path, Mortal("remove", 1)) as life:
        await life.come(0, 3)
        await life.remover.record(did(1), POSTS, Rkey("k1"), ALICE)
    assert removals(tmp_path) == []
    async with living(tmp_path):
        pass
    async with living(tmp_path):
        pass
    assert len(removals(tmp_path)) == 1
    assert rows(tmp_path)[-1].actor == ALICE
    assert check_the_log_agrees_with_the_index(tmp_path) == 2


async def test_a_collection_goes_portion_by_portion_each_in_the_log_with_actor_and_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removal_portion(monkeypatch, 4)
    async with living(tmp_path) as life:
        await life.come(0, 10)
        under = await life.remover.collection(POSTS, ALICE)
        await under.done.wait()
        assert under.deleted == 10
    asked = next(row for row in rows(tmp_path) if isinstance(row.event, RemovalAsked))
    assert (asked.actor, asked.stream) == (ALICE, f"removal/{under.id}")
    portions = [row for row in rows(tmp_path) if isinstance(row.event, RecordsRemoved)]
    assert {(row.actor, row.cause) for row in portions} == {(ALICE, asked.position)}
    assert [event.last for event in removals(tmp_path)] == [False, False, True]
    assert check_the_log_agrees_with_the_index(tmp_path) == 0


async def test_a_removal_that_a_crash_broke_off_goes_on_and_takes_nothing_that_came_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removal_portion(monkeypatch, 4)
    async with living(tmp_path, Mortal("remove_some", 2)) as life:
        await life.come(0, 10)
        await life.remover.collection(POSTS, ALICE)
        await life.come(10, 5)
        await trio.sleep_forever()
    assert 5 < rows_left(tmp_path) < 15
    async with living(tmp_path) as life:
        while life.journal.state.source.removals:
            await life.journal.watch("index").wait()
    assert check_the_log_agrees_with_the_index(tmp_path) == 5
    assert sum(one.count for event in removals(tmp_path) for one in event.repos) == 10


async def test_a_removal_whose_last_portion_a_crash_followed_is_not_begun_again(
    tmp_path: Path,
) -> None:
    async with living(tmp_path, Mortal("remove_some", 1)) as life:
        await life.come(0, 10)
        await life.remover.collection(POSTS, ALICE)
        await trio.sleep_forever()
    assert removals(tmp_path) == []
    async with living(tmp_path) as life:
        assert not life.journal.state.source.removals
        await life.come(20, 5)
        await trio.testing.wait_all_tasks_blocked()
    assert check_the_log_agrees_with_the_index(tmp_path) == 5


async def test_the_same_collection_is_not_removed_twice_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removal_portion(monkeypatch, 1)
    async with living(tmp_path) as life:
        await life.come(0, 6)
        found: list[str] = []

        async def ask() -> None:
            under = await life.remover.collection(POSTS, ALICE)
            found.append(under.id)
            await under.done.wait()
            assert under.deleted == 6

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask)
    assert len(set(found)) == 1
    assert check_the_log_agrees_with_the_index(tmp_path) == 0


def removal_portion(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(removal, "PORTION", size)


def rows_left(folder: Path) -> int:
    """How many rows there are now, before anything is taken up again."""
    with closing(open_reader(folder / "records.db")) as db:
        (rows,) = db.execute("SELECT count(*) FROM records_text").fetchone()
    return int(rows)
