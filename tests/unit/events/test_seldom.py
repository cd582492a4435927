"""What is seldom in a log is found without reading what is often, and in the same order."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib import resources
from itertools import islice
from pathlib import Path

import pytest
from support.given import LIKES, POSTS, page, started

from backfilld_events.catalog import TYPES, Event
from backfilld_events.catalog.index import RecordsCommitted
from backfilld_events.catalog.job import JobPickedUp
from backfilld_events.catalog.service import ServiceStarted
from backfilld_events.catalog.source import ReposObserved, TapConnected
from backfilld_events.eventlog import EventLog
from backfilld_events.log import read, seldom
from backfilld_events.log.append import Append
from backfilld_events.log.file import open_reader
from backfilld_events.row import NewEvent

NEWS: list[tuple[str, Event]] = [
    ("service", ServiceStarted("1")),
    ("job/a", started(POSTS)),
    ("job/b", started(LIKES)),
    ("job/a", page(0, 2)),
    ("job/b", page(0, 2)),
    ("index", RecordsCommitted(1, 1, [], [], [], 0)),
    ("tap", TapConnected("t")),
    ("tap", ReposObserved("t", False, [])),
    ("job/a", JobPickedUp()),
    ("job/a", page(2, 2)),
    ("job/b", JobPickedUp()),
]


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(EventLog.open(tmp_path / "events.db")) as log:
        for n, (stream, event) in enumerate(NEWS):
            log.append([Append([NewEvent(stream, event, "x")])], 1000 * n)
        with closing(open_reader(tmp_path / "events.db")) as reader:
            yield reader


def plan(db: sqlite3.Connection, query: str, *values: object) -> str:
    return " ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query}", values))


def test_the_index_and_the_questions_have_the_same_words() -> None:
    folder = resources.files("backfilld_events.log") / "migrations"
    script = (folder / "0002_seldom.sql").read_text()
    assert " ".join(seldom.CONDITION.split()) in script
    assert all(name in seldom.CONDITION for name in seldom.OFTEN)
    assert TYPES.keys() > seldom.OFTEN


def test_events_of_seldom_types_come_newest_first_and_nothing_else_is_looked_at(
    db: sqlite3.Connection,
) -> None:
    types = {"job.started", "job.picked-up", "tap.connected"}
    assert [one.position for one in seldom.newest(db, types, 100)] == [11, 9, 7, 3, 2]
    assert [one.position for one in seldom.newest(db, types, 9)] == [7, 3, 2]
    assert [one.type for one in islice(seldom.newest(db, types, 100), 1)] == ["job.picked-up"]
    assert list(seldom.newest(db, set(), 100)) == []
    assert seldom.count(db, types) == 5


@pytest.mark.parametrize("types", [None, {"job.started", "job.page-discovered"}])
def test_with_an_often_one_among_them_all_are_looked_at(
    db: sqlite3.Connection, types: set[str] | None
) -> None:
    found = list(seldom.newest(db, types, 5))
    assert [one.position for one in found] == [4, 3, 2, 1]
    assert found[0] == seldom.Head(4, "job/a", "job.page-discovered", 3000)


def test_a_search_by_time_begins_near_it(db: sqlite3.Connection) -> None:
    last = len(NEWS)
    assert seldom.at_time(db, 0, last) == 0
    assert seldom.at_time(db, 3000, last) == 3
    assert seldom.at_time(db, 3001, last) == 4
    assert seldom.at_time(db, 10**9, last) == last
    assert seldom.at_time(db, 1, 0) == 0


@pytest.mark.parametrize("stream", [None, "job/a", "job/*"])
@pytest.mark.parametrize("type_name", [None, "job.picked-up", "job.page-discovered"])
@pytest.mark.parametrize("after", [0, 4])
def test_rows_of_a_stream_and_a_type_come_in_the_order_of_the_log_whatever_index_is_used(
    db: sqlite3.Connection, stream: str | None, type_name: str | None, after: int
) -> None:
    def fits(row: read.Row) -> bool:
        in_stream = stream is None or row.stream.startswith(stream.rstrip("*"))
        return in_stream and type_name in (None, row.type) and row.position > after

    wanted = [row for row in read.rows(db) if fits(row)]
    assert list(read.rows(db, after, stream=stream, type_name=type_name)) == wanted
    if not after:
        assert read.newest(db, 2, stream=stream, type_name=type_name) == wanted[-2:]


def test_no_question_of_one_stream_sorts_it(db: sqlite3.Connection) -> None:
    """A stream of a job is gigabytes; SQLite would copy all of it for a page."""
    asked: list[str] = []
    db.set_trace_callback(asked.append)
    for type_name in (None, "job.picked-up", "job.page-discovered"):
        list(read.rows(db, 2, stream="job/a", type_name=type_name))
        read.newest(db, 1, stream="job/a", type_name=type_name)
    db.set_trace_callback(None)
    assert len(asked) == 6
    for query in asked:
        assert "TEMP B-TREE" not in plan(db, query)
        assert "USING INDEX" in plan(db, query)
