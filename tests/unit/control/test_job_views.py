"""What is told of a job is of one moment, though its log grows while it is read."""

import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.given import NOON, POSTS, handed_off, page, started

from backfilld.backfill.plan import Limits
from backfilld.backfill.standing import Scene
from backfilld.control.shapes import JobShape
from backfilld.control.views import Views
from backfilld.control.views.jobs import Wanted
from backfilld.control.views.pages import Sought
from backfilld.records.sqlite import SqliteStore
from backfilld.worker import InlineWorker
from backfilld_events.catalog import Event
from backfilld_events.eventlog import EventLog
from backfilld_events.log.append import Append
from backfilld_events.projections import repos
from backfilld_events.row import NewEvent

LIMITS = Limits((), 1, 1, 1.0, 1, 1, 1)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with closing(EventLog.open(tmp_path / "events.db")) as opened:
        yield opened


@pytest.fixture
def views(tmp_path: Path, log: EventLog) -> Iterator[Views]:
    SqliteStore.open(tmp_path / "records.db", 20).close()
    files = tmp_path / "events.db", tmp_path / "records.db"
    with closing(Views.open(*files, InlineWorker(), lambda: Scene(LIMITS))) as opened:
        yield opened


def happens(log: EventLog, *events: Event) -> None:
    log.append([Append([NewEvent("job/a", one, "system") for one in events])], int(NOON * 1e6))


async def the_job(views: Views) -> JobShape:
    found = await views.job("a")
    assert found is not None
    return found


async def all_jobs(views: Views) -> JobShape:
    return (await views.jobs())[0]


async def a_page(views: Views) -> JobShape:
    return (await views.page(Wanted(), None)).jobs[0]


async def a_page_of_the_dashboard(views: Views) -> JobShape:
    return (await views.listed(Sought(), None, 10)).jobs[0]


async def a_row_of_the_dashboard(views: Views) -> JobShape:
    return (await views.at([1]))[0]


@pytest.mark.parametrize(
    "asked", [the_job, all_jobs, a_page, a_page_of_the_dashboard, a_row_of_the_dashboard]
)
async def test_what_is_found_while_a_job_is_read_is_not_said_to_be_handed_off(
    log: EventLog,
    views: Views,
    monkeypatch: pytest.MonkeyPatch,
    asked: Callable[[Views], Awaitable[JobShape]],
) -> None:
    happens(log, started(POSTS))
    happens(log, page(0, 2), handed_off(2))
    counts = repos.counts

    def counted_late(db: sqlite3.Connection, job: int) -> object:
        patched.undo()  # the writer counts, too
        happens(log, page(2, 8))
        return counts(db, job)

    with monkeypatch.context() as patched:
        patched.setattr(repos, "counts", counted_late)
        told = await asked(views)
    assert (told.total_repos, told.processed_repos) == (2, 2)
    told = await asked(views)
    assert (told.total_repos, told.processed_repos) == (10, 2)
