"""What the log promises."""

import sqlite3
from pathlib import Path

import pytest
from support.given import LIKES, POSTS, handed_off, page, started

from backfilld_events.audit.verify import Broken, verify
from backfilld_events.eventlog import EventLog
from backfilld_events.log import read
from backfilld_events.log.append import Append, Conflict
from backfilld_events.log.file import BadFile, open_reader
from backfilld_events.row import PREVIOUS, NewEvent

AT = 1_800_000_000_000_000


def job_events(job: str = "a") -> list[NewEvent]:
    events = [started(POSTS), page(0, 3), handed_off(3)]
    return [NewEvent(f"job/{job}", event, "uid:7") for event in events]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


def filled(path: Path) -> None:
    log = EventLog.open(path)
    log.append([Append(job_events("a")), Append(job_events("b"))], AT)
    log.append([Append([NewEvent("job/a", page(3, 2, cursor=None), "system")])], AT + 1)
    log.close()


def test_positions_have_no_gap_and_versions_count_each_stream(path: Path) -> None:
    filled(path)
    rows = list(read.rows(open_reader(path)))
    assert [row.position for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    assert [(row.stream, row.version) for row in rows][-2:] == [("job/b", 3), ("job/a", 4)]


def test_what_was_appended_is_there_after_the_file_is_opened_again(path: Path) -> None:
    filled(path)
    log = EventLog.open(path)
    assert log.state.jobs["a"].discovered == 5
    assert log.state.position == 7
    assert not log.rebuilt


def test_an_append_over_two_streams_is_there_whole_or_not_at_all(path: Path) -> None:
    log = EventLog.open(path)
    both = [NewEvent("job/a", started(POSTS), "x"), NewEvent("job/b", started(LIKES), "x")]
    (refused,) = log.append([Append(both, expected={"job/a": 0, "job/b": 1})], AT)
    assert refused == Conflict("job/b", expected=1, actual=0)
    assert log.state.position == 0
    log.append([Append(both, expected={"job/a": 0, "job/b": 0})], AT)
    assert set(log.state.jobs) == {"a", "b"}


def test_a_conflict_leaves_the_other_appends_of_the_group_untouched(path: Path) -> None:
    log = EventLog.open(path)
    outcomes = log.append(
        [
            Append(job_events("a"), expected={"job/a": 0}),
            Append(job_events("a"), expected={"job/a": 0}),
            Append(job_events("b"), expected={"job/b": 0}),
        ],
        AT,
    )
    assert [isinstance(outcome, Conflict) for outcome in outcomes] == [False, True, False]
    assert log.state.position == 6


def test_an_append_that_fails_changes_neither_the_log_nor_the_state(path: Path) -> None:
    filled(path)
    log = EventLog.open(path)
    before = log.state
    impossible = NewEvent("job/a", handed_off(first=90, upto=99), "system")
    with pytest.raises(ValueError, match="0 DIDs in 90"):
        log.append([Append([NewEvent("job/a", page(5, 1), "system"), impossible])], AT)
    assert log.state == before
    log.append([Append([NewEvent("job/a", page(5, 1), "system")])], AT)
    assert log.state.position == 8


def test_a_cause_can_be_the_event_before_in_the_same_append(path: Path) -> None:
    log = EventLog.open(path)
    log.append([Append(job_events("a"))], AT)
    events = [NewEvent("job/b", started(POSTS), "x"), NewEvent("job/b", page(0, 1), "x", PREVIOUS)]
    (rows,) = log.append([Append(events)], AT)
    assert isinstance(rows, list)
    assert [row.cause for row in rows] == [None, 4]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET actor = 'root' WHERE position = 2",
        "DELETE FROM event WHERE position = 7",
        "DELETE FROM event",
        "REPLACE INTO event SELECT * FROM event WHERE position = 2",
        "INSERT OR REPLACE INTO event SELECT * FROM event WHERE position = 7",
        "INSERT OR IGNORE INTO event SELECT * FROM event WHERE position = 3",
        "INSERT INTO event SELECT position + 2, stream, 99, type, schema, recorded_at, actor,"
        " cause, payload, hash FROM event WHERE position = 7",
        "INSERT INTO event SELECT * FROM event WHERE position = 7"
        " ON CONFLICT (position) DO UPDATE SET actor = 'root'",
    ],
)
def test_the_log_refuses_to_be_changed(path: Path, statement: str) -> None:
    filled(path)
    db = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only|no gap"):
        db.execute(statement)


def test_a_whole_log_verifies(path: Path) -> None:
    filled(path)
    done = verify(read.rows(open_reader(path)))
    assert (done.events, done.position) == (7, 7)


@pytest.mark.parametrize(
    "tampering",
    [
        "stream = 'job/z'",
        "version = 9",
        "type = 'job.page-discoverec'",
        "schema = 99",
        "recorded_at = recorded_at + 1",
        "actor = 'uid:8'",
        "cause = 1",
        "payload = CAST(payload || x'00' AS BLOB)",
        "hash = zeroblob(32)",
        "position = 99",
    ],
)
def test_one_changed_column_is_found_and_its_position_named(path: Path, tampering: str) -> None:
    filled(path)
    db = sqlite3.connect(path)
    db.execute("DROP TRIGGER event_no_update")
    db.execute(f"UPDATE event SET {tampering} WHERE position = 4")
    db.commit()
    db.close()
    with pytest.raises(Broken) as broken:
        verify(read.rows(open_reader(path)))
    assert broken.value.position == 4


def test_a_row_missing_in_the_middle_is_found(path: Path) -> None:
    filled(path)
    db = sqlite3.connect(path)
    db.execute("DROP TRIGGER event_no_delete")
    db.execute("DELETE FROM event WHERE position = 3")
    db.commit()
    db.close()
    with pytest.raises(Broken, match="missing") as broken:
        verify(read.rows(open_reader(path)))
    assert broken.value.position == 3


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "events.db"
    db = sqlite3.connect(other)
    db.execute("CREATE TABLE theirs (x)")
    db.commit()
    db.close()
    with pytest.raises(BadFile, match="something else"):
        EventLog.open(other)


def test_a_log_of_a_newer_version_is_refused_with_the_remedy(path: Path) -> None:
    filled(path)
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(BadFile, match="newer backfilld"):
        EventLog.open(path)


def test_rows_can_be_asked_for_by_stream_and_type(path: Path) -> None:
    filled(path)
    db = open_reader(path)
    assert [row.position for row in read.rows(db, stream="job/a")] == [1, 2, 3, 7]
    assert [row.position for row in read.rows(db, stream="job/*", limit=2, after=2)] == [3, 4]
    assert [row.position for row in read.rows(db, type_name="job.started")] == [1, 4]
    assert [row.position for row in read.newest(db, 2)] == [6, 7]
