"""A start writes nothing to a log that does not verify, and says why."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Literal

import pytest
from support.tampering import ended_at, tampered

from backfilld.config.keys import LogConfig
from backfilld.verification import checkpoints, mark, start
from backfilld.verification.known import FILE, Problem, Verification
from backfilld_events.audit.checkpoint import Checkpoint, origin
from backfilld_events.log.file import BadFile

from .conftest import EVENTS

NOW = 1.8e9
How = Literal["none", "tail", "full"]


def checked(folder: Path, how: How = "full", file: Path | str = "") -> Verification:
    return start.check(folder, LogConfig(verify_at_start=how, checkpoint_file=str(file)), NOW)


def kept(folder: Path, name: str = "events.db") -> Path:
    """A file elsewhere with a checkpoint of the log."""
    log, file = folder / name, folder.parent / "checkpoints"
    with closing(sqlite3.connect(log)) as db:
        (first,) = db.execute("SELECT hash FROM event WHERE position = 1").fetchone()
    one = Checkpoint(origin(first), *ended_at(log), "2027-03-01T04:01:07.113Z")
    checkpoints.append(file, one.line)
    return file


def test_a_log_that_verifies_is_known_to_and_left_as_it_was(folder: Path) -> None:
    before = (folder / "events.db").read_bytes()
    known = checked(folder)
    position, own = ended_at(folder / "events.db")
    assert (known.whole, known.hash, known.at) == (position, own, NOW)
    assert (known.tail, known.problem) == (None, None)
    assert (folder / "events.db").read_bytes() == before
    assert mark.read(folder) is None


def test_of_a_short_log_the_tail_is_all_of_it(folder: Path) -> None:
    assert checked(folder, "tail").whole == EVENTS


def test_a_tail_is_looked_at_and_what_is_before_it_is_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "TAIL_EVENTS", 100)
    monkeypatch.setattr(start, "PORTION", 30)
    known = checked(folder, "tail")
    assert (known.whole, known.tail, known.problem) == (0, EVENTS - 99, None)
    tampered(folder / "events.db", "UPDATE event SET actor = 'uid:0' WHERE position = 50")
    assert checked(folder, "tail").problem is None
    assert checked(folder, "none").problem is None
    tampered(folder / "events.db", "UPDATE event SET actor = 'uid:0' WHERE position = 250")
    assert checked(folder, "none").problem is None
    problem = checked(folder, "tail").problem
    assert problem is not None
    assert (problem.position, problem.since) == (250, NOW)


@pytest.mark.parametrize(
    ("statement", "position"),
    [
        ("UPDATE event SET payload = x'80' WHERE position = 50", 50),
        ("DELETE FROM event WHERE position = 50", 50),
        ("UPDATE event SET position = 1000000000000000 WHERE position = 300", 300),
        ("UPDATE event SET actor = CAST(x'ff' AS TEXT) WHERE position = 50", 50),
    ],
)
def test_what_was_changed_is_found_and_marked_and_nothing_else_is_written(
    folder: Path, statement: str, position: int
) -> None:
    log = folder / "events.db"
    tampered(log, statement)
    before = log.read_bytes()
    known = checked(folder)
    assert known.problem is not None
    assert known.problem.position == position
    assert mark.read(folder) == known.problem
    assert log.read_bytes() == before


def test_a_trigger_that_is_gone_is_a_problem_of_the_file(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "events.db")) as db:
        db.execute("DROP TRIGGER event_no_update")
    problem = checked(folder, "tail").problem
    assert problem is not None
    assert problem.position == FILE
    assert problem.sentence == (
        "The log does not verify: events in it can be changed: trigger event_no_update is gone"
    )


def test_an_older_backup_is_found_by_a_checkpoint_though_it_verifies(folder: Path) -> None:
    file = kept(folder)
    (folder / "older.db").replace(folder / "events.db")
    assert checked(folder).problem is None
    problem = checked(folder, "tail", file).problem
    assert problem is not None
    assert problem.position == EVENTS // 2 + 1
    assert "its tail is cut off" in problem.what


def test_a_chain_made_anew_is_found_by_a_checkpoint(folder: Path) -> None:
    file = kept(folder)
    change = "UPDATE event SET actor = 'uid:0' WHERE position = 250"
    tampered(folder / "events.db", change, relink=True)
    assert checked(folder).problem is None
    problem = checked(folder, "tail", file).problem
    assert problem is not None
    assert "the log is not what it was" in problem.what


def test_a_log_that_is_gone_is_missed_where_a_checkpoint_tells_of_it(folder: Path) -> None:
    file = kept(folder)
    (folder / "events.db").unlink()
    assert checked(folder) == Verification(), "nobody knows that there was one"
    problem = checked(folder, "tail", file).problem
    assert problem is not None
    assert f"there is none in {folder / 'events.db'}" in problem.sentence


def test_with_a_mark_all_is_looked_at_and_a_restored_log_takes_it_away(folder: Path) -> None:
    log, before = folder / "events.db", Problem(50, "what was found then", NOW - 1000)
    shutil.copy(log, folder / "backup")
    tampered(log, "UPDATE event SET actor = 'uid:0' WHERE position = 50")
    mark.write(folder, before)
    for how in ("none", "tail"):
        problem = checked(folder, how).problem
        assert problem is not None
        assert (problem.position, problem.since) == (50, before.since)
        assert mark.read(folder) == problem
    (folder / "backup").replace(log)
    known = checked(folder, "none")
    assert (known.whole, known.problem) == (EVENTS, None)
    assert mark.read(folder) is None


def test_a_mark_stays_while_a_checkpoint_says_otherwise(folder: Path) -> None:
    file = kept(folder)
    mark.write(folder, Problem(7, "something", NOW))
    (folder / "older.db").replace(folder / "events.db")
    assert checked(folder, "none", file).problem is not None
    assert mark.read(folder) is not None


def test_a_checkpoint_file_that_cannot_be_read_is_said_and_keeps_nobody_from_starting(
    folder: Path,
) -> None:
    known = checked(folder, "tail", folder)
    assert known.problem is None
    assert known.checkpoint.fault == f"{folder} cannot be read: {folder} is no file"


def test_a_folder_without_a_log_and_a_crash_before_its_first_table_are_no_problem(
    tmp_path: Path,
) -> None:
    assert checked(tmp_path) == Verification()
    with closing(sqlite3.connect(tmp_path / "events.db")) as db:
        db.execute("PRAGMA journal_mode=WAL")
    assert checked(tmp_path) == Verification()


def test_a_file_of_something_else_or_of_a_newer_version_is_left_to_who_opens_it(
    folder: Path,
) -> None:
    mark.write(folder, Problem(7, "something", NOW))
    with closing(sqlite3.connect(folder / "events.db")) as db:
        db.execute("PRAGMA user_version = 999")
    assert checked(folder).problem is None
    assert mark.read(folder) is not None, "that says nothing of it"
    (folder / "events.db").unlink()
    with closing(sqlite3.connect(folder / "events.db")) as db:
        db.execute("CREATE TABLE other (x)")
    assert checked(folder).problem is None
    assert mark.read(folder) is not None
    (folder / "events.db").write_bytes(b"no database" * 1000)
    with pytest.raises(BadFile, match=r"events\.db"):
        checked(folder)


def test_a_log_whose_table_is_gone_is_broken_and_no_file_of_something_else(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "events.db")) as db:
        db.execute("DROP TABLE event")
    problem = checked(folder).problem
    assert problem is not None
    assert "no log" in problem.what


def test_a_tail_that_was_cut_off_while_nobody_looked_is_found_without_a_checkpoint(
    folder: Path,
) -> None:
    log = folder / "events.db"
    tampered(log, "DELETE FROM event WHERE position > 200")
    before = log.read_bytes()
    for _ in range(2):
        problem = checked(folder, "tail").problem
        assert problem is not None
        assert (problem.position, problem.what) == (
            200,  # as accept-break names it
            "the log ends with #200, its tail is cut off: what was folded from it goes up to #300",
        )
    assert log.read_bytes() == before
    tampered(log, "DELETE FROM event")
    problem = checked(folder).problem
    assert problem is not None
    assert problem.position == 1


def test_projections_of_another_version_say_nothing_of_the_log(folder: Path) -> None:
    for value in ("x'c1'", "x''", "x'a178'"):
        tampered(folder / "events.db", f"UPDATE folded SET value = {value} WHERE name = 'position'")
        assert checked(folder).problem is None
    tampered(folder / "events.db", "DROP TABLE folded")
    assert checked(folder).problem is None
