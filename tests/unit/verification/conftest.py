"""A data_dir with a log of some hundred events."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from benchmarks.log_events import AT, history

from backfilld_events.eventlog import EventLog
from backfilld_events.log.append import Append

EVENTS = 300


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log, and one as it was when it was half as long."""
    folder, events = tmp_path_factory.mktemp("made"), list(history(EVENTS))
    with closing(EventLog.open(folder / "events.db")) as log:
        log.append([Append(events[: EVENTS // 2])], AT)
        with (
            closing(sqlite3.connect(folder / "events.db")) as live,
            closing(sqlite3.connect(folder / "older.db")) as older,
        ):
            live.backup(older)
        log.append([Append(events[EVENTS // 2 :])], AT)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy, to tamper with."""
    shutil.copytree(made, tmp_path / "data")
    return tmp_path / "data"
