"""Opens SQLite files the way every file of ours is opened.

The one rule: per file one connection writes and checkpoints, readers open read-only. That shuts
out SQLite's WAL-reset fault (3.7.0 to 3.51.2), which needs two writers or checkpointers.
"""

import sqlite3
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

APPLICATION_ID = 0x62666C64  # "bfld": `file events.db` tells what it is
SQLITE_MIN = (3, 37, 0)  # STRICT tables

_PRAGMAS = (
    "foreign_keys=ON",
    "busy_timeout=5000",
    "trusted_schema=OFF",
    "cell_size_check=ON",
    "temp_store=MEMORY",
    "mmap_size=0",
)
_WRITER_PRAGMAS = (
    "page_size=16384",
    # KiB; bounds our memory, the kernel caches the rest. After page_size: in a new file SQLite
    # counts the cache in pages of the size before
    "cache_size=-32768",
    "journal_mode=WAL",
    "synchronous=FULL",
    "journal_size_limit=67108864",
    "wal_autocheckpoint=4000",
)

_READER_PRAGMAS = ("cache_size=-4096", "wal_autocheckpoint=0")


class BadFile(Exception):
    """The file is not what it should be; the message says what is so and what to do."""


def open_writer(path: Path, package: str) -> sqlite3.Connection:
    """The one writing connection of `path`, made if missing, brought to the newest schema.

    `package` holds the schema: `migrations/NNNN_*.sql`, applied in order, each in a transaction
    with its number in `user_version`. Raises BadFile for a file of something else or of a newer
    version.
    """
    if sqlite3.sqlite_version_info < SQLITE_MIN:
        raise BadFile(f"SQLite {sqlite3.sqlite_version} is too old; 3.37 or newer is needed")
    try:
        connection = _connect(f"file:{_quoted(path)}", _PRAGMAS + _WRITER_PRAGMAS)
        _migrate(connection, path, package)
    except sqlite3.DatabaseError as error:
        raise BadFile(f"{path}: {error}") from error
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write and never checkpoints. Raises BadFile."""
    if not path.is_file():
        raise BadFile(f"{path}: no such file")
    try:
        connection = _connect(reading(path), (*_PRAGMAS, *_READER_PRAGMAS))
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.DatabaseError as error:
        raise BadFile(f"{path}: {error}") from error
    return connection


def reading(path: Path) -> str:
    """How SQLite is told to open this file and never to write it: for ATTACH, too."""
    return f"file:{_quoted(path)}?mode=ro"


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _connect(uri: str, pragmas: Sequence[str]) -> sqlite3.Connection:
    # a connection serves one thread at a time (its owner sees to that), not always the same one
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _migrate(connection: sqlite3.Connection, path: Path, package: str) -> None:
    folder = resources.files(package) / "migrations"
    scripts = sorted(script.name for script in folder.iterdir() if script.name.endswith(".sql"))
    (known,) = connection.execute("PRAGMA user_version").fetchone()
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if owner != APPLICATION_ID and tables:
        raise BadFile(f"{path}: a SQLite file of something else; choose another data_dir")
    if known > len(scripts):
        raise BadFile(
            f"{path}: schema {known} is newer than this version knows ({len(scripts)}); "
            "run the newer backfilld again, or restore the backup made before it"
        )
    for number, name in enumerate(scripts[known:], known + 1):
        connection.executescript(
            f"BEGIN IMMEDIATE; {(folder / name).read_text()}"
            f"; PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={number}; COMMIT"
        )
