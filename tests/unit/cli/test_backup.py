"""`backfilld backup` leaves a whole, verified backup, or says why not and leaves nothing."""

import re
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.given import POSTS, did, page, started
from support.tampering import ended_at, tampered

from backfilld.backup import making
from backfilld.backup.folder import Folder
from backfilld.backup.making import size
from backfilld.backup.snapshot import Snapshot
from backfilld.cli import backup
from backfilld.cli.daemon import main
from backfilld.datadir import only_one
from backfilld.deliveries import RecordDelivery
from backfilld.delivery.ledger import summed
from backfilld.records.sqlite import SqliteStore
from backfilld.records.store import Group
from backfilld_events.audit.checkpoint import found_in
from backfilld_events.eventlog import EventLog
from backfilld_events.ids import Cid, Rev, Rkey
from backfilld_events.log.append import Append
from backfilld_events.row import NewEvent

Run = Callable[..., Result]


def record(n: int) -> RecordDelivery:
    return RecordDelivery(
        1, did(n), POSTS, Rkey("k"), Rev("3aaaaaaaaaaa2"), Cid("bafyreione"), b"{}", False
    )


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data_dir in which a daemon works: of its last receipt the log does not know yet."""
    data = tmp_path / "data"
    with (
        only_one(data),
        closing(EventLog.open(data / "events.db")) as log,
        closing(SqliteStore.open(data / "records.db", 20)) as store,
    ):
        events = [started(POSTS), page(0, 3)]
        log.append([Append([NewEvent("job/a", one, "x") for one in events])], 1)
        receipts = [store.commit(Group([record(n)], [], [], []), 1) for n in range(3)]
        log.append([Append([NewEvent("index", summed(receipts[:2]), "system")])], 1)
        yield data


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs the command with that data_dir; `more` are lines of the configuration's table [log]."""

    def ran(*args: str, more: str = "") -> Result:
        config = tmp_path / "config.toml"
        config.write_text(f'data_dir = "{tmp_path / "data"}"\n[log]\n{more}\n')
        handler = signal.getsignal(signal.SIGTERM)
        try:
            target = str(tmp_path / "copy")
            return CliRunner().invoke(main, ["backup", target, "--config", str(config), *args])
        finally:
            signal.signal(signal.SIGTERM, handler)

    return ran


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_a_backup_is_whole_and_says_to_which_event_it_is_verified(
    run: Run, data: Path, tmp_path: Path
) -> None:
    ran = run()
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.startswith("Backed up the log (")
    assert " verified up to #3; receipts 1..3 sum up to 3 rows of 3 repositories" in ran.stdout
    assert ran.stdout.endswith("after a restore, backfillctl start --all --mode refetch.\n")
    copy = tmp_path / "copy"
    assert names(copy) == ["checkpoint", "events.db", "records.db"]
    assert copy.stat().st_mode & 0o777 == 0o750
    assert {one.stat().st_mode & 0o777 for one in copy.iterdir()} == {0o640}
    ((_, kept),) = found_in((copy / "checkpoint").read_text().splitlines())
    assert kept is not None
    assert (
        (kept.position, kept.hash) == ended_at(data / "events.db") == ended_at(copy / "events.db")
    )
    assert names(tmp_path) == ["config.toml", "copy", "data"]


def test_the_copy_of_the_index_says_that_it_is_one_and_the_original_does_not(
    run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copied(path: Path) -> float | None:
        with closing(SqliteStore.open(path, 20)) as store:
            return store.copied()

    monkeypatch.setattr(backup, "system", lambda: 1_800_000_000.5)
    assert run().exit_code == 0
    assert copied(tmp_path / "copy" / "records.db") == 1_800_000_000.5
    assert copied(data / "records.db") is None
    for one in data.glob("records.db*"):
        one.unlink()
    shutil.move(tmp_path / "copy" / "records.db", data)
    shutil.rmtree(tmp_path / "copy")
    monkeypatch.setattr(backup, "system", lambda: 1_900_000_000.5)
    assert run().exit_code == 0
    assert copied(tmp_path / "copy" / "records.db") == 1_800_000_000.5, "a copy of a copy is as old"


def test_the_log_alone_can_be_backed_up(run: Run, data: Path, tmp_path: Path) -> None:
    (data / "records.db").unlink()
    ran = run()
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "records.db: no such file" in ran.stderr
    ran = run("--log-only")
    assert ran.exit_code == 0, ran.output
    assert "An index that is newer goes with it" in ran.stdout
    assert names(tmp_path / "copy") == ["checkpoint", "events.db"]


def test_the_index_is_copied_after_the_log_so_that_it_is_never_older(
    run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the daemon does between the two moments."""
    made: list[Path] = []
    init = Snapshot.__init__

    def busy(self: Snapshot, path: Path) -> None:
        init(self, path)
        made.append(path)
        with closing(SqliteStore.open(data / "records.db", 20)) as store:
            receipt = store.commit(Group([record(7 + len(made))], [], [], []), 1)
            assert receipt.no == 3 + len(made)

    monkeypatch.setattr(Snapshot, "__init__", busy)
    ran = run()
    assert [one.name for one in made] == ["events.db", "records.db"]
    assert ran.exit_code == 0, ran.output
    assert "receipts 1..4 sum up to 4 rows" in ran.stdout


def test_a_log_that_does_not_verify_is_kept_as_evidence(
    run: Run, data: Path, tmp_path: Path
) -> None:
    tampered(data / "events.db", "UPDATE event SET actor = 'uid:0' WHERE position = 2")
    ran = run()
    assert (ran.exit_code, ran.stdout) == (8, "")
    assert "  event 2: its hash does not follow from the row and the one before\n" in ran.stderr
    assert f"its copy is {tmp_path / 'copy.broken'}, kept as evidence" in ran.stderr
    assert names(tmp_path) == ["config.toml", "copy.broken", "data"]
    assert ended_at(tmp_path / "copy.broken" / "events.db") == ended_at(data / "events.db")
    again = run()
    assert again.exit_code == 2
    assert "copy.broken is there: an earlier backup did not verify" in again.stderr


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DROP TRIGGER event_next", "the log can be changed: trigger event_next is gone"),
        ("UPDATE event SET payload = x'c1' WHERE position = 1", "event 1: "),
    ],
)
def test_what_is_wrong_with_a_log_is_named(run: Run, data: Path, statement: str, said: str) -> None:
    with closing(sqlite3.connect(data / "events.db")) as db:
        db.execute("DROP TRIGGER event_no_update")
        db.execute(statement)
        db.commit()
    ran = run()
    assert ran.exit_code == 8
    assert f"  {said}" in ran.stderr


def test_a_log_that_checkpoints_kept_elsewhere_do_not_know_is_not_backed_up(
    run: Run, data: Path, tmp_path: Path
) -> None:
    assert run().exit_code == 0
    line = (tmp_path / "copy" / "checkpoint").read_text().replace(" 3 ", " 2 ")
    (tmp_path / "kept").write_text(line)
    (tmp_path / "copy").rename(tmp_path / "elsewhere")
    ran = run(more=f'checkpoint_file = "{tmp_path / "kept"}"')
    assert ran.exit_code == 8
    assert "from #1 to #2 the log is not what it was: a checkpoint of" in ran.stderr


def test_an_index_that_does_not_agree_with_the_log_is_no_backup_either(
    run: Run, data: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(data / "records.db")) as db:
        db.execute("DELETE FROM record WHERE id = 2")
        db.commit()
    ran = run()
    assert ran.exit_code == 7
    assert f"{did(1)} {POSTS}: the log says 1, last by #3; the index has 0\n" in ran.stderr
    assert "--log-only leaves the index out" in ran.stderr
    assert names(tmp_path) == ["config.toml", "copy.broken", "data"]


def test_an_index_with_a_damaged_page_is_found(run: Run, data: Path) -> None:
    with closing(sqlite3.connect(data / "records.db", isolation_level=None)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        query = "SELECT rootpage FROM sqlite_schema WHERE name = 'record_key'"
        (number,) = db.execute(query).fetchone()
    with (data / "records.db").open("r+b") as file:
        file.seek((number - 1) * 16384)
        file.write(bytes(16384))
    ran = run()
    assert ran.exit_code == 7
    assert "  records.db: " in ran.stderr


def test_lost_projections_are_a_note(run: Run, data: Path) -> None:
    tampered(data / "events.db", "DROP TABLE repo")
    ran = run()
    assert ran.exit_code == 0
    assert ran.stderr.startswith("note: the next start makes all projections anew: ")


def in_the_way(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "mine").touch()


def a_file(tmp_path: Path) -> None:
    (tmp_path / "copy").touch()


def nobody_elses(tmp_path: Path) -> None:
    (tmp_path / "copy.partial").mkdir()
    (tmp_path / "copy.partial" / "mine").touch()


def no_log(tmp_path: Path) -> None:
    (tmp_path / "data" / "events.db").unlink()


@pytest.mark.parametrize(
    ("happened", "said"),
    [
        (in_the_way, "copy is there, and not empty"),
        (a_file, "copy is there, and is no folder"),
        (nobody_elses, "copy.partial/mine is there, and is not ours"),
        (no_log, "events.db: no such file"),
    ],
)
def test_where_no_backup_can_be_made_nothing_is_touched(
    run: Run, data: Path, tmp_path: Path, happened: Callable[[Path], None], said: str
) -> None:
    happened(tmp_path)
    before = {path: path.is_dir() for path in tmp_path.rglob("*")}
    ran = run()
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert said in ran.stderr
    before[tmp_path / "config.toml"] = False
    assert {path: path.is_dir() for path in tmp_path.rglob("*")} == before


def test_it_says_how_much_room_is_needed_and_how_much_there_is(
    run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Folder, "free", 5000)
    ran = run()
    assert ran.exit_code == 2
    assert f"error: {tmp_path}: " in ran.stderr
    assert " KiB are needed, and 4.9 KiB are free\n  fix: make room" in ran.stderr
    assert names(tmp_path) == ["config.toml", "data"]


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "error: interrupted; nothing is left of it"),
        (sqlite3.OperationalError("disk is full"), 2, "the copy was broken off: disk is full"),
        (OSError(28, "No space left on device"), 2, "copy.partial: No space left on device"),
    ],
)
def test_whatever_ends_it_nothing_is_left_behind(
    run: Run,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    said: str,
) -> None:
    def fails(*_: Any) -> None:
        raise error

    for step in ("_copy", "check"):
        with monkeypatch.context() as patch:
            patch.setattr(making, step, fails)
            ran = run()
        assert (ran.exit_code, ran.stdout) == (code, "")
        assert said in ran.stderr
        assert names(tmp_path) == ["config.toml", "data"]


def test_what_one_that_was_killed_left_behind_is_taken_away(
    run: Run, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "copy.partial").mkdir()
    (tmp_path / "copy.partial" / "events.db").write_text("half")
    (tmp_path / "copy").mkdir()
    assert run().exit_code == 0
    assert names(tmp_path) == ["config.toml", "copy", "data"]


def test_two_do_not_make_the_same_backup(
    run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again: list[Result] = []
    check = making.check

    def meanwhile(*args: Any) -> Any:
        again.append(run())
        return check(*args)

    monkeypatch.setattr(making, "check", meanwhile)
    assert run().exit_code == 0
    assert again[0].exit_code == 2
    assert "a backup is being made there" in again[0].stderr


def test_the_units_in_the_documentation_are_right(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not on this machine")
    text = (Path(__file__).parents[3] / "docs" / "backup.md").read_text()
    blocks = [dedent(one) for one in re.findall(r"(?:^    .*\n|^\n)+", text, re.MULTILINE)]
    for kind, section in (("service", "[Service]"), ("timer", "[Timer]")):
        (unit,) = [one for one in blocks if section in one]
        path = tmp_path / f"backfilld-backup.{kind}"
        path.write_text(unit.strip().replace("/usr/bin/backfilld", "/bin/true") + "\n")
    units = ["systemd-analyze", "verify", *tmp_path.glob("backfilld-backup.*")]
    done = subprocess.run(units, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("n", "said"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2**20, "1.0 MiB"), (2**42, "4,096.0 GiB")],
)
def test_sizes_are_said_in_the_largest_unit_that_fits(n: int, said: str) -> None:
    assert size(n) == said
