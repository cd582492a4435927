"""The mark that a log does not verify: a file beside it, so that the next start knows it at once.

The one rule: while it is there, a start writes nothing before it has verified all of the log.
"""

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from .known import FILE, Problem

NAME = "log-broken"
_BYTES_MAX = 64 * 2**10


def read(folder: Path) -> Problem | None:
    """The problem that was found last; None: there is no mark."""
    try:
        with (folder / NAME).open("rb") as file:
            text, at = file.read(_BYTES_MAX), os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return None
    except OSError as error:  # it is there
        return Problem(FILE, f"{folder / NAME} is there, and cannot be read: {error}", 0.0)
    try:
        return msgspec.json.decode(text, type=Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Problem(FILE, f"{folder / NAME} is there, and does not say why", at)


def write(folder: Path, problem: Problem) -> None:
    """Makes the mark; it is durable when this returns. Raises OSError; even then there may be one,
    which does not say why: a full disk takes an empty file."""
    path, new = folder / NAME, folder / f"{NAME}.new"
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    try:
        os.write(handle, msgspec.json.encode(problem) + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
        new.replace(path)
        _sync(folder)


def remove(folder: Path) -> None:
    """Takes it away, durably. Raises OSError."""
    with suppress(FileNotFoundError):
        (folder / NAME).unlink()
    _sync(folder)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
