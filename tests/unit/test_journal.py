"""What the journal shows is durable, and who waits is woken."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
import trio
import trio.testing
from support.given import POSTS, page, started

from backfilld.journal import Frozen, Journal, Stale
from backfilld.worker import InlineWorker, ThreadWorker
from backfilld_events.eventlog import EventLog
from backfilld_events.log.file import open_writer
from backfilld_events.row import NewEvent


class SlowCommit:
    """A connection whose COMMIT waits for `go`, in the writer's thread."""

    def __init__(self, path: Path) -> None:
        self._db = open_writer(path, "backfilld_events.log")
        self.committing, self.go = threading.Event(), threading.Event()
        self.slow = False

    def execute(self, sql: str, *values: object) -> object:
        if self.slow and sql == "COMMIT":
            self.committing.set()
            self.go.wait(10)
        return self._db.execute(sql, *values)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> object:
        return getattr(self._db, name)


async def test_the_state_shows_nothing_that_a_crash_would_take_back(tmp_path: Path) -> None:
    db = SlowCommit(tmp_path / "events.db")
    journal = Journal(EventLog(db), ThreadWorker(), lambda: 1.8e9)  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        await nursery.start(journal.run)
        db.slow = True
        nursery.start_soon(journal.append, [NewEvent("job/a", started(POSTS), "x")])
        await trio.to_thread.run_sync(db.committing.wait, 10)
        assert journal.state.position == 0
        assert not journal.state.jobs
        db.go.set()
        news = journal.watch("job/a")
        with trio.fail_after(10):
            await news.wait()
        assert journal.state.position == 1
        nursery.cancel_scope.cancel()


async def test_appends_that_wait_together_share_one_transaction_and_keep_their_order(
    tmp_path: Path,
) -> None:
    with closing(EventLog.open(tmp_path / "events.db")) as log:
        journal = Journal(log, InlineWorker(), lambda: 1.8e9)
        async with trio.open_nursery() as nursery:
            await nursery.start(journal.run)
            async with trio.open_nursery() as appends:
                for n in range(600):
                    appends.start_soon(journal.append, [NewEvent(f"job/{n}", started(POSTS), "x")])
            assert len(journal.state.jobs) == 600
            nursery.cancel_scope.cancel()


async def test_a_decision_on_an_old_version_is_refused_and_a_fact_is_not(tmp_path: Path) -> None:
    with closing(EventLog.open(tmp_path / "events.db")) as log:
        journal = Journal(log, InlineWorker(), lambda: 1.8e9)
        async with trio.open_nursery() as nursery:
            await nursery.start(journal.run)
            await journal.append([NewEvent("job/a", started(POSTS), "x")], expected={"job/a": 0})
            with pytest.raises(Stale):
                await journal.append([NewEvent("job/a", page(0, 1), "x")], expected={"job/a": 0})
            await journal.append([NewEvent("job/a", page(0, 1), "x")])
            assert journal.state.jobs["a"].discovered == 1
            nursery.cancel_scope.cancel()


async def test_a_closed_journal_refuses(tmp_path: Path) -> None:
    with closing(EventLog.open(tmp_path / "events.db")) as log:
        journal = Journal(log, InlineWorker(), lambda: 1.8e9)
        async with trio.open_nursery() as nursery:
            await nursery.start(journal.run)
            nursery.cancel_scope.cancel()
        with pytest.raises(trio.ClosedResourceError):
            await journal.append([NewEvent("job/a", started(POSTS), "x")])


async def test_what_is_being_written_when_the_log_is_frozen_stands_and_all_else_is_refused(
    tmp_path: Path,
) -> None:
    db = SlowCommit(tmp_path / "events.db")
    journal = Journal(EventLog(db), ThreadWorker(), lambda: 1.8e9)  # type: ignore[arg-type]
    refused = list[str]()

    async def append(name: str) -> None:
        try:
            await journal.append([NewEvent(f"job/{name}", started(POSTS), "x")])
        except Frozen as why:
            refused.append(f"{name}: {why}")

    async with trio.open_nursery() as nursery:
        await nursery.start(journal.run)
        db.slow = True
        nursery.start_soon(append, "a")
        await trio.to_thread.run_sync(db.committing.wait, 10)
        nursery.start_soon(append, "b")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(journal.freeze, "it is broken")
        await trio.testing.wait_all_tasks_blocked()
        await append("c")
        db.go.set()
        with trio.fail_after(10):
            while len(refused) < 2 or not journal.state.jobs:
                await trio.testing.wait_all_tasks_blocked(0.001)
        await journal.freeze("it is broken")
        assert refused == ["c: it is broken", "b: it is broken"]
        assert journal.head.position == journal.state.position == 1
        await journal.answers()
        with pytest.raises(Frozen):
            await journal.distrust()
        with pytest.raises(Frozen):
            journal.check()
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            db.execute("DELETE FROM folded")
        nursery.cancel_scope.cancel()
