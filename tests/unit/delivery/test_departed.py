"""What a large account that is gone has left goes by itself, over a restart too, and is counted."""

from contextlib import closing
from pathlib import Path

import pytest
import trio
import trio.testing
from support.given import POSTS, did

from backfilld.deliveries import AccountDelivery, RecordDelivery
from backfilld.delivery import departed
from backfilld.delivery.departed import Departed
from backfilld.delivery.ledger import Ledger
from backfilld.journal import Journal
from backfilld.records import sqlite
from backfilld.records.sqlite import SqliteStore
from backfilld.records.store import Group
from backfilld.worker import InlineWorker
from backfilld_events.catalog.index import RecordsCommitted
from backfilld_events.eventlog import EventLog
from backfilld_events.ids import Cid, Rev, Rkey
from backfilld_events.log import read
from backfilld_events.log.file import open_reader


@pytest.mark.parametrize("restarted", [False, True])
async def test_all_its_rows_are_deleted_and_the_log_counts_them(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: trio.testing.MockClock,
    restarted: bool,
) -> None:
    monkeypatch.setattr(sqlite, "LEFT_AT_ONCE", 3)
    monkeypatch.setattr(departed, "PORTION", 4)
    records = [
        RecordDelivery(
            1, did(0), POSTS, Rkey(f"k{n}"), Rev("3aaaaaaaaaaa2"), Cid("bafyreione"), b"{}", False
        )
        for n in range(10)
    ]
    gone = Group([], [AccountDelivery(1, did(0), "", "deleted")], [], [])
    with (
        closing(EventLog.open(tmp_path / "events.db")) as log,
        closing(SqliteStore.open(tmp_path / "records.db", 20)) as store,
    ):
        store.commit(Group(records, [], [], []), 1)
        if restarted:
            store.commit(gone, 2)
        journal = Journal(log, InlineWorker(), lambda: 1.8e9)
        ledger = Ledger(store, InlineWorker(), journal)
        async with trio.open_nursery() as nursery:
            await nursery.start(journal.run)
            nursery.start_soon(ledger.run)
            nursery.start_soon(Departed(store, InlineWorker(), journal, ledger).run)
            await trio.sleep(5)
            if not restarted:
                store.commit(gone, 2)
                ledger.wake()
            await trio.sleep(10)
            nursery.cancel_scope.cancel()
    with closing(open_reader(tmp_path / "events.db")) as db:
        events = [row.event for row in read.rows(db)]
    tallies = [one for event in events if isinstance(event, RecordsCommitted)
               for one in event.tallies]  # fmt: skip
    assert sum(one.inserted for one in tallies) == sum(one.deleted for one in tallies) == 10
    with closing(open_reader(tmp_path / "records.db")) as db:
        assert db.execute("SELECT count(*) FROM record").fetchone() == (0,)
