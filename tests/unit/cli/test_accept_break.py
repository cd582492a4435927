"""`backfilld accept-break` shows what is wrong, asks, and says in the log who decided."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.given import POSTS, page, started
from support.tampering import ended_at, tampered
from unit.control.test_covered import ALL, found

from backfilld.cli.daemon import main
from backfilld.config.keys import LogConfig
from backfilld.control.losses import lost
from backfilld.datadir import only_one
from backfilld.verification import mark
from backfilld.verification.known import Problem
from backfilld.verification.start import check
from backfilld_events.catalog.service import BreakAccepted
from backfilld_events.eventlog import EventLog
from backfilld_events.log import read
from backfilld_events.log.append import Append
from backfilld_events.log.file import open_reader
from backfilld_events.row import NewEvent

EDIT = "UPDATE event SET actor = 'uid:0' WHERE position = 2"

Run = Callable[..., Result]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data_dir that a daemon has worked in."""
    data = tmp_path / "data"
    with only_one(data), closing(EventLog.open(data / "events.db")) as log:
        events = [started(POSTS), page(0, 10), page(10, 10)]
        log.append([Append([NewEvent("job/a", one, "x") for one in events])], 1)
    return data


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Run:
    """Runs the command with that data_dir; `more` are lines of its table [log]."""

    def ran(*args: str, more: str = "", **options: str) -> Result:
        config = tmp_path / "config.toml"
        config.write_text(f'data_dir = "{data}"\n[log]\n{more}\n')
        command = ["accept-break", "--config", str(config), *args]
        return CliRunner().invoke(main, command, **options)  # type: ignore[arg-type]

    return ran


def test_a_break_is_shown_and_accepted_and_the_mark_is_taken_away(run: Run, data: Path) -> None:
    tampered(data / "events.db", EDIT)
    mark.write(data, Problem(2, "its hash", 1.8e9))
    ran = run("--reason", "a test of the pager", "--yes")
    assert ran.exit_code == 0, ran.output
    assert "  event 2: its hash does not follow from the row and the one before\n" in ran.stderr
    assert f"uid {os.getuid()} accepted it: a test of the pager\n" in ran.stderr
    assert ran.stdout == "Accepted: event #4 says so. The log verifies. Start backfilld again.\n"
    assert mark.read(data) is None
    again = run("--reason", "once more", "--yes")
    assert again.stdout.startswith("The log verifies: there is nothing to accept.")
    assert ended_at(data / "events.db")[0] == 4


def test_a_restored_log_needs_nothing_but_that_the_mark_is_taken_away(run: Run, data: Path) -> None:
    mark.write(data, Problem(2, "its hash", 1.8e9))
    assert run("--reason", "restored").exit_code == 0
    assert (mark.read(data), ended_at(data / "events.db")[0]) == (None, 3)


def test_a_trigger_is_made_again_and_the_log_tells_that_it_was_gone(run: Run, data: Path) -> None:
    with closing(sqlite3.connect(data / "events.db")) as db:
        db.execute("DROP TRIGGER event_no_delete")
    problem = check(data, LogConfig(), 1.8e9).problem
    assert problem is not None
    ran = run("--reason", "a test", "--yes")
    assert "trigger event_no_delete is gone; it will be as it was made" in ran.stderr
    assert f"log will say that uid {os.getuid()} accepted it: a test\n" in ran.stderr
    assert ran.stdout == "Accepted: event #4 says so. The log verifies. Start backfilld again.\n"
    with closing(open_reader(data / "events.db")) as db:
        (row,) = read.newest(db, 1)
    assert isinstance(row.event, BreakAccepted)
    assert (row.event.position, row.event.what, row.event.reason) == (3, problem.what, "a test")
    known = check(data, LogConfig(), 1.8e9)
    assert (known.problem, known.passed) == (None, (3,))


def test_of_an_empty_log_nothing_is_said_that_is_not_done(run: Run, data: Path) -> None:
    (data / "events.db").unlink()
    EventLog.open(data / "events.db").close()
    with closing(sqlite3.connect(data / "events.db")) as db:
        db.execute("DROP TRIGGER event_no_delete")
    ran = run("--reason", "x", "--yes")
    assert (ran.exit_code, ran.stdout) == (0, "The log verifies. Start backfilld again.\n")
    assert "The log is empty, and will not say that you accepted it.\n" in ran.stderr
    assert "will say that uid" not in ran.stderr


def test_of_several_breaks_the_events_are_named_from_the_first_to_the_last(
    run: Run, data: Path
) -> None:
    tampered(data / "events.db", EDIT)
    with closing(sqlite3.connect(data / "events.db")) as db:
        db.execute("DROP TRIGGER event_no_delete")
    ran = run("--reason", "x", "--yes")
    assert ran.stdout.startswith("Accepted: events #4 to #5 say so. The log verifies.")


def test_nobody_to_ask_or_a_no_changes_nothing(
    run: Run, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = data / "events.db"
    tampered(log, EDIT)
    mark.write(data, Problem(2, "its hash", 1.8e9))
    before = ended_at(log)
    ran = run("--reason", "x")
    assert (ran.exit_code, "add --yes" in ran.stderr) == (2, True)
    monkeypatch.setattr("backfilld.cli.stopped._is_terminal", lambda: True)
    ran = run("--reason", "x", input="n\n")
    assert ran.exit_code == 1
    assert "Go on with the log as it is? [y/N]" in ran.stderr
    assert (ended_at(log), mark.read(data) is None) == (before, False)
    assert run("--reason", "x", input="y\n").exit_code == 0


def test_while_the_daemon_runs_it_is_refused(run: Run, data: Path) -> None:
    with only_one(data):
        ran = run("--reason", "x", "--yes")
    assert ran.exit_code == 6
    assert "another backfilld works there\n  fix: stop it first" in ran.stderr


@pytest.mark.parametrize("reason", ["", "  ", "a\nb", "x" * 501])
def test_a_reason_is_one_line(run: Run, reason: str) -> None:
    ran = run("--reason", reason, "--yes")
    assert ran.exit_code == 2
    assert "--reason should be one line of 1 to 500 characters" in ran.stderr


def test_what_cannot_be_accepted_says_what_to_do_instead(
    run: Run, data: Path, tmp_path: Path
) -> None:
    log, file = data / "events.db", tmp_path / "checkpoints"
    shutil.copy(log, tmp_path / "whole")
    tampered(log, "UPDATE event SET payload = x'c1' WHERE position = 2")
    ran = run("--reason", "x", "--yes")
    assert ran.exit_code == 8
    assert "error: this cannot be accepted: event 2: " in ran.stderr
    assert "\n  fix: restore events.db from a backup\n" in ran.stderr
    position, own = ended_at(tmp_path / "whole")
    with closing(EventLog.show(tmp_path / "whole")) as whole:
        first = whole.head.first.hex()[:16]
    file.write_text(f"backfilld-log 1 {first} {position} {own.hex()} 2027-03-01T04:01:07Z\n")
    shutil.copy(tmp_path / "whole", log)
    more = f'checkpoint_file = "{file}"'
    assert run("--reason", "x", "--yes", more=more).exit_code == 0
    tampered(log, "DELETE FROM event WHERE position = 3")
    ran = run("--reason", "x", "--yes", more=more)
    assert (ran.exit_code, "its tail is cut off" in ran.stderr) == (8, True)
    problem = check(data, LogConfig(checkpoint_file=str(file)), 1.8e9).problem
    assert problem is not None
    assert problem.remedy.endswith("move it away, and then: backfilld accept-break")
    file.rename(tmp_path / "evidence")
    assert run("--reason", "x", "--yes", more=more).exit_code == 0
    assert check(data, LogConfig(checkpoint_file=str(file)), 1.8e9).problem is None


def test_without_a_log_there_is_nothing_to_decide(run: Run, data: Path) -> None:
    (data / "events.db").unlink()
    ran = run("--reason", "x")
    assert (ran.exit_code, "there is no events.db" in ran.stderr) == (2, True)


def test_a_tail_that_was_cut_off_is_accepted_as_the_log_ends_now(run: Run, data: Path) -> None:
    tampered(data / "events.db", "DELETE FROM event WHERE position = 3")
    assert check(data, LogConfig(), 1.8e9).problem is not None
    ran = run("--reason", "we go on", "--yes")
    assert ran.exit_code == 0, ran.output
    assert "  event 2: the log ends with #2, its tail is cut off" in ran.stderr
    assert ran.stdout == "Accepted: event #3 says so. The log verifies. Start backfilld again.\n"
    known = check(data, LogConfig(), 1.8e9)
    assert known.problem is None
    of = lost(found(ALL), what="3b0d", connected=True, census=False, log=known)
    assert of.endswith("Not proved: the log has a break at #2, which was accepted.")


def test_a_chain_made_anew_that_a_daemon_saw_is_accepted_as_the_log_ends_now(
    run: Run, data: Path
) -> None:
    tampered(data / "events.db", EDIT, relink=True)
    end = ended_at(data / "events.db")[1].hex()
    mark.write(data, Problem(1, "the log is not what it was", 1.8e9, end))
    assert check(data, LogConfig(), 1.9e9).problem == mark.read(data)
    ran = run("--reason", "we go on", "--yes")
    assert ran.exit_code == 0, ran.output
    assert "  event 3: the log is not what it was\n" in ran.stderr
    assert check(data, LogConfig(), 1.9e9).problem is None
    assert mark.read(data) is None
