"""A new file that is there whole and durable, or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..log.file import BadFile

_BESIDE = ("-wal", "-shm", "-journal")  # SQLite would take one that is left for a new file's own


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Gives another name, `path` with `.partial`. What the block leaves there becomes `path` in the
    end; if it raises, nothing is left. Raises BadFile, also for a `path` that exists."""
    partial = path.with_name(f"{path.name}.partial")
    for one in (path, *(_beside(path, end) for end in _BESIDE)):
        if one.exists():
            raise BadFile(f"{one}: it is there already; name a new file")
    if partial.exists():
        raise BadFile(f"{partial}: left by a try that did not come to its end; remove it")
    try:
        yield partial
        _durable(partial)
        partial.rename(path)
        _durable(path.parent)
    except OSError as error:
        _removed(partial)
        raise BadFile(f"{path}: {error.strerror}") from error
    except BaseException:
        _removed(partial)
        raise


def _beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


def _durable(path: Path) -> None:
    at = os.open(path, os.O_RDONLY)
    try:
        os.fsync(at)
    finally:
        os.close(at)


def _removed(partial: Path) -> None:
    for end in ("", *_BESIDE):
        _beside(partial, end).unlink(missing_ok=True)
