"""What backfill-audit prints, and how it ends."""

import json
import sys
from pathlib import Path
from typing import Any, Final

OK: Final = 0
USAGE: Final = 2  # no such file, not a log, a wrong option
NOT_FOUND: Final = 5  # no such account, job or event
NO: Final = 7  # the honest answer is no: two logs differ
BROKEN: Final = 8  # the log does not verify, or what follows from it is not so: the index, too


def out(line: str) -> None:
    """A line of the answer."""
    print(line)


def err(line: str) -> None:
    """A line that is not the answer: an error, progress, a warning."""
    print(line, file=sys.stderr)


def data(value: Any) -> None:
    """A line of JSON."""
    print(json.dumps(value, ensure_ascii=False))


def read(name: str) -> str:
    """A text file's contents; `-` is standard input. Raises OSError, UnicodeDecodeError."""
    return sys.stdin.read() if name == "-" else Path(name).read_text()
