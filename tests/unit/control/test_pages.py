"""A page of jobs costs what it shows, however many jobs wait."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.given import LIKES, POSTS, RELAY, started

from backfilld.backfill.plan import Limits
from backfilld.backfill.standing import Scene, scene
from backfilld.control.views import Views
from backfilld.control.views.jobs import PAGE_JOBS
from backfilld.control.views.pages import Sought
from backfilld.records.sqlite import SqliteStore
from backfilld.worker import InlineWorker
from backfilld_events.eventlog import EventLog
from backfilld_events.log.append import Append
from backfilld_events.row import NewEvent

LIMITS = Limits(relays=(RELAY,), concurrent=2)
MANY = 2 * PAGE_JOBS + 10


class Counted:
    """Views of a log with MANY jobs that wait, and how often they asked who stands before whom."""

    def __init__(self, folder: Path) -> None:
        SqliteStore.open(folder / "records.db", 20).close()
        self.log = EventLog.open(folder / "events.db")
        started_ = [
            NewEvent(f"job/{n}", started(LIKES if n == 0 else POSTS), "uid:1") for n in range(MANY)
        ]
        self.log.append([Append(started_)], 1)
        self.asked = 0
        self.views = Views.open(
            folder / "events.db", folder / "records.db", InlineWorker(), self.scene
        )

    def scene(self) -> Scene:
        self.asked += 1
        return scene(self.log.state.jobs, LIMITS, frozenset())


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[Counted]:
    counted = Counted(tmp_path)
    with closing(counted.log), closing(counted.views):
        yield counted


async def test_who_stands_before_whom_is_worked_out_once_a_page(counted: Counted) -> None:
    page = await counted.views.listed(Sought(), None, 50)
    assert len(page.jobs) == 50
    assert page.jobs[0].ahead == MANY - 1
    assert counted.asked == 1


async def test_also_when_what_is_sought_stands_at_the_end_of_a_long_list(counted: Counted) -> None:
    page = await counted.views.listed(Sought(collection=LIKES), None, 50)
    assert [job.id for job in page.jobs] == ["0"]
    assert counted.asked == 1


async def test_and_once_for_the_jobs_that_are_shown_again_and_for_those_that_came(
    counted: Counted,
) -> None:
    shown = (await counted.views.listed(Sought(), None, 50)).jobs
    counted.asked = 0
    assert await counted.views.at([job.position for job in shown]) == shown
    assert counted.asked == 1
    assert await counted.views.newer(Sought(), shown[9].position) == 9
    assert counted.asked == 2
