"""An export is the whole log as it stood when it was asked for, row by row what verified; or it is
cut."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.given import NOON, POSTS, page, started

from backfilld.backfill.plan import Limits
from backfilld.backfill.standing import Scene
from backfilld.control.views import Views, export
from backfilld.records.sqlite import SqliteStore
from backfilld.worker import InlineWorker
from backfilld_events.audit import form
from backfilld_events.audit.verify import Broken, verify_columns
from backfilld_events.eventlog import EventLog
from backfilld_events.log.append import Append
from backfilld_events.log.file import open_reader
from backfilld_events.row import NewEvent

PAGES = 40


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with closing(EventLog.open(tmp_path / "events.db")) as log:
        events = [started(POSTS), *(page(2 * n, 2) for n in range(PAGES))]
        log.append([Append([NewEvent("job/a", event, "uid:1") for event in events])], 1)
        yield log


@pytest.fixture
def views(log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Views]:
    monkeypatch.setattr(export, "PIECE_BYTES", 1_000)
    SqliteStore.open(tmp_path / "records.db", 20).close()
    files = [open_reader(tmp_path / name) for name in ("events.db", "records.db")]
    limits = Limits((), 1, 1, 1.0, 1, 1, 1)
    with closing(Views(*files, InlineWorker(), lambda: Scene(limits))) as views:
        yield views


def tampered(tmp_path: Path, statement: str) -> None:
    with closing(sqlite3.connect(tmp_path / "events.db")) as db, db:
        for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'"):
            db.execute(f"DROP TRIGGER {name}")
        db.execute(statement)


async def all_of(pieces: AsyncIterator[bytes], into: list[bytes]) -> None:
    async for piece in pieces:
        into.append(piece)


async def test_it_is_the_whole_log_in_pieces_and_verifies(views: Views) -> None:
    pieces = [piece async for piece in views.export(NOON)]
    assert len(pieces) > 5
    head, *lines = b"".join(pieces).splitlines(keepends=True)
    header = form.header(head)
    done = verify_columns(map(form.columns_of, lines))
    assert (done.position, done.hash.hex()) == (PAGES + 1, header.hash)
    assert (header.position, header.at) == (PAGES + 1, "2027-01-15T08:00:00.000Z")


async def test_it_ends_where_the_log_ended_when_it_began(views: Views, log: EventLog) -> None:
    pieces = views.export(NOON)
    lines = [await anext(pieces)]
    log.append([Append([NewEvent("job/a", page(2 * PAGES, 2), "uid:1")])], 2)
    lines += [piece async for piece in pieces]
    assert len(b"".join(lines).splitlines()) == 1 + PAGES + 1


@pytest.mark.parametrize(
    ("statement", "position"),
    [
        ("UPDATE event SET actor = 'uid:2' WHERE position = 30", 30),
        ("DELETE FROM event WHERE position = 30", 30),
        (f"UPDATE event SET position = 90 WHERE position = {PAGES + 1}", PAGES + 1),
    ],
)
async def test_where_it_does_not_verify_it_is_cut(
    views: Views, tmp_path: Path, statement: str, position: int
) -> None:
    tampered(tmp_path, statement)
    pieces: list[bytes] = []
    with pytest.raises(Broken) as broken:
        await all_of(views.export(NOON), pieces)
    assert broken.value.position == position
    lines = b"".join(pieces).splitlines(keepends=True)[1:]
    assert verify_columns(map(form.columns_of, lines)).position < position


async def test_a_tail_that_is_cut_off_meanwhile_does_not_look_whole(
    views: Views, tmp_path: Path
) -> None:
    pieces = views.export(NOON)
    await anext(pieces)
    tampered(tmp_path, "DELETE FROM event WHERE position > 20")
    with pytest.raises(Broken) as broken:
        await all_of(pieces, [])
    assert broken.value.position == 21
