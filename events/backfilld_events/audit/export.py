"""Writes a log as an export (form.py), in bounded memory; its writer may go on meanwhile.

The one rule: each row is verified as it is written, so that an export of a broken log cannot pass
for a whole one; what is exported as it stands says so in its first line.
"""

import sqlite3
from collections import deque
from collections.abc import Iterator
from typing import Any, BinaryIO

from .. import chain
from ..log.file import BadFile
from .checkpoint import origin
from .form import FORMAT, BadLine, Flaw, Header, line_of
from .source import Source
from .verify import Broken, Walk, accepted
from .whole import verify_source


def export(source: Source, file: BinaryIO, at: str, *, broken: bool = False) -> Header:
    """Writes all up to where the log stands now, and says what its first line says. `at`: the time,
    as text. `broken`: if it does not verify, the rows as they stand. Raises Broken and BadFile."""
    upto = source.upto()
    hashes = source.hashes({1, upto})
    header = Header(
        FORMAT,
        origin(hashes.get(1, b"")),
        upto,
        hashes.get(upto, chain.GENESIS).hex(),
        at,
        _flaw(source) if broken else None,
    )
    file.write(header.line)
    rows = _written(source.columns(None, upto), file)
    if header.broken is not None:
        _as_it_stands(source, rows)
    else:
        known = accepted(source.of_type("service.break-accepted"))
        Walk(0, chain.GENESIS, unseen=0, known=known).over(rows)
    return header


def _written(rows: Iterator[tuple[Any, ...]], file: BinaryIO) -> Iterator[tuple[Any, ...]]:
    """The rows; each is written when the next is asked for."""
    for row in rows:
        yield row
        try:
            file.write(line_of(row))
        except BadLine as error:
            raise Broken(row[0], f"it cannot be exported: {error}") from error


def _flaw(source: Source) -> Flaw | None:
    try:
        verify_source(source)
    except Broken as broken:
        return Flaw(broken.position, broken.what)
    return None


def _as_it_stands(source: Source, rows: Iterator[tuple[Any, ...]]) -> None:
    try:
        deque(rows, maxlen=0)
    except sqlite3.DatabaseError as error:
        raise BadFile(
            f"{source.path}: a row cannot even be read, so keep the file itself: {error}"
        ) from error
