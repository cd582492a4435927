"""A log of each release there was opens, verifies, and folds to what it was."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.old_logs import folded

from backfilld_events.audit import guards
from backfilld_events.audit.importing import import_log
from backfilld_events.audit.replay import replay
from backfilld_events.audit.source import open_source
from backfilld_events.audit.verify import Verified, accepted, verify_columns
from backfilld_events.audit.whole import verify_source
from backfilld_events.catalog.source import ReposLeaving
from backfilld_events.log.file import open_reader
from backfilld_events.row import from_columns

LOGS = sorted((Path(__file__).parents[2] / "golden" / "logs").glob("*.jsonl"))
NO_STATE = ("made by", "since then")

each_release = pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)

Columns = tuple[Any, ...]


def said(log: Path) -> dict[str, Any]:
    """What was written down beside it."""
    return dict(json.loads(log.with_suffix(".json").read_text()))


def must_fold_to(log: Path) -> dict[str, Any]:
    return {name: value for name, value in said(log).items() if name not in NO_STATE}


def rows_of(path: Path) -> list[Columns]:
    with open_source(path) as source:
        return list(source.columns(None, source.upto()))


def verified(path: Path) -> Verified:
    with open_source(path) as source:
        return verify_source(source)


def as_it_was_left(log: Path, path: Path) -> Path:
    """The file as that release left it: its tables, and its projections of that time."""
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(log.with_suffix(".sql").read_text())
        db.executemany(f"INSERT INTO event VALUES ({', '.join('?' * 10)})", rows_of(log))
    return path


@each_release
def test_an_old_log_verifies_as_it_is(log: Path) -> None:
    done = verified(log)
    assert (done.events, done.hash.hex()) == (said(log)["events"], said(log)["hash"])
    rows = rows_of(log)
    said_so = (row for row in map(from_columns, rows) if row.type == "service.break-accepted")
    assert verify_columns(rows, accepted(said_so)) == done, "by its rows alone, too"


def test_one_of_them_tells_of_a_lost_index_and_of_a_break_that_was_accepted() -> None:
    with open_source(LOGS[0].with_name("2026-11-27-losses.jsonl")) as source:
        assert [*source.of_type("index.lost")]
        assert [*source.of_type("service.break-accepted")]
        leaving = [row.event for row in source.of_type("tap.repos-leaving")]
    assert {one.why for one in leaving if isinstance(one, ReposLeaving)} >= {"lost", "lacks"}
    assert verified(source.path).passed == (4,)


def test_one_of_them_tells_of_an_index_that_was_restored() -> None:
    with open_source(LOGS[0].with_name("2026-11-27-restored.jsonl")) as source:
        assert [*source.of_type("index.restored")]


@each_release
def test_imported_it_is_the_same_log_and_folds_to_what_it_was(log: Path, tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with open_source(log) as source:
        import_log(source, path)
    assert folded(path) == must_fold_to(log)
    assert verified(path) == verified(log)
    assert rows_of(path) == rows_of(log)


@each_release
def test_the_file_an_old_release_left_opens_without_a_change_of_its_rows(
    log: Path, tmp_path: Path
) -> None:
    path = as_it_was_left(log, tmp_path / "events.db")
    before = rows_of(path)
    assert folded(path) == must_fold_to(log), "its projections are made anew, or taken as they are"
    assert rows_of(path) == before == rows_of(log)
    with closing(open_reader(path)) as db:
        assert guards.missing(db) == []
    redone = replay(path)
    assert (redone.is_compared, redone.differences) == (True, [])


@each_release
def test_what_is_told_otherwise_since_then_is_told_otherwise_and_has_its_reason(log: Path) -> None:
    for change in said(log)["since then"]:
        now: Any = said(log)
        for name in change["of"]:
            now = now.get(name)
        assert now != change["then"], f"{change['of']} is as it was"
        assert change["why"]


def test_there_is_a_log_of_each_release() -> None:
    assert LOGS
    assert {log.stem for log in LOGS} == {
        path.stem for path in LOGS[0].parent.iterdir() if path.name != "README.md"
    }
