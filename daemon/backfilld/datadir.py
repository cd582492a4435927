"""The folder that a daemon works in: one at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class DataDirTaken(Exception):
    """Another daemon works in this data_dir."""


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Holds the data_dir: two writers in one file would be the end of it. Raises DataDirTaken."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        handle = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise DataDirTaken(f"data_dir {folder}: {error.strerror}; may we write there?") from error
    try:
        if os.geteuid() == 0:  # after a command of root's the daemon still wants it
            owner = folder.stat()
            os.fchown(handle, owner.st_uid, owner.st_gid)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise DataDirTaken(f"data_dir {folder}: another backfilld works there") from error
    finally:
        os.close(handle)
