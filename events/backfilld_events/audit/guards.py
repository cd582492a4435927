"""Whether the file still refuses what the log must never bear: its table, index and triggers.

The one rule: they are held against what the migrations make, statement for statement.
"""

import sqlite3
from contextlib import closing
from importlib import resources

# every trigger of the file: of one, `tbl_name` is as whoever made it spelled that
_SCHEMA = (
    "SELECT type || ' ' || name, sql FROM sqlite_schema"
    " WHERE tbl_name = 'event' COLLATE NOCASE OR type = 'trigger'"
)


def missing(db: sqlite3.Connection) -> list[str]:
    """What of the log's table is gone, changed or added, in words; [] if all is as it was made."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    wanted, found = made(version), schema(db)
    gone = [f"{name} is gone" for name in sorted(wanted.keys() - found.keys())]
    added = [f"{name} was added" for name in sorted(found.keys() - wanted.keys())]
    changed = [
        f"{name} was changed"
        for name in sorted(wanted.keys() & found.keys())
        if wanted[name] != found[name]
    ]
    return gone + changed + added


def schema(db: sqlite3.Connection) -> dict[str, str | None]:
    """What there is of the log's table: kind and name -> the statement that made it."""
    return dict(db.execute(_SCHEMA).fetchall())


def made(version: int) -> dict[str, str | None]:
    """The same, as the first `version` migrations make it."""
    folder = resources.files("backfilld_events.log") / "migrations"
    scripts = sorted(script.name for script in folder.iterdir() if script.name.endswith(".sql"))
    with closing(sqlite3.connect(":memory:")) as db:
        for name in scripts[:version]:
            db.executescript((folder / name).read_text())
        return schema(db)
