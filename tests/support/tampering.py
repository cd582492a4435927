"""Changes a log as somebody does who has its file and a plain SQLite."""

import sqlite3
from contextlib import closing
from pathlib import Path

from backfilld_events import chain
from backfilld_events.row import COLUMNS


def tampered(path: Path, *statements: str, relink: bool = False) -> None:
    """The triggers are dropped, and made again so that nothing shows. `relink`: the whole chain is
    made anew, by somebody who knows how."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        triggers = db.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'event'"
        ).fetchall()
        db.execute("BEGIN IMMEDIATE")
        for name, _ in triggers:
            db.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            db.execute(statement)
        if relink:
            previous = chain.GENESIS
            for row in db.execute(f"SELECT {COLUMNS} FROM event ORDER BY position").fetchall():
                previous = chain.link(previous, row[:9])
                db.execute("UPDATE event SET hash = ? WHERE position = ?", (previous, row[0]))
        for _, sql in triggers:
            db.execute(sql)
        db.execute("COMMIT")


def ended_at(path: Path) -> tuple[int, bytes]:
    """The last position of a log, and the hash there."""
    with closing(sqlite3.connect(path)) as db:
        found = db.execute("SELECT position, hash FROM event ORDER BY position DESC LIMIT 1")
        position, own = found.fetchone()
        return int(position), bytes(own)
