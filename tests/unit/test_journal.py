"""What the journal shows is durable, and who waits is woken."""

import threading
from contextlib import closing
from pathlib import Path

import pytest
import trio
from support.given import POSTS, page, started

from backfilld.journal import Journal, Stale
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
