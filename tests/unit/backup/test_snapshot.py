"""A copy is of one moment, however busy its original is, and needs no other file."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from backfilld.backup.snapshot import STEP_PAGES, Snapshot
from backfilld_events.log.file import BadFile

PAGE = 4096


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A file as ours are, of some steps, and somebody who writes it."""
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as db:
        db.execute(f"PRAGMA page_size={PAGE}")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, body BLOB)")
        rows = 3 * STEP_PAGES
        db.execute("BEGIN")
        db.executemany("INSERT INTO t VALUES (?, zeroblob(4000))", [(n,) for n in range(rows)])
        db.execute("COMMIT")
        yield db


def test_a_copy_is_of_one_moment_though_somebody_writes_between_any_two_of_its_steps(
    tmp_path: Path, busy: sqlite3.Connection
) -> None:
    """Without its transaction SQLite would begin anew at each step, and never end."""
    before = busy.execute("SELECT count(*), sum(n) FROM t").fetchone()
    told: list[int] = []

    def write(done: int, _: int) -> None:
        told.append(done)
        busy.execute("UPDATE t SET n = -n - 1 WHERE n = (SELECT max(n) FROM t)")
        assert len(told) < 100, "it ends"

    with closing(Snapshot(tmp_path / "a.db")) as snapshot:
        busy.execute("DELETE FROM t WHERE n < 100")
        snapshot.copy(tmp_path / "b.db", write)
        assert (tmp_path / "b.db").stat().st_size == snapshot.size
    with closing(sqlite3.connect(tmp_path / "b.db")) as copy:
        assert copy.execute("SELECT count(*), sum(n) FROM t").fetchone() == before
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert told == sorted(told)
    assert len(told) == -(-snapshot.size // PAGE // STEP_PAGES)


def test_a_copy_needs_no_file_beside_it_and_can_be_read_where_nobody_can_write(
    tmp_path: Path, busy: sqlite3.Connection
) -> None:
    with closing(Snapshot(tmp_path / "a.db")) as snapshot:
        snapshot.copy(tmp_path / "b.db")
    path = tmp_path / "b.db"
    assert path.stat().st_mode & 0o777 == 0o640
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as copy:
        assert copy.execute("SELECT count(*) FROM t").fetchone() == (3 * STEP_PAGES,)
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        there = {one.name for one in tmp_path.iterdir()}
        assert there == {"a.db", "a.db-wal", "a.db-shm", "b.db"}


def test_what_can_not_be_copied_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"a\.db: no such file"):
        Snapshot(tmp_path / "a.db")
    (tmp_path / "a.db").write_bytes(b"no database, and longer than a header of one would be" * 9)
    with pytest.raises(BadFile, match=r"a\.db: file is not a database"):
        Snapshot(tmp_path / "a.db")
