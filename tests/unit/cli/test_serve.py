"""What ends the daemon and a person can mend is a sentence, not a traceback."""

import sqlite3
from pathlib import Path

import pytest
import trio

from backfilld.cli import say
from backfilld.cli.serve import serve
from backfilld.config import Config


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the process that runs the tests is changed."""
    monkeypatch.setattr("backfilld.cli.serve.logs.configure", lambda *_: None)
    monkeypatch.setattr("sys.setswitchinterval", lambda _: None)


def locked() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    return error


def test_a_file_that_another_program_locks_is_said_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*_: object) -> None:
        raise ExceptionGroup("a nursery", [ExceptionGroup("another", [locked()])])

    monkeypatch.setattr(trio, "run", run)
    with pytest.raises(SystemExit) as ended:
        serve(Config(data_dir=str(tmp_path)), None)
    assert ended.value.code == say.USAGE
    said = capsys.readouterr().err
    assert said.startswith(
        "error: database is locked: events.db or records.db could not be written"
    )
    assert "Litestream" in said


def test_what_is_a_fault_of_ours_stays_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_: object) -> None:
        raise ExceptionGroup("a nursery", [sqlite3.OperationalError("no such table: evnt")])

    monkeypatch.setattr(trio, "run", run)
    with pytest.raises(ExceptionGroup):
        serve(Config(data_dir=str(tmp_path)), None)
