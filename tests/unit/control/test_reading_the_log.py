"""Whoever reads the log for what no index leads to gets all of it, and holds nobody up."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from support.given import NOON, POSTS, page, started

from backfilld.backfill.plan import Limits
from backfilld.backfill.standing import Scene
from backfilld.control.views import base
from backfilld.control.views import log as of_log
from backfilld.control.views.log import LogViews
from backfilld.records.sqlite import SqliteStore
from backfilld.worker import InlineWorker
from backfilld_events.audit.checkpoint import found_in
from backfilld_events.catalog import Event
from backfilld_events.catalog.source import ReposObserved
from backfilld_events.codec import encode
from backfilld_events.eventlog import EventLog
from backfilld_events.log.append import Append
from backfilld_events.log.file import open_reader
from backfilld_events.row import NewEvent

OTHERS: list[tuple[str, Event]] = [("tap", ReposObserved("t", False, [])) for _ in range(20)]
EVENTS: list[tuple[str, Event]] = [
    ("job/a", started(POSTS)), *OTHERS, ("job/a", page(0, 2)), ("job/a", page(2, 2)), *OTHERS,
    ("job/b", started(POSTS)),
]  # fmt: skip
PIECE = 6


class Counting(InlineWorker):
    """Counts the calls."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return await super().__call__(work, *args, **kwargs)


@pytest.fixture
def views(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LogViews]:
    monkeypatch.setattr(base, "PIECE", PIECE)
    with closing(EventLog.open(tmp_path / "events.db")) as log:
        log.append([Append([NewEvent(stream, event, "uid:1") for stream, event in EVENTS])], 1)
    SqliteStore.open(tmp_path / "records.db", 20).close()
    files: list[sqlite3.Connection] = [
        open_reader(tmp_path / name) for name in ("events.db", "records.db")
    ]
    limits = Limits((), 1, 1, 1.0, 1, 1, 1)
    with closing(LogViews(*files, Counting(), lambda: Scene(limits))) as views:
        yield views


ASKED = [
    ("job/*", None, True),
    ("zz*", None, True),
    ("job/*", "job.page-discovered", True),
    (None, "job.page-discovered", True),
    (None, "job.started", False),
    ("job/a", None, False),
    (None, None, False),
]


@pytest.mark.parametrize(("stream", "type_name", "in_pieces"), ASKED)
async def test_every_event_that_fits_is_found_and_what_no_index_leads_to_in_pieces(
    views: LogViews, stream: str | None, type_name: str | None, in_pieces: bool
) -> None:
    fits = [
        position
        for position, (its_stream, event) in enumerate(EVENTS, 1)
        if fnmatchcase(its_stream, stream or "*") and type_name in (None, encode(event)[0])
    ]
    found = await everything(views, stream, type_name)
    assert [position for position, _ in found] == fits
    worker = views._worker
    assert isinstance(worker, Counting)
    assert (worker.calls >= len(EVENTS) / PIECE) == in_pieces


@pytest.mark.parametrize(("stream", "type_name"), [asked[:2] for asked in ASKED])
@pytest.mark.parametrize("n", [1, 2, 3, 100])
async def test_the_last_events_are_found_wherever_they_stand(
    views: LogViews, n: int, stream: str | None, type_name: str | None
) -> None:
    after = await views.tail(n, stream, type_name)
    last = [at for at, _ in await everything(views, stream, type_name)][-n:]
    assert after == (last[0] - 1 if last else 0)


@pytest.mark.parametrize(("stream", "type_name"), [asked[:2] for asked in ASKED])
@pytest.mark.parametrize("looked_max", [PIECE, 1_000])
async def test_page_after_page_shows_every_event_once_newest_first(
    views: LogViews,
    monkeypatch: pytest.MonkeyPatch,
    stream: str | None,
    type_name: str | None,
    looked_max: int,
) -> None:
    monkeypatch.setattr(of_log, "LOOKED_MAX", looked_max)
    shown: list[int] = []
    before: int | None = None
    while True:
        page = await views.before(before, stream, type_name, 3)
        shown += [one.position for one in page.events]
        if (before := page.before) is None:
            break
    assert shown == [at for at, _ in await everything(views, stream, type_name)][::-1]


async def test_an_event_that_cannot_be_read_is_shown_as_that(views: LogViews) -> None:
    write(views, "UPDATE event SET payload = x'c1' WHERE position = 44")
    page = await views.before(None, None, None, 2)
    assert page.events[0].says.startswith("it cannot be read: ")


async def test_a_checkpoint_is_of_the_last_event_and_names_its_log(views: LogViews) -> None:
    kept = await views.checkpoint(NOON)
    events = [json.loads(text) for _, text in await everything(views, None, None)]
    assert kept.line == (
        f"backfilld-log 1 {events[0]['hash'][:16]} {len(EVENTS)} {events[-1]['hash']}"
        " 2027-01-15T08:00:00.000Z"
    )
    assert [*found_in([kept.line])] == [(1, kept)]


def write(views: LogViews, statement: str) -> None:
    """Tampers with the file that is read."""
    ((_, _, file),) = views._events.execute("PRAGMA database_list")
    with closing(sqlite3.connect(file)) as db, db:
        for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'"):
            db.execute(f"DROP TRIGGER {name}")
        db.execute(statement)


async def everything(
    views: LogViews, stream: str | None, type_name: str | None
) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    after, more = 0, True
    while more:
        some = await views.log(after, stream, type_name, 1000, 2**20)
        assert some.events or not some.more, "it goes on by itself where nothing fits"
        found += some.events
        after, more = some.last, some.more
    return found
