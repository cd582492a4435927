"""Makes every projection anew from the log, elsewhere, and holds the live ones against them.

The one rule: the live file is only read. A log that grows meanwhile is followed to its end, and
then compared at one moment, so that a daemon at work is never in the way, nor in ours.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from ..codec import UNFIT
from ..log import read
from ..log.file import open_reader, reading
from ..projections import VERSION, Projections, tables
from ..projections.numbers import Mark
from .pace import Pace
from .source import VALUE_BYTES_MAX
from .verify import Broken, checked

EVENTS_AT_ONCE = (
    2_000  # a transaction of the scratch file; for as long the log's old pages are kept
)
DIFFERENCES_MAX = 100  # that are told; all are counted
SHOWN_MAX = 100  # characters of a value, in a sentence

# the column that has the position of an event that is to do with the row
_SAYS_WHERE: Final = {
    "job": "number", "page": "position", "repo": "since", "seen": "observed",
    "collection": "asked", "outing": "position", "emptied": "position", "delivered": "last",
}  # fmt: skip

_SCHEMA: Final = "sqlite_schema"
_TABLES: Final = "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0"  # no views
_OF: Final = {_SCHEMA: f"WHERE lower(tbl_name) IN ({', '.join(map(repr, tables()))})"}
_IN_ORDER: Final = {type(None): 0, int: 1, float: 1, str: 2, bytes: 3}  # as SQLite sorts

# what a fold raises that cannot bear an event; those of a writer it bears, so it is none of its
_DOES_NOT_FOLD: Final = (
    ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError,
    sqlite3.IntegrityError,
)  # fmt: skip

Columns = dict[str, Any]
_Row = tuple[Any, ...]
_PRAGMAS: Final = ("journal_mode=OFF", "synchronous=OFF", "cache_size=-65536", "busy_timeout=5000")


class Difference(Struct, frozen=True):
    """A row that is not as the log says. `live` or `replayed` None: it is not there. `position` is
    that of an event which is to do with the row, if its table has one."""

    table: str
    key: Columns
    live: Columns | None
    replayed: Columns | None
    position: int | None

    @property
    def sentence(self) -> str:
        """What is wrong, for people."""
        name = " ".join([self.table, *(f"{key}={_shown(one)}" for key, one in self.key.items())])
        where = "" if self.position is None else f" (see #{self.position})"
        if self.live is None:
            return f"{name} is missing{where}"
        if self.replayed is None:
            return f"{name} does not follow from the log{where}"
        ours, live = _plain(self.replayed), _plain(self.live)
        wrong = [
            f"{column} is {_shown(live.get(column))}, by the log {_shown(ours.get(column))}"
            for column in {**ours, **live}
            if live.get(column) != ours.get(column)
        ]
        return f"{name}: {', '.join(wrong)}{where}"


class Replayed(Struct, frozen=True):
    """What came of it at `position`: rows compared by table, how many `differ`, and the first of
    them. `version` is that of the live projections: of another than projections.VERSION nothing is
    compared, and None says that there are none. The daemon makes both anew when it starts. `folded`
    is how far the live ones were folded when it began: what they know beyond `position` is gone
    from the log."""

    position: int
    version: int | None
    folded: int
    rows: dict[str, int] = {}
    differ: int = 0
    differences: list[Difference] = []

    @property
    def is_compared(self) -> bool:
        """Whether there was something to compare."""
        return self.version == VERSION


def replay(
    path: Path, scratch: str = "", progress: Callable[[int], None] = lambda _: None
) -> Replayed:
    """Compares the projections in the log at `path`. `scratch`: a new file for those made anew, or
    ":memory:"; "": a file that SQLite removes. Raises BadFile, and Broken where nothing
    follows from an event."""
    with closing(open_reader(path)) as live:
        version, secret, position = _standing(live)
    if version != VERSION:
        return Replayed(position, version, position)
    with closing(sqlite3.connect(scratch, isolation_level=None, uri=True)) as db:
        for pragma in _PRAGMAS:
            db.execute(f"PRAGMA {pragma}")
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX)
        projections = Projections(db)
        db.execute("BEGIN")
        projections.begin(secret)
        db.execute("COMMIT")
        db.execute("ATTACH ? AS live", (reading(path),))
        pace = Pace(db, "live")
        while _fold(db, projections, EVENTS_AT_ONCE) == EVENTS_AT_ONCE:
            progress(projections.state.position)
            db.execute("COMMIT")
            pace.rest()
        # the transaction is still open: what is compared is what was folded
        return _compared(db, projections.state.position, position)


def _standing(live: sqlite3.Connection) -> tuple[int | None, bytes, int]:
    """(version, the numbers' secret, position) of the live projections."""
    known = {name for (name,) in live.execute("SELECT name FROM pragma_table_info('folded')")}
    is_table = live.execute(f"{_TABLES} AND name = 'folded'").fetchone()
    query = "SELECT CAST(name AS TEXT), CAST(value AS BLOB) FROM folded WHERE value IS NOT NULL"
    folded = dict(live.execute(query)) if is_table and known == {"name", "value"} else {}
    try:
        version = msgspec.msgpack.decode(folded.get("version", b"\xc0"), type=int | None)
        mark = msgspec.msgpack.decode(folded.get("numbers", b"\x90"), type=Mark)
        position = msgspec.msgpack.decode(folded.get("position", b"\x00"), type=int)
    except UNFIT:
        return None, b"", 0
    return version, mark.secret, position


def _fold(db: sqlite3.Connection, projections: Projections, limit: int) -> int:
    """Opens a transaction and folds that many more events, if there are; how many it were."""
    db.execute("BEGIN")
    count = 0
    for row in checked(read.rows(db, projections.state.position, limit=limit)):
        try:
            projections.fold(row, row.event)
        except _DOES_NOT_FOLD as error:
            what = f"nothing follows from it: {type(error).__name__}: {error}"
            raise Broken(row.position, what) from error
        count += 1
    projections.close_append()
    return count


def _compared(db: sqlite3.Connection, position: int, folded: int) -> Replayed:
    rows: dict[str, int] = {}
    found: list[Difference] = []
    differ = 0
    wanted = set(tables())
    here = {name for (name,) in db.execute(_TABLES.replace("FROM ", "FROM live."))}
    db.text_factory = lambda raw: raw.decode(errors="replace")  # what is none differs in any case
    for table in [_SCHEMA, *sorted(wanted & here)]:
        columns, keys = _columns(db, table)
        if not _has(db, table, columns):
            continue  # another table of that name: the schema differs, and that is told
        order = ", ".join(keys)
        select = (
            f"SELECT {', '.join(columns)} FROM %s.{table} {_OF.get(table, '')} ORDER BY {order}"
        )
        ours, live = db.execute(select % "main"), db.execute(select % "live")
        rows[table] = 0
        for one, other in _pairs(ours, live, [columns.index(key) for key in keys]):
            rows[table] += 1
            if one != other:
                differ += 1
                if len(found) < DIFFERENCES_MAX:
                    found.append(_difference(table, columns, keys, one, other))
    del rows[_SCHEMA]
    return Replayed(position, VERSION, folded, rows, differ, found)


def _columns(db: sqlite3.Connection, table: str) -> tuple[list[str], list[str]]:
    """(the names of the columns, those that are the key)."""
    if table == _SCHEMA:
        return ["name", "tbl_name", "sql"], ["name"]
    rows = db.execute(f"SELECT name, pk FROM pragma_table_info('{table}', 'main')").fetchall()
    keys = sorted((pk, name) for name, pk in rows if pk)
    return [name for name, _ in rows], [name for _, name in keys]


def _has(db: sqlite3.Connection, table: str, columns: Sequence[str]) -> bool:
    found = db.execute(f"SELECT name FROM pragma_table_info('{table}', 'live')")
    return table == _SCHEMA or {name for (name,) in found}.issuperset(columns)


def _pairs(
    ours: sqlite3.Cursor, live: sqlite3.Cursor, keys: Sequence[int]
) -> Iterator[tuple[_Row | None, _Row | None]]:
    """The rows of both, which are in the order of their keys, side by side; None: none has it."""

    def key(row: _Row) -> list[Any]:
        return [(_IN_ORDER[type(row[at])], row[at] if row[at] is not None else 0) for at in keys]

    one, other = next(ours, None), next(live, None)
    while one is not None or other is not None:
        if one is not None and other is not None and one != other:
            if key(one) < key(other):
                yield one, None
                one = next(ours, None)
                continue
            if key(other) < key(one):
                yield None, other
                other = next(live, None)
                continue
        yield one, other
        one, other = next(ours, None), next(live, None)


def _difference(
    table: str, columns: Sequence[str], keys: Sequence[str], ours: _Row | None, live: _Row | None
) -> Difference:
    replayed = None if ours is None else dict(zip(columns, ours, strict=True))
    found = None if live is None else dict(zip(columns, live, strict=True))
    one = replayed or found or {}
    where = one.get(_SAYS_WHERE.get(table, ""))
    position = where if isinstance(where, int) else None
    return Difference(table, {key: one[key] for key in keys}, found, replayed, position)


def _plain(columns: Columns) -> Columns:
    """The columns, with the fields of a fold that stands in one of them as columns of their own."""
    plain: Columns = {}
    for name, value in columns.items():
        fields = _fields(value) if isinstance(value, bytes) else None
        plain |= (
            {name: value} if fields is None else {f"{name}.{one}": fields[one] for one in fields}
        )
    return plain


def _fields(value: bytes) -> Columns | None:
    try:
        found = msgspec.msgpack.decode(value)
    except UNFIT:
        return None
    return found if isinstance(found, dict) and all(isinstance(key, str) for key in found) else None


def _shown(value: Any) -> str:
    text = _hex(value) if isinstance(value, bytes) else str(value)
    return f"{text[:SHOWN_MAX]}…" if len(text) > SHOWN_MAX else text


def _hex(value: bytes) -> str:
    """As it is, but for what folds keep as a number alone."""
    try:
        return str(msgspec.msgpack.decode(value, type=int))
    except UNFIT:
        return value.hex()
