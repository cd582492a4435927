"""An export of a log as a Source: read again for each question, line by line.

The one rule: a line that is not what it should be is a row that does not verify, at the position
that it should have; and no reading comes to its end unless the end is where the first line says.
"""

from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Self

from .. import chain
from ..log.file import BadFile
from ..row import Row
from . import form
from .checkpoint import origin
from .form import LINE_BYTES_MAX, BadLine
from .verify import Broken

BEGINS = b'{"format":'  # every export, of whatever version
_Lines = Iterator[tuple[int, bytes]]


class Export:
    """The rows of an export. Methods raise BadFile and Broken."""

    def __init__(self, path: Path) -> None:
        """Reads its first line. Raises BadFile."""
        self.path = path
        try:
            self.header = form.header(next((line for _, line in self._lines()), b""))
        except BadLine as error:
            raise BadFile(f"{path}: line 1: {error}") from error

    def upto(self) -> int:
        """See Source."""
        return self.header.position

    def columns(self, after: int | None, upto: int) -> Iterator[tuple[Any, ...]]:
        """See Source."""
        said, position, first, last = self.header, None, b"", chain.GENESIS
        for number, line in islice(self._lines(), 1, None):
            row = _row(number, line)
            at = row[0]
            if position is not None and at <= position:
                raise Broken(number - 1, f"line {number} is event {at}, after event {position}")
            if at > said.position:
                what = f"the first line says that the export ends with event {said.position}"
                raise Broken((position or 0) + 1, what)
            if at > upto:
                return
            position, last = at, row[9]
            if at == 1:
                first = last
            if after is None or at > after:
                yield row
        self._ended(position or 0, first, last)

    def _ended(self, position: int, first: bytes, last: bytes) -> None:
        """Whether the rows were those that the first line speaks of."""
        said = self.header
        if position < said.position:
            what = f"missing; the first line says that the export goes to event {said.position}"
            raise Broken(position + 1, what)
        if last.hex() != said.hash:
            raise Broken(position, f"the first line says that its hash is {said.hash}")
        if origin(first) != said.origin:
            raise Broken(1, f"the first line says that the log's origin is {said.origin!r}")

    def of_type(self, name: str) -> Iterator[Row]:
        """See Source."""
        held = b'"type":"%b"' % name.encode()
        for number, line in self._lines():
            if number > 1 and held in line:
                with suppress(BadLine):
                    row = Row(*form.columns_of(line))
                    if row.type == name:
                        yield row

    def hashes(self, positions: Collection[int]) -> dict[int, bytes]:
        """See Source."""
        return {row[0]: row[9] for row in self.columns(None, self.upto()) if row[0] in positions}

    def _lines(self) -> _Lines:
        """The lines, from number 1 on. What is too long ends without its end."""
        try:
            with self.path.open("rb") as file:
                yield from enumerate(iter(lambda: file.readline(LINE_BYTES_MAX + 1), b""), 1)
        except OSError as error:
            raise BadFile(f"{self.path}: {error.strerror}") from error

    def close(self) -> None:
        """See Source."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self.close()


def _row(number: int, line: bytes) -> tuple[Any, ...]:
    try:
        return form.columns_of(line)
    except BadLine as error:
        raise Broken(number - 1, f"line {number}: {error}") from error
