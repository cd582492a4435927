"""Projections are compared with the log at intervals, by a process that leaves nothing behind."""

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
import trio
import trio.testing
from support.given import NOON, POSTS, page, started

from backfilld import comparison
from backfilld.comparison import SCRATCH, Compared, NotCompared, comparing, in_a_process
from backfilld.recheck import ProjectionsDiffer
from backfilld_events.eventlog import EventLog
from backfilld_events.log.append import Append
from backfilld_events.row import NewEvent

HOUR, DAY = 3_600.0, 86_400.0


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "events.db"
    with closing(EventLog.open(path)) as log:
        events = [NewEvent("job/a", one, "system") for one in (started(POSTS), page(0, 8, None))]
        log.append([Append(events)], int(NOON * 1e6))
    return path


async def test_what_follows_from_the_log_is_right(log: Path) -> None:
    (log.parent / SCRATCH).write_bytes(b"of a life that was killed")
    found = await in_a_process(log)
    assert (found.ok, found.position, found.differ) == (True, 2, 0)
    assert found.rows["repo"] == 8
    assert not (log.parent / SCRATCH).exists()


async def test_what_does_not_is_named(log: Path) -> None:
    with closing(sqlite3.connect(log, isolation_level=None)) as db:
        db.execute("DELETE FROM repo WHERE id = 3")
    found = await in_a_process(log)
    assert (found.ok, found.differ) == (False, 1)
    assert "repo id=3 is missing" in found.differences[0].sentence


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        ("DROP TABLE folded", "none of this version"),
        ("UPDATE event SET payload = x'c1' WHERE position = 2", "event 2: "),
    ],
)
async def test_what_cannot_be_compared_is_no_finding(log: Path, edit: str, why: str) -> None:
    with closing(sqlite3.connect(log, isolation_level=None)) as db:
        db.execute("DROP TRIGGER event_no_update")
        db.execute(edit)
    with pytest.raises(NotCompared, match=why):
        await in_a_process(log)


class Full(NamedTuple):
    """A disk without room."""

    free: int = 0


async def test_a_full_disk_is_no_place_for_it(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison.shutil, "disk_usage", lambda _: Full())
    with pytest.raises(NotCompared, match="GB in"):
        await in_a_process(log)


async def test_it_is_done_an_hour_after_the_start_and_then_as_often_as_is_configured(
    autojump_clock: trio.testing.MockClock,
) -> None:
    every, seen, looked = 7 * DAY, list[float](), trio.Event()
    right = Compared(True, 1, {"repo": 1}, 0, [])

    async def compare(_: Path) -> Compared:
        seen.append(trio.current_time())
        if len(seen) == 2:
            raise NotCompared("not today")
        return right

    async def distrusted() -> None:
        raise AssertionError("nothing differs")

    begin = partial(comparing, Path("events.db"), compare, lambda: every, distrusted, looked)
    async with trio.open_nursery() as nursery:
        began = trio.current_time()
        nursery.start_soon(partial(begin, soon=True))
        await trio.sleep(DAY)
        assert seen == [], "the log has not verified"
        looked.set()
        await trio.sleep(15 * DAY)
        assert [round(at - began) for at in seen] == [DAY + HOUR, 8 * DAY + HOUR, 15 * DAY + HOUR]
        every = 0.0  # a reload
        await trio.sleep(30 * DAY)
        assert len(seen) == 3
        nursery.cancel_scope.cancel()


async def test_projections_that_were_made_anew_at_the_start_are_compared_later(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Or a fault of ours would have it start again each hour."""
    looked = trio.Event()
    looked.set()
    differs, distrusted = Compared(False, 1, {"repo": 1}, 1, []), trio.Event()

    async def compare(_: Path) -> Compared:
        return differs

    async def distrust() -> None:
        distrusted.set()

    began = trio.current_time()
    with pytest.raises(ProjectionsDiffer, match="1 row of the projections is not"):
        await comparing(Path("x"), compare, lambda: 7 * DAY, distrust, looked, soon=False)
    assert trio.current_time() - began == 7 * DAY
    assert distrusted.is_set()
