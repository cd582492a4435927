"""What backfill-audit prints, and how it ends."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec

OK: Final = 0
USAGE: Final = 2  # no such file, not a log, a wrong option
NOT_FOUND: Final = 5  # no such account, job or event
NO: Final = 7  # the honest answer is no: two logs differ
BROKEN: Final = 8  # the log does not verify, or what follows from it is not so: the index, too

PROGRESS_S = 0.5  # between two words of it
LINE_BYTES_MAX = 64 * 2**10  # what is longer comes in pieces

# whoever can write a log can have a line begin anew in it, or have a terminal do what it says
_SHOWN: Final = {one: f"\\x{one:02x}" for one in (*range(32), *range(127, 160))}
_LINES_SHOWN: Final = {one: text for one, text in _SHOWN.items() if one != ord("\n")}


def out(line: str) -> None:
    """A line of the answer. Control characters are written out."""
    print(line.translate(_SHOWN))


def err(lines: str) -> None:
    """What is not the answer: an error, a warning."""
    print(lines.translate(_LINES_SHOWN), file=sys.stderr)


def data(value: Any) -> None:
    """A line of JSON; bytes are base64, and a number that is none is null."""
    print(msgspec.json.encode(value).decode())


@contextmanager
def progress(what: str, to: TextIO | None = None) -> Iterator[Callable[[int], None]]:
    """What is to be called with positions: a terminal on stderr (or `to`) shows them, twice a
    second at most, in a line that is gone in the end; nothing else is told of them."""
    file = sys.stderr if to is None else to
    is_seen, said = file.isatty(), 0.0

    def tell(position: int) -> None:
        nonlocal said
        now = time.monotonic()
        if is_seen and now - said >= PROGRESS_S:
            said = now
            print(f"\r{what}, at #{position:,}", end="", file=file, flush=True)

    try:
        yield tell
    finally:
        if said:
            print("\r\x1b[K", end="", file=file, flush=True)


def lines_of(name: str) -> Iterator[str]:
    """The lines of a file, in memory that does not grow with it; `-` is standard input. What is no
    UTF-8 is read as far as it is. Raises OSError."""
    with nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb") as file:
        while line := file.readline(LINE_BYTES_MAX):
            yield line.decode(errors="replace")
