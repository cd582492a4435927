"""What is in a log is counted as SQLite counts it."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from benchmarks.log_events import history

from backfilld_events.audit.stats import DAY_US, DAYS, stats
from backfilld_events.cli import main
from backfilld_events.eventlog import EventLog
from backfilld_events.log.append import Append
from backfilld_events.row import Row, utc_text

AT = 1_800_000_000_000_000


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """300 events, twenty a day, from an afternoon on, with a week off after the fifth day."""
    log = EventLog.open(tmp_path / "events.db")
    events = list(history(300))
    for at in range(0, 300, 20):
        day = at // 20 + (7 if at >= 100 else 0)
        log.append([Append(events[at : at + 20])], AT + day * DAY_US)
    log.close()
    return tmp_path / "events.db"


def test_it_counts_what_sqlite_counts(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["stats", "--json", str(log)])
    said = json.loads(capsys.readouterr().out)
    with closing(sqlite3.connect(log)) as db:
        (events, size) = db.execute("SELECT count(*), sum(length(payload)) FROM event").fetchone()
        types = db.execute(
            "SELECT type, count(*), sum(length(payload)), min(recorded_at), max(recorded_at)"
            " FROM event GROUP BY type"
        ).fetchall()
        actors = db.execute("SELECT actor, count(*) FROM event GROUP BY actor").fetchall()
        kinds = db.execute(
            "SELECT substr(stream, 1, instr(stream || '/', '/') - 1), count(DISTINCT stream),"
            " count(*) FROM event GROUP BY 1"
        ).fetchall()
    assert (said["events"], said["payload_bytes"]) == (events, size)
    assert said["files"]["events.db"] == log.stat().st_size
    assert said["types"] == {
        name: {
            "events": count, "payload_bytes": size,
            "first": utc_text(first / 1e6), "last": utc_text(last / 1e6),
        }
        for name, count, size, first, last in types
    }  # fmt: skip
    assert said["actors"] == dict(actors)
    assert said["streams"] == {
        name: {"streams": streams, "events": count} for name, streams, count in kinds
    }
    assert said["first"] == {"position": 1, "at": "2027-01-15T08:00:00.000Z"}
    assert said["last"] == {"position": 300, "at": "2027-02-05T08:00:00.000Z"}
    assert (min(said["days"]), max(said["days"]), len(said["days"])) == (
        "2027-01-23", "2027-02-05", DAYS,
    )  # fmt: skip
    assert list(said["days"].values()) == [0] * 4 + [20] * 10


def test_people_get_tables_of_it(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["stats", str(log)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("300 events, ")
    assert "last   #300  2027-02-05T08:00:00.000Z" in lines
    assert "actor     events" in lines
    assert "2027-02-05      20" in lines


def test_an_export_says_the_same(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    main(["export", str(log), str(tmp_path / "log.jsonl")])
    for file in (log, tmp_path / "log.jsonl"):
        main(["stats", "--json", str(file)])
        said.append({**json.loads(capsys.readouterr().out), "files": None})
    assert said[0] == said[1]


def test_an_empty_log_has_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    EventLog.open(tmp_path / "events.db").close()
    main(["stats", str(tmp_path / "events.db")])
    assert capsys.readouterr().out.startswith("0 events, 0 bytes of payloads; events.db ")


def test_days_are_kept_for_the_end_alone() -> None:
    rows = (Row(n, "s", n, "t", 1, n * DAY_US, "x", None, b"", b"") for n in range(1, 5000))
    found = stats(rows)
    assert len(found.days) <= 2 * DAYS
    assert found.last_days() == dict.fromkeys(range(5000 - DAYS, 5000), 1)


def test_no_day_before_the_first_event_is_told_of() -> None:
    rows = (Row(n, "s", n, "t", 1, n * DAY_US, "x", None, b"", b"") for n in (3, 5))
    assert stats(rows).last_days() == {3: 1, 4: 0, 5: 1}
    assert stats([]).last_days() == {}
