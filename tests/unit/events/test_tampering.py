"""Whoever has the file and a plain SQLite can change it, but not so that nobody sees it.

TAMPER_EVENTS=100000 does the same to a log of that size.
"""

import io
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from benchmarks.log_events import AT, history

from backfilld_events import chain
from backfilld_events.catalog.index import RecordsCommitted
from backfilld_events.cli import main, say
from backfilld_events.cli.replay import ROWS_SHOWN_MAX
from backfilld_events.eventlog import EventLog
from backfilld_events.log.append import Append, append
from backfilld_events.log.file import open_writer
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


def test_a_tail_that_was_cut_shows_by_a_checkpoint_and_by_what_was_folded_from_it(
    site: Site, verify: Verify, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(site, f"DELETE FROM event WHERE position > {WRONG}")
    assert "log" not in verify("--log-only"), "what is left is whole"
    said = verify("--log-only", "--against", str(site.checkpoints))
    assert said["checkpoints"]["position"] == WRONG + 1
    assert "its tail is cut off" in said["checkpoints"]["what"]
    made = verify()["projections"]
    assert (made["position"], made["folded"]) == (WRONG, EVENTS), "these know of more"
    with pytest.raises(SystemExit):
        main(["verify", str(site.log)])
    (begin, *rows) = capsys.readouterr().out.partition("projections  BROKEN  ")[2].splitlines()
    assert begin.startswith(
        f"the log ends with #{WRONG}, its tail is cut off: what was folded from it goes up to"
        f" #{EVENTS}; "
    )
    assert len(rows) <= ROWS_SHOWN_MAX + 1
    assert rows[-1] == f"  and {made['differ'] - ROWS_SHOWN_MAX:,} more"


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
        db.execute(f"CREATE TABLE loose (position INTEGER PRIMARY KEY, {', '.join(COLUMNS[1:])})")
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


def shown(verb: str, *arguments: object) -> int:
    """How a verb ends."""
    try:
        main([verb, *map(str, arguments)])
    except SystemExit as ended:
        return int(ended.code or 0)
    return say.OK


ENDLESS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    " SELECT i AS position, 's' AS stream, i AS version, 't' AS type, 1 AS schema,"
    " 0 AS recorded_at, 'a' AS actor, NULL AS cause, x'80' AS payload, zeroblob(32) AS hash FROM n"
)


@pytest.mark.parametrize(
    "instead",
    [
        f"CREATE VIEW event AS {ENDLESS}",
        f"CREATE TABLE event ({', '.join(COLUMNS)})",
        "CREATE TABLE event (position INTEGER PRIMARY KEY, stream)",
    ],
)
def test_what_has_the_name_of_the_table_alone_is_no_log(
    site: Site, capsys: pytest.CaptureFixture[str], instead: str
) -> None:
    with closing(sqlite3.connect(site.log)) as db:
        db.execute("ALTER TABLE event RENAME TO other")
        db.execute(instead)
        db.commit()
    for verb in ("verify", "show", "stats", "replay", "checkpoint"):
        assert shown(verb, site.log) == say.BROKEN
    assert shown("diff", site.log, site.older) == say.BROKEN
    assert capsys.readouterr().err.count("the table is not the log's, but another") == 6


@pytest.mark.parametrize("column", COLUMNS[1:])
def test_a_column_of_another_type_ends_no_verb_with_a_traceback(
    site: Site, capsys: pytest.CaptureFixture[str], column: str
) -> None:
    with closing(sqlite3.connect(site.log)) as db:
        names = ", ".join(COLUMNS)
        db.execute(f"CREATE TABLE loose (position INTEGER PRIMARY KEY, {', '.join(COLUMNS[1:])})")
        db.execute(f"INSERT INTO loose SELECT {names} FROM event ORDER BY position")
        db.execute("DROP TABLE event")
        db.execute("ALTER TABLE loose RENAME TO event")
        db.execute(f"UPDATE event SET {column} = 1.5 WHERE position = {WRONG}")
        if column != "hash":
            relinked(db)
        db.commit()
    for verb in ("verify", "show", "stats", "replay"):
        assert shown(verb, site.log) == say.BROKEN
    assert shown("explain", site.log, "did:plc:ewvi7nxzyoun6zhxrhs64oiz") == say.BROKEN
    assert shown("diff", site.log, site.older) == say.NO
    said = capsys.readouterr()
    assert said.err.count(f"event {WRONG}: its column {column} is of another type") >= 3


def test_a_trigger_is_named_however_its_table_is_spelled(site: Site, verify: Verify) -> None:
    with closing(sqlite3.connect(site.log)) as db:
        db.execute("CREATE TRIGGER lost BEFORE INSERT ON EVENT BEGIN SELECT RAISE(IGNORE); END")
        db.execute("CREATE TRIGGER gone AFTER INSERT ON Repo BEGIN DELETE FROM repo; END")
    assert verify("--log-only")["file"] == ["trigger gone was added", "trigger lost was added"]


@pytest.mark.parametrize(
    "edits",
    [
        ("ALTER TABLE tally RENAME TO other", f"CREATE VIEW tally AS {ENDLESS}"),
        ("DROP TABLE tally", "CREATE TABLE tally (x)"),
        (
            "CREATE TABLE loose AS SELECT * FROM repo", "DROP TABLE repo",
            "ALTER TABLE loose RENAME TO repo", "UPDATE repo SET id = 'a' WHERE id = 3",
            "UPDATE repo SET id = NULL WHERE id = 4", "UPDATE repo SET id = x'00' WHERE id = 5",
            "UPDATE repo SET id = CAST(x'75ff' AS TEXT) WHERE id = 6",
        ),
    ],
)  # fmt: skip
def test_another_table_in_the_place_of_a_projection_is_found(
    site: Site, verify: Verify, edits: tuple[str, ...]
) -> None:
    tamper(site, *edits)
    said = verify()
    assert "log" not in said
    assert "sqlite_schema" in {one["table"] for one in said["projections"]["differences"]}


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE folded SET value = x'06' WHERE name = 'version'",
        "UPDATE folded SET value = x'c1' WHERE name = 'numbers'",
        "DROP TABLE folded",
    ],
)
def test_projections_that_could_not_be_compared_are_not_said_to_be_right(
    site: Site, edit: str
) -> None:
    tamper(site, edit)
    assert shown("verify", site.log) == say.NO
    assert shown("verify", "--log-only", site.log) == say.OK


def test_a_page_with_a_made_up_count_has_an_end(site: Site, verify: Verify) -> None:
    with closing(sqlite3.connect(site.log)) as db:
        query = "SELECT position, payload FROM event WHERE type = 'job.page-discovered'"
        position, payload = db.execute(query).fetchone()
    made_up = msgspec.msgpack.encode({**msgspec.msgpack.decode(payload), "count": 2**62})
    tamper(
        site,
        f"UPDATE event SET payload = x'{made_up.hex()}' WHERE position = {position}",
        relink=True,
    )
    said = verify()
    assert said["projections"]["position"] == position
    assert "nothing follows from it" in said["projections"]["what"]


def test_a_text_that_is_no_utf8_is_a_broken_row_for_every_verb(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(site, f"UPDATE event SET actor = CAST(x'75ff' AS TEXT) WHERE position = {WRONG}")
    with closing(open_writer(site.log.parent / "records.db", "backfilld.records")):
        pass
    assert shown("reconcile", "--records", site.log.parent / "records.db", site.log) == say.BROKEN
    for verb in ("stats", "replay"):
        assert shown(verb, site.log) == say.BROKEN
    assert shown("diff", site.log, site.older) == say.BROKEN
    assert capsys.readouterr().err.count(f"event {WRONG}: ") == 4


def test_an_acceptance_that_cannot_be_read_does_not_hide_the_first_wrong_event(
    site: Site, verify: Verify
) -> None:
    tamper(
        site,
        f"UPDATE event SET actor = 'uid:0' WHERE position = {WRONG}",
        f"INSERT INTO event VALUES ({EVENTS + 1}, 'x', 1, 'service.break-accepted', 1, 0,"
        " CAST(x'ff' AS TEXT), NULL, x'80', zeroblob(32))",
    )
    assert verify("--log-only")["log"]["position"] == WRONG


def test_two_checkpoints_of_one_position_are_both_held_against_the_log(
    site: Site, verify: Verify
) -> None:
    lines = site.checkpoints.read_text().splitlines()
    words = lines[1].split()
    forged = " ".join([*words[:4], "0" * 64, words[5]])
    for order in ([*lines, forged], [forged, *lines]):
        site.checkpoints.write_text("\n".join(order))
        said = verify("--log-only", "--against", str(site.checkpoints))["checkpoints"]
        assert said["position"] == HALF + 1
        assert "0" * 64 in said["what"]


def test_checkpoints_are_found_in_what_is_no_text_and_once_each(
    site: Site, verify: Verify, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = site.checkpoints.read_bytes()
    site.checkpoints.write_bytes(b"\xff\x00" * 100_000 + b"\n" + kept * 500 + b"caf\xe9\n")
    assert verify("--log-only", "--against", str(site.checkpoints))["checkpoints"] == 2


def test_a_text_of_the_log_cannot_speak_for_us_or_to_the_terminal(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(
        site,
        "UPDATE event SET actor = char(27) || '[2J' || char(10) || 'log OK'"
        f" WHERE position = {WRONG}",
        relink=True,
    )
    main(["show", "--at", str(WRONG), str(site.log)])
    said = capsys.readouterr().out
    assert "\\x1b[2J\\x0alog OK" in said
    assert said.count("\n") == 1


class Terminal(io.StringIO):
    """A stderr that somebody looks at."""

    def isatty(self) -> bool:
        return True


def test_progress_is_for_a_terminal_twice_a_second_and_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = iter([10.0, 10.1, 10.4, 10.5, 10.9, 11.0])
    monkeypatch.setattr(say.time, "monotonic", lambda: next(now))
    terminal = Terminal()
    with say.progress("replaying", terminal) as tell:
        for position in range(1, 7):
            tell(position)
    assert terminal.getvalue() == ("\rreplaying, at #1\rreplaying, at #4\rreplaying, at #6\r\x1b[K")


def test_progress_is_for_nobody_else() -> None:
    file = io.StringIO()
    with say.progress("replaying", file) as tell:
        tell(1)
    assert not file.getvalue()
