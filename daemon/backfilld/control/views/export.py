"""The log in the form of an export, piece by piece.

The one rule: what is sent has verified, row by row; where it does not, the export is not whole.
"""

from collections.abc import AsyncGenerator, Iterator
from typing import Any

from backfilld_events import chain
from backfilld_events.audit import form
from backfilld_events.audit.verify import Broken, Walk, accepted
from backfilld_events.log import read

from .log import LogViews

PIECE_BYTES = 256 * 2**10  # a reader that does not read holds no more than this


class ExportViews(LogViews):
    """The part of the views that knows exports."""

    async def export(self, now: float) -> AsyncGenerator[bytes, None]:
        """The log as it is now (unix seconds). Raises Broken at the first row that is wrong."""
        ends = await self.checkpoint(now)
        head = form.Header(form.FORMAT, ends.origin, ends.position, ends.hash.hex(), ends.at)
        yield head.line
        known = await self._worker(
            lambda: accepted(read.rows(self._events, type_name="service.break-accepted"))
        )
        walk = Walk(0, chain.GENESIS, unseen=0, known=known)
        while walk.position < ends.position:
            yield await self._worker(self._lines, walk, ends.position)
        if walk.hash != ends.hash:
            raise Broken(walk.position, "it is not what it was a moment ago")

    def _lines(self, walk: Walk, upto: int) -> bytes:
        lines: list[bytes] = []

        def rows() -> Iterator[tuple[Any, ...]]:
            size = 0
            for row in read.columns(self._events, walk.position, upto):
                yield row
                lines.append(form.line_of(row))
                size += len(lines[-1])
                if size >= PIECE_BYTES:
                    return

        walk.over(rows())
        if not lines:
            raise Broken(walk.position + 1, "missing")
        return b"".join(lines)
