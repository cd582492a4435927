"""Checkpoints: one line that says where a log stood. Kept elsewhere, it shows later that a tail was
cut off or the chain made anew, which the log alone cannot show. Pure.

    backfilld-log 1 ORIGIN POSITION HASH TIME

ORIGIN is the beginning of the first event's hash: it tells one log from another. HASH is that of
the event at POSITION, which covers all before it. TIME (RFC 3339, UTC) is when the line was made.
"""

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

ORIGIN_CHARS = 16
_LINE = re.compile(
    r"\bbackfilld-log 1 ([0-9a-f]{16}) ([1-9][0-9]{0,17}) ([0-9a-f]{64})"
    r" ([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}Z)(?![0-9A-Za-z])"
)


class Checkpoint(Struct, frozen=True):
    """Where a log stood. `hash` has 32 bytes, `at` is text."""

    origin: str
    position: int
    hash: bytes
    at: str

    @property
    def line(self) -> str:
        """The line, without its end."""
        return f"backfilld-log 1 {self.origin} {self.position} {self.hash.hex()} {self.at}"


def origin(first: bytes) -> str:
    """The origin of a log whose first event has this hash."""
    return first.hex()[:ORIGIN_CHARS]


def found_in(lines: Iterable[str]) -> Iterator[tuple[int, Checkpoint | None]]:
    """(number of the line from 1 on, its checkpoint) of every line that is not blank; None: it
    holds none. What stands around one does not matter: mails and journals add to it."""
    for number, text in enumerate(lines, 1):
        if text.strip():
            found = _LINE.search(text)
            yield (
                number,
                None
                if found is None
                else Checkpoint(found[1], int(found[2]), bytes.fromhex(found[3]), found[4]),
            )
