"""How commands speak: answers to stdout, everything else to stderr. The only place that prints."""

import sys

# exit codes, the same for every command
OK = 0
UNEXPECTED = 1
USAGE = 2
UNREACHABLE = 3
NOT_PERMITTED = 4
NOT_FOUND = 5
REFUSED = 6
HONEST_NO = 7
BROKEN_LOG = 8
TIMED_OUT = 9
INTERRUPTED = 130


def out(text: str) -> None:
    """An answer."""
    print(text, flush=True)  # noqa: T201 - the one place


def raw(data: bytes) -> None:
    """A part of an answer that is no line for people."""
    sys.stdout.buffer.write(data)


def passing(text: str) -> None:
    """Progress on a terminal, in a line that the next one takes; elsewhere nothing."""
    if sys.stderr.isatty():
        print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)  # noqa: T201 - the one place


def err(text: str) -> None:
    """Progress, a warning, an error."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the one place
