"""Receipts reach the log in order, each exactly once."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest
import trio
import trio.testing
from msgspec import structs
from support.given import LIKES, POSTS, did

from backfilld.backup.snapshot import mark
from backfilld.deliveries import RecordDelivery
from backfilld.delivery.ledger import Ledger, ReceiptsMissing, summed
from backfilld.journal import Journal
from backfilld.records.ghosts import Evidence
from backfilld.records.sqlite import SqliteStore
from backfilld.records.store import Counts, Group, Handled, Outcome, Receipt
from backfilld.worker import InlineWorker
from backfilld_events import ids
from backfilld_events.audit.verify import verify
from backfilld_events.catalog import Event
from backfilld_events.catalog.dead import DeadLettersHandled
from backfilld_events.catalog.index import (
    Account,
    GhostsRemoved,
    IndexLost,
    IndexRestored,
    RecordsCommitted,
    RowsRecounted,
    Tally,
)
from backfilld_events.eventlog import EventLog
from backfilld_events.ids import Cid, Did, Rev, Rkey
from backfilld_events.log import read
from backfilld_events.log.append import Append
from backfilld_events.log.file import open_reader
from backfilld_events.row import NewEvent

P = ParamSpec("P")
T = TypeVar("T")


def group(n: int) -> Group:
    one = RecordDelivery(
        1, did(n % 3), POSTS, Rkey(f"k{n}"), Rev("3aaaaaaaaaaa2"), Cid("bafyreione"), b"{}", False
    )
    return Group([one], [], [], [])


async def take_in(folder: Path, commits: int, *, crash_after_append: bool = False) -> None:
    """One life: some commits, then the ledger; a crash is a life that ends at once."""
    with (
        closing(EventLog.open(folder / "events.db")) as log,
        closing(SqliteStore.open(folder / "records.db", 20)) as store,
    ):
        journal = Journal(log, InlineWorker(), lambda: 1.8e9)
        ledger = Ledger(store, InlineWorker(), journal)
        for n in range(commits):
            store.commit(group(n), 1)
        async with trio.open_nursery() as nursery:
            await nursery.start(journal.run)
            await ledger.check()
            if not crash_after_append:
                await ledger.catch_up()
            nursery.cancel_scope.cancel()


async def test_a_crash_between_index_and_log_neither_loses_nor_doubles_a_receipt(
    tmp_path: Path,
) -> None:
    await take_in(tmp_path, 5)
    await take_in(tmp_path, 4, crash_after_append=True)
    await take_in(tmp_path, 0)
    await take_in(tmp_path, 0)
    rows = list(read.rows(open_reader(tmp_path / "events.db")))
    verify(rows)
    events = [row.event for row in rows]
    assert all(isinstance(event, RecordsCommitted) for event in events)
    spans = [(event.first, event.last) for event in events if isinstance(event, RecordsCommitted)]
    assert spans == [(1, 5), (6, 9)]
    total = sum(
        tally.inserted
        for event in events
        if isinstance(event, RecordsCommitted)
        for tally in event.tallies
    )
    with closing(open_reader(tmp_path / "records.db")) as db:
        assert (total,) == db.execute("SELECT count(*) FROM records_text").fetchone()


async def test_an_index_that_is_a_backup_is_told_of_once_though_a_crash_comes_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await take_in(tmp_path, 3)
    mark(tmp_path / "records.db", 1.7e9)

    async def taken_up() -> list[Event]:
        with (
            closing(EventLog.open(tmp_path / "events.db")) as log,
            closing(SqliteStore.open(tmp_path / "records.db", 20)) as store,
        ):
            journal = Journal(log, InlineWorker(), lambda: 1.8e9)
            async with trio.open_nursery() as nursery:
                await nursery.start(journal.run)
                await Ledger(store, InlineWorker(), journal).take_up()
                nursery.cancel_scope.cancel()
        with closing(open_reader(tmp_path / "events.db")) as db:
            return [row.event for row in read.rows(db) if row.type == "index.restored"]

    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "take_up", lambda _: None)  # it was killed before that
        assert await taken_up() == [IndexRestored(1.7e9)]
    assert await taken_up() == [IndexRestored(1.7e9)] * 2, "said twice is better than not at all"
    assert await taken_up() == [IndexRestored(1.7e9)] * 2


async def test_many_receipts_make_one_event(tmp_path: Path) -> None:
    await take_in(tmp_path, 700)
    events = [row.event for row in read.rows(open_reader(tmp_path / "events.db"))]
    assert len(events) == 2


def begun_anew(folder: Path) -> None:
    (folder / "records.db").unlink()


def older(folder: Path) -> None:
    with sqlite3.connect(folder / "records.db") as db:
        db.execute("DELETE FROM receipt WHERE no > 3")
    db.close()


def of_an_older_log(folder: Path) -> None:
    (folder / "events.db").unlink()
    with closing(SqliteStore.open(folder / "records.db", 20)) as store:
        store.forget_receipts(3)


def another(folder: Path) -> None:
    (folder / "records.db").unlink()
    with closing(SqliteStore.open(folder / "records.db", 20)) as store:
        for n in range(1, 8):
            store.commit(group(n), 1)


@pytest.mark.parametrize(
    ("happened", "said"),
    [
        (begun_anew, r"records.db has no receipts, and the log knows those up to 5: .*put it back"),
        (older, r"records.db ends with receipt 3, and the log knows those up to 5: the index is"),
        (of_an_older_log, r"receipts from 4 on, and the log ends with 0: the log is older than"),
        (
            another,
            r"not the index that this log tells of: what its receipt 5 says is not what even",
        ),
    ],
)
async def test_an_index_of_another_history_is_refused_with_what_happened_and_the_remedy(
    tmp_path: Path, happened: Callable[[Path], None], said: str
) -> None:
    await take_in(tmp_path, 5)
    happened(tmp_path)
    with pytest.raises(BaseExceptionGroup) as group_of_errors:
        await take_in(tmp_path, 0)
    assert group_of_errors.group_contains(ReceiptsMissing, match=said)
    assert group_of_errors.group_contains(ReceiptsMissing, match="backfilld forget-index --reason")


async def test_the_log_that_is_some_receipts_older_takes_them_in_once(tmp_path: Path) -> None:
    await take_in(tmp_path, 5)
    shutil.copy(tmp_path / "events.db", tmp_path / "backup")
    await take_in(tmp_path, 4)
    shutil.move(tmp_path / "backup", tmp_path / "events.db")
    await take_in(tmp_path, 2)
    rows = list(read.rows(open_reader(tmp_path / "events.db")))
    spans = [(row.event.first, row.event.last) for row in rows]  # type: ignore[union-attr]
    assert spans == [(1, 5), (6, 11)]


async def test_after_the_loss_of_an_index_only_one_that_begins_anew_is_taken(
    tmp_path: Path,
) -> None:
    await take_in(tmp_path, 5)
    shutil.move(tmp_path / "records.db", tmp_path / "found later")
    with closing(EventLog.open(tmp_path / "events.db")) as log:
        log.append([Append([NewEvent("index", IndexLost(5, "the disk"), "uid:7")])], 1)
    with closing(SqliteStore.open(tmp_path / "records.db", 20)) as store:
        store.commit(group(1), 1)
    await take_in(tmp_path, 0)
    shutil.move(tmp_path / "found later", tmp_path / "records.db")
    with pytest.raises(BaseExceptionGroup) as group_of_errors:
        await take_in(tmp_path, 0)
    assert group_of_errors.group_contains(ReceiptsMissing, match="not the index")


def test_receipts_add_up_field_by_field_and_dids_are_packed_as_ever() -> None:
    fields = Counts.__struct_fields__
    one = Counts(*range(1, len(fields) + 1))
    other = Counts(*(10 * n for n in range(1, len(fields) + 1)))
    odd = Did("did:web:a.example")
    event = summed(
        [
            Receipt(4, [(did(1), POSTS, one), (odd, LIKES, one)], [(odd, "gone", "x")], 1),
            Receipt(5, [(did(1), POSTS, other), (did(1), LIKES, other)], [(odd, "back", "y")], 2),
        ]
    )
    assert (event.first, event.last, event.unreadable) == (4, 5, 3)
    assert event.collections == [POSTS, LIKES]
    both = [11 * n for n in range(1, len(fields) + 1)]
    assert event.tallies == [
        Tally(ids.pack_one(did(1)), 0, *both),
        Tally(ids.pack_one(odd), 1, *structs.astuple(one)),
        Tally(ids.pack_one(did(1)), 1, *structs.astuple(other)),
    ]
    packed = ids.pack_one(odd)
    assert event.accounts == [Account(packed, "gone", "x"), Account(packed, "back", "y")]
    assert one.inserted == 1, "a receipt is not changed by being added up"


def test_what_is_said_of_an_account_again_is_told_once() -> None:
    said = [(did(1), "active", "x")]
    event = summed([Receipt(no, [], said, 0) for no in (1, 2, 3)])
    assert event.accounts == [Account(ids.pack_one(did(1)), "active", "x")]


async def test_ghosts_and_dead_letters_stand_in_the_log_once_with_who_did_it(
    tmp_path: Path,
) -> None:
    """They are receipts like others, so no crash counts them twice or leaves them out."""
    await take_in(tmp_path, 1)
    with closing(SqliteStore.open(tmp_path / "records.db", 20)) as store:
        store.commit(group(3), 1)
        swept = store.sweep(did(0), [POSTS], Evidence(0, Rev("3aaaaaaaaaab2")), 2)
        assert swept.receipt is not None
        handled = Handled("uid:1000", "dismiss", [7], [8])
        outcomes = [Outcome(7, "dismiss"), Outcome(8, None, "no")]
        store.settle(handled, outcomes, Group([], [], [], []), 3)
        store.commit(group(4), 4)
    await take_in(tmp_path, 0, crash_after_append=True)
    await take_in(tmp_path, 0)
    await take_in(tmp_path, 0)
    rows = list(read.rows(open_reader(tmp_path / "events.db")))
    verify(rows)
    assert [(row.stream, row.type, row.actor) for row in rows[1:]] == [
        ("index", "index.records-committed", "system"),
        ("index", "index.ghosts-removed", "system"),
        ("index", "index.records-committed", "uid:1000"),
        ("dead-letters", "dead-letters.handled", "uid:1000"),
        ("index", "index.records-committed", "system"),
    ]
    removed = GhostsRemoved(3, ids.pack_one(did(0)), Rev("3aaaaaaaaaab2"), 0, [(POSTS, 2)])
    assert rows[2].event == removed
    assert rows[4].event == DeadLettersHandled(action="dismiss", ids=[7], failed=[8])


async def test_a_recount_stands_by_itself_and_says_what_is_there_and_what_went(
    tmp_path: Path,
) -> None:
    await take_in(tmp_path, 1)
    with closing(SqliteStore.open(tmp_path / "records.db", 20)) as store:
        store.commit(group(3), 1)
        rev = Rev("3aaaaaaaaaaa2")
        store.recount(did(0), rev, {POSTS: {Rkey("k3"): Cid("bafyreione")}})
        store.recount(did(7), rev, {})
        store.commit(group(4), 1)
    await take_in(tmp_path, 0)
    rows = list(read.rows(open_reader(tmp_path / "events.db")))
    verify(rows)
    assert [row.event for row in rows[2:4]] == [
        RowsRecounted(3, ids.pack_one(did(0)), rev, [(POSTS, 1, 1)]),
        RowsRecounted(4, ids.pack_one(did(7)), rev, []),
    ]
    assert [row.type for row in (rows[1], rows[4])] == ["index.records-committed"] * 2


async def test_receipts_that_flow_without_end_do_not_keep_it_from_returning(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """It would write an event, with its fsync, for each group of the index."""
    with (
        closing(EventLog.open(tmp_path / "events.db")) as log,
        closing(SqliteStore.open(tmp_path / "records.db", 20)) as store,
    ):
        written = 0

        class Busy(InlineWorker):
            """A worker between whose calls another group is always committed."""

            async def __call__(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
                nonlocal written
                done = await super().__call__(work, *args, **kwargs)
                written += 1
                store.commit(group(written), 1)
                return done

        journal = Journal(log, InlineWorker(), lambda: 1.8e9)
        async with trio.open_nursery() as nursery:
            await nursery.start(journal.run)
            store.commit(group(0), 1)
            with trio.fail_after(10):
                await Ledger(store, Busy(), journal).catch_up()
            assert journal.state.source.receipts >= 1
            nursery.cancel_scope.cancel()
