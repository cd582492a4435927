"""A log that must not be written can be shown, and nothing of it changes."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.given import POSTS, page, started
from support.tampering import tampered

from backfilld_events import chain
from backfilld_events.audit.replay import replay
from backfilld_events.eventlog import EventLog, NotShown
from backfilld_events.log.append import Append
from backfilld_events.log.file import BadFile
from backfilld_events.row import NewEvent

AT = 1_800_000_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of three events."""
    path = tmp_path / "events.db"
    with closing(EventLog.open(path)) as log:
        assert log.head == (0, chain.GENESIS, b"")
        first = Append([NewEvent("job/a", started(POSTS), "x")])
        rest = Append([NewEvent("job/a", page(n * 10, 10), "x") for n in range(2)])
        outcomes = log.append([first, rest], AT)
        rows = [row for rows in outcomes if isinstance(rows, list) for row in rows]
        assert log.head == (3, rows[-1].hash, rows[0].hash)
    return path


def test_what_is_shown_is_what_was_there_even_if_the_log_ends_elsewhere_now(path: Path) -> None:
    with closing(EventLog.open(path)) as log:
        whole, head = log.state, log.head
    with closing(EventLog.show(path)) as log:
        assert (log.state, log.head) == (whole, head)
    tampered(path, "DELETE FROM event WHERE position = 3")
    before = path.read_bytes()
    with closing(EventLog.show(path)) as log:
        assert (log.state, log.head.position, log.rebuilt) == (whole, 2, False)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE folded SET value = x'63' WHERE name = 'version'", "not those of this version"),
        ("UPDATE folded SET value = x'c1' WHERE name = 'source'", "cannot be read"),
        ("UPDATE job SET state = x'c1'", "cannot be read"),
        ("DROP TABLE lexicon", "not those of this version"),
        ("DROP TABLE folded", "not those of this version"),
        ("DELETE FROM folded WHERE name = 'position'", "cannot be read"),
    ],
)
def test_projections_of_which_nothing_can_be_made_are_said_to_be_that(
    path: Path, statement: str, why: str
) -> None:
    tampered(path, statement)
    with pytest.raises(NotShown, match=why):
        EventLog.show(path)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE folded SET value = x'c1' WHERE name = 'source'",
        "DELETE FROM folded WHERE name = 'numbers'",
        "UPDATE job SET state = x'c1'",
        "DROP TABLE repo",
        "DROP TABLE folded",
        "DROP INDEX repo_need",
    ],
)
def test_projections_that_are_lost_are_made_anew_by_the_next_start(
    path: Path, statement: str
) -> None:
    with closing(EventLog.open(path)) as log:
        whole = log.state
    tampered(path, statement)
    with closing(EventLog.open(path)) as log:
        assert (log.state, log.rebuilt) == (whole, True)
    assert replay(path).differ == 0


def test_a_file_that_sqlite_cannot_read_is_said_to_be_that(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        query = "SELECT rootpage FROM sqlite_schema WHERE name = 'job'"
        (number,) = db.execute(query).fetchone()
    with path.open("r+b") as file:
        file.seek((number - 1) * 16384)
        file.write(b"\xff" * 100)
    with pytest.raises(BadFile, match=r"events\.db: database disk image is malformed; docs/backup"):
        EventLog.open(path)


def test_projections_are_made_anew_when_that_is_asked_for(path: Path) -> None:
    with closing(EventLog.open(path)) as log:
        whole = log.state
    tampered(path, "DELETE FROM job")
    with closing(EventLog.open(path)) as log:
        assert not log.state.jobs, "a start trusts them"
    with closing(EventLog.open(path, anew=True)) as log:
        assert log.state == whole
