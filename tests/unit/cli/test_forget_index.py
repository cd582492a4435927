"""`backfilld forget-index` says in the log who gave up the index and why, and gives up no other."""

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.given import POSTS, did, handed_off, page, started
from support.tampering import ended_at, tampered

from backfilld.cli import stopped
from backfilld.cli.daemon import main
from backfilld.datadir import only_one
from backfilld.deliveries import RecordDelivery
from backfilld.records.sqlite import SqliteStore
from backfilld.records.store import Group
from backfilld.verification import mark
from backfilld_events.catalog.index import Account, IndexLost, RecordsCommitted, Tally
from backfilld_events.catalog.source import Observation, ReposObserved
from backfilld_events.eventlog import EventLog
from backfilld_events.ids import Cid, Rev, Rkey, pack_one
from backfilld_events.log import read
from backfilld_events.log.append import Append
from backfilld_events.log.file import open_reader
from backfilld_events.row import NewEvent

Run = Callable[..., Result]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data_dir whose index is lost: Tap had sent seven records of two repositories."""
    data = tmp_path / "data"
    tallies = [Tally(pack_one(did(n)), 0, inserted=3 + n) for n in range(2)]
    seen = [Observation(pack_one(did(n)), "active", "", None, 3 + n) for n in range(2)]
    gone = [Account(pack_one(did(1)), "takendown", "b.test")]
    with only_one(data), closing(EventLog.open(data / "events.db")) as log:
        job = [started(POSTS), page(0, 2, None), handed_off(2)]
        log.append([Append([NewEvent("job/a", one, "x") for one in job])], 1)
        came = RecordsCommitted(1, 9, [POSTS], tallies, gone, 0)
        log.append([Append([NewEvent("index", came, "system")])], 1)
        log.append([Append([NewEvent("tap", ReposObserved("t", True, seen), "system")])], 1)
    return data


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs the command with that data_dir."""

    def ran(*args: str, **options: str) -> Result:
        config = tmp_path / "config.toml"
        config.write_text(f'data_dir = "{tmp_path / "data"}"\n')
        command = ["forget-index", "--config", str(config), *args]
        return CliRunner().invoke(main, command, **options)  # type: ignore[arg-type]

    return ran


def test_the_log_says_who_gave_it_up_and_what_is_fetched_anew(run: Run, data: Path) -> None:
    ran = run("--reason", "the disk of rack 7", "--yes")
    assert ran.exit_code == 0, ran.output
    assert "an index with 7 records, and receipts up to 9." in ran.stderr
    assert f"uid {os.getuid()} said so: the disk of rack 7\n" in ran.stderr
    assert ran.stdout.startswith("Event #6 says that the index is lost. Start backfilld again: it")
    assert " 2 repositories fetched anew" in ran.stdout
    with closing(open_reader(data / "events.db")) as db:
        row = read.row(db, 6)
    assert row is not None
    assert (row.stream, row.actor) == ("index", f"uid:{os.getuid()}")
    assert row.event == IndexLost(9, "the disk of rack 7")
    again = run("--reason", "once more", "--yes")
    assert again.exit_code == 0
    assert again.stdout.startswith("The log knows of no receipts: any new index is right.")
    assert ended_at(data / "events.db")[0] == 6


def test_an_index_that_is_there_is_not_forgotten(run: Run, data: Path) -> None:
    with closing(SqliteStore.open(data / "records.db", 20)) as store:
        store.commit(Group([], [], [], []), 1)
    ran = run("--reason", "x", "--yes")
    assert ran.exit_code == 6
    assert "records.db is there, with 0 records and receipts up to 1: it would not" in ran.stderr
    assert "fix: move it away first, together with records.db-wal and records.db-shm" in ran.stderr
    (data / "records.db").write_bytes(b"what is left of it after the fire" * 99)
    assert "records.db is there, and cannot be read: " in run("--reason", "x", "--yes").stderr
    assert ended_at(data / "events.db")[0] == 5


def test_an_empty_index_as_a_start_that_was_refused_leaves_it_may_stay(
    run: Run, data: Path
) -> None:
    SqliteStore.open(data / "records.db", 20).close()
    assert run("--reason", "x", "--yes").exit_code == 0
    assert (data / "records.db").is_file()


def test_the_new_index_knows_whose_records_are_not_shown(run: Run, data: Path) -> None:
    """Nobody tells of it again, and some of theirs may still come."""
    for _ in range(2):  # what was broken off is done again
        assert run("--reason", "x", "--yes").exit_code == 0
    coming = [
        RecordDelivery(
            n, did(n), POSTS, Rkey("k"), Rev("3aaaaaaaaaaa2"), Cid("bafyreione"), b"{}", True
        )
        for n in range(2)
    ]
    with closing(SqliteStore.open(data / "records.db", 20)) as store:
        assert store.receipt_ends() == (0, 0)
        assert store.commit(Group(coming, [], [], []), 1).no == 1
    with closing(open_reader(data / "records.db")) as db:
        assert db.execute("SELECT did FROM records_text").fetchall() == [(did(0),)]
        assert db.execute("SELECT handle FROM repo WHERE hidden").fetchall() == [("b.test",)]


def test_nothing_is_written_to_a_log_that_does_not_verify(run: Run, data: Path) -> None:
    tampered(data / "events.db", "UPDATE event SET actor = 'uid:0' WHERE position = 2")
    ran = run("--reason", "x", "--yes")
    assert (ran.exit_code, ran.stdout) == (8, "")
    assert "error: The log does not verify: event 2: its hash does not follow" in ran.stderr
    assert ended_at(data / "events.db")[0] == 5
    assert mark.read(data) is not None


def test_while_the_daemon_runs_nothing_is_decided(run: Run, data: Path) -> None:
    with only_one(data):
        ran = run("--reason", "x", "--yes")
    assert ran.exit_code == 6
    assert "another backfilld works there\n  fix: stop it first" in ran.stderr


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "x" * 501])
def test_a_reason_is_one_line(run: Run, data: Path, reason: str) -> None:
    ran = run("--reason", reason, "--yes")
    assert ran.exit_code == 2
    assert "--reason should be one line of 1 to 500 characters" in ran.stderr


def test_without_a_log_nothing_is_made(run: Run, data: Path) -> None:
    (data / "events.db").unlink()
    ran = run("--reason", "x", "--yes")
    assert ran.exit_code == 2
    assert "there is no events.db" in ran.stderr
    assert not (data / "events.db").exists()


def test_it_asks_and_a_no_changes_nothing(
    run: Run, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = run("--reason", "x")
    assert ran.exit_code == 2
    assert "error: it asks, and here is nobody to ask\n  fix: add --yes" in ran.stderr
    monkeypatch.setattr(stopped, "_is_terminal", lambda: True)
    assert run("--reason", "x", input="n\n").exit_code == 1
    assert ended_at(data / "events.db")[0] == 5
    assert run("--reason", "x", input="y\n").exit_code == 0
    assert ended_at(data / "events.db")[0] == 6
