"""Whoever has the file and a plain SQLite can change it, but not so that nobody sees it.

TAMPER_EVENTS=100000 does the same to a log of that size.
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from benchmarks.log_events import AT, history

from backfilld_events import chain
from backfilld_events.catalog.index import RecordsCommitted
from backfilld_events.cli import main, say
from backfilld_events.eventlog import EventLog
from backfilld_events.log.append import Append, append
from backfilld_events.row import NewEvent

EVENTS = int(os.environ.get("TAMPER_EVENTS", "400"))
PORTION = EVENTS // 20
HALF = EVENTS // 2
WRONG = HALF + 7  # where it is tampered with
COLUMNS = (
    "position", "stream", "version", "type", "schema", "recorded_at", "actor", "cause", "payload",
    "hash",
)  # fmt: skip


class Site:
    """A log in a folder, with what was kept of it elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.log, self.older = folder / "events.db", folder / "older.db"
        self.checkpoints = folder / "checkpoints"


def kept(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Keeps a checkpoint."""
    main(["checkpoint", str(site.log)])
    with site.checkpoints.open("a") as file:
        file.write(capsys.readouterr().out)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of EVENTS and, in another file, what it was when it had half of them."""
    site = Site(tmp_path_factory.mktemp("made"))
    events = list(history(EVENTS))
    log = EventLog.open(site.log)
    for at in range(0, EVENTS, PORTION):
        if at == HALF:
            with (
                closing(sqlite3.connect(site.log)) as live,
                closing(sqlite3.connect(site.older)) as older,
            ):
                live.backup(older)
        log.append([Append(events[at : at + PORTION])], AT)
    log.close()
    return site.log.parent


@pytest.fixture
def site(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Site:
    """A copy to tamper with, and a checkpoint of the half and of the whole, kept elsewhere."""
    site = Site(tmp_path / "site")
    shutil.copytree(made, tmp_path / "site")
    half = Site(tmp_path / "half")
    half.log, half.checkpoints = site.older, site.checkpoints
    kept(half, capsys)
    kept(site, capsys)
    return site


@pytest.fixture
def verify(site: Site, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """What `backfill-audit verify` says of the log."""

    def said(*options: str) -> dict[str, Any]:
        code = say.OK
        try:
            main(["verify", "--json", *options, str(site.log)])
        except SystemExit as ended:
            code = int(ended.code or 0)
        found = json.loads(capsys.readouterr().out)
        assert isinstance(found, dict)
        assert code == (say.OK if found["ok"] else say.BROKEN)
        return found

    return said


Verify = Callable[..., dict[str, Any]]


def tamper(site: Site, *statements: str, relink: bool = False) -> None:
    """With a plain SQLite: the triggers dropped, and made again so that nothing shows."""
    with closing(sqlite3.connect(site.log)) as db:
        triggers = db.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'event'"
        ).fetchall()
        for name, _ in triggers:
            db.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            db.execute(statement)
        if relink:
            relinked(db)
        for _, sql in triggers:
            db.execute(sql)
        db.commit()


def relinked(db: sqlite3.Connection) -> None:
    """The whole chain made anew, by somebody who knows how."""
    previous = chain.GENESIS
    for row in db.execute(f"SELECT {', '.join(COLUMNS)} FROM event ORDER BY position").fetchall():
        previous = chain.link(previous, row[:9])
        db.execute("UPDATE event SET hash = ? WHERE position = ?", (previous, row[0]))


def one_bit(site: Site, column: str) -> str:
    """A statement that flips one bit of this column in the row at WRONG."""
    with closing(sqlite3.connect(site.log)) as db:
        (value,) = db.execute(f"SELECT {column} FROM event WHERE position = {WRONG}").fetchone()
    match value:
        case None:
            new = "1"
        case int():  # a high one where the others are taken
            new = str(value ^ 1 << (40 if column in ("position", "version") else 0))
        case str():
            new = f"'{chr(ord(value[0]) ^ 1)}{value[1:]}'"
        case _:
            new = f"x'{bytes([value[0] ^ 1]).hex()}{value[1:].hex()}'"
    return f"UPDATE event SET {column} = {new} WHERE position = {WRONG}"


def test_a_log_that_nobody_touched_verifies(site: Site, verify: Verify) -> None:
    said = verify("--against", str(site.checkpoints))
    assert said["ok"]
    assert (said["events"], said["checkpoints"], said["last_checkpoint"]) == (EVENTS, 2, EVENTS)
    assert said["projections"]["ok"]
    assert sum(said["projections"]["rows"].values()) > EVENTS


@pytest.mark.parametrize("column", COLUMNS)
def test_one_bit_in_any_column_is_found_at_its_row(site: Site, verify: Verify, column: str) -> None:
    tamper(site, one_bit(site, column))
    assert verify()["log"]["position"] == WRONG


def swapped(one: int, other: int) -> list[str]:
    return [
        f"UPDATE event SET position = -1 WHERE position = {one}",
        f"UPDATE event SET position = {one} WHERE position = {other}",
        f"UPDATE event SET position = {other} WHERE position = -1",
    ]


def test_two_rows_that_were_swapped_are_found_at_the_first(site: Site, verify: Verify) -> None:
    tamper(site, *swapped(WRONG, WRONG + 30))
    assert verify()["log"]["position"] == WRONG


def test_a_row_removed_in_the_middle_is_found_where_it_was(site: Site, verify: Verify) -> None:
    tamper(site, f"DELETE FROM event WHERE position = {WRONG}")
    assert verify()["log"]["position"] == WRONG
    closed = f"UPDATE event SET position = position - 1 WHERE position > {WRONG}"
    tamper(site, closed)
    assert verify()["log"]["position"] == WRONG


def test_a_row_put_in_is_found_where_it_stands(site: Site, verify: Verify) -> None:
    columns = ", ".join(COLUMNS[3:])
    tamper(
        site,
        f"UPDATE event SET position = -position - 1 WHERE position >= {WRONG}",
        "UPDATE event SET position = -position WHERE position < 0",
        f"INSERT INTO event (position, stream, version, {columns})"
        f" SELECT {WRONG}, 'service', 1000000, {columns} FROM event WHERE position = {WRONG - 1}",
    )
    assert verify()["log"]["position"] == WRONG


def test_a_tail_that_was_cut_shows_by_a_checkpoint_alone(site: Site, verify: Verify) -> None:
    tamper(site, f"DELETE FROM event WHERE position > {WRONG}")
    assert "log" not in verify("--log-only"), "what is left is whole"
    said = verify("--log-only", "--against", str(site.checkpoints))
    assert said["checkpoints"]["position"] == WRONG + 1
    assert "its tail is cut off" in said["checkpoints"]["what"]
    assert verify()["projections"]["differ"], "and the projections know of more"


def test_a_chain_made_anew_after_an_edit_shows_by_a_checkpoint(site: Site, verify: Verify) -> None:
    tamper(site, f"UPDATE event SET actor = 'uid:0' WHERE position = {WRONG}", relink=True)
    assert verify("--log-only")["ok"], "the chain is right in itself"
    said = verify("--log-only", "--against", str(site.checkpoints))
    assert said["checkpoints"]["position"] == HALF + 1, "after the last checkpoint that agrees"
    assert f"somewhere from #{HALF + 1} to #{EVENTS}" in said["checkpoints"]["what"]


def test_another_log_in_its_place_is_told_from_it(site: Site, verify: Verify) -> None:
    tamper(site, "UPDATE event SET recorded_at = recorded_at + 1", relink=True)
    said = verify("--log-only", "--against", str(site.checkpoints))
    assert (said["checkpoints"]["position"], "another log" in said["checkpoints"]["what"]) == (
        1, True,
    )  # fmt: skip


def test_an_older_backup_in_its_place_shows_by_a_checkpoint(site: Site, verify: Verify) -> None:
    shutil.copy(site.older, site.log)
    assert verify()["ok"], "it is a whole log"
    said = verify("--against", str(site.checkpoints))
    assert said["checkpoints"]["position"] == HALF + 1


@pytest.mark.parametrize(
    ("table", "edit"),
    [
        ("tally", "UPDATE tally SET n = n + 1 WHERE job = 0 AND class = 1"),
        ("repo", "UPDATE repo SET live = live + 1 WHERE id = 30"),
        ("repo", "DELETE FROM repo WHERE id = 30"),
        ("page", "UPDATE page SET position = position + 1 WHERE base = 1"),
        ("member", "INSERT INTO member VALUES (1, 123456, 0)"),
        (
            "lexicon",
            "UPDATE lexicon SET state = x'80' WHERE nsid = (SELECT min(nsid) FROM lexicon)",
        ),
        ("job", "UPDATE job SET ended = 1 - ended WHERE number = (SELECT min(number) FROM job)"),
        ("delivered", "UPDATE delivered SET inserted = 0"),
        ("folded", "UPDATE folded SET value = x'01' WHERE name = 'source'"),
        ("sqlite_schema", "DROP INDEX repo_due"),
    ],
)
def test_a_projection_that_was_edited_is_found_and_its_row_named(
    site: Site, verify: Verify, table: str, edit: str
) -> None:
    tamper(site, edit)
    said = verify()
    assert "log" not in said, "the log itself is whole"
    assert said["projections"]["differ"] >= 1
    assert {one["table"] for one in said["projections"]["differences"]} == {table}


def test_a_trigger_that_is_gone_is_named(site: Site, verify: Verify) -> None:
    with closing(sqlite3.connect(site.log)) as db:
        db.execute("DROP TRIGGER event_no_update")
    assert verify("--log-only")["file"] == ["trigger event_no_update is gone"]


def test_a_table_that_takes_anything_is_no_way_to_end_verify_with_a_traceback(
    site: Site, verify: Verify
) -> None:
    with closing(sqlite3.connect(site.log)) as db:
        columns = ", ".join(COLUMNS)
        db.execute(f"CREATE TABLE loose ({columns})")
        db.execute(f"INSERT INTO loose SELECT {columns} FROM event ORDER BY position")
        db.execute("DROP TABLE event")
        db.execute("ALTER TABLE loose RENAME TO event")
        db.execute(f"UPDATE event SET payload = 'a text' WHERE position = {WRONG}")
        relinked(db)
        db.commit()
    said = verify("--log-only")
    assert said["log"]["position"] == WRONG
    assert "table event was changed" in said["file"]


def test_events_from_which_nothing_follows_are_named(site: Site, verify: Verify) -> None:
    with closing(sqlite3.connect(site.log, isolation_level=None)) as db:
        db.execute("BEGIN")
        gap = NewEvent("index", RecordsCommitted(10**6, 10**6, [], [], [], 0), "system")
        append(db, [Append([gap])], AT, lambda row, event: None)
        db.execute("COMMIT")
    said = verify()
    assert "log" not in said
    assert said["projections"]["position"] == EVENTS + 1
    assert "nothing follows from it: ValueError: receipts" in said["projections"]["what"]
