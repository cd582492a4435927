"""The folder of a backup: made beside its place, and put there when it is whole.

The one rule: what stands under its name is whole, whenever the power fails. Until then it is called
NAME.partial; what does not verify ends as NAME.broken, for it is evidence.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MODE = 0o750
LOG, INDEX, CHECKPOINT = "events.db", "records.db", "checkpoint"
_OURS = frozenset(
    name + end for name in (LOG, INDEX, CHECKPOINT) for end in ("", "-journal", "-wal", "-shm")
)


class Unfit(Exception):
    """No backup can be made there; the message says why, `hint` what to do."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


class Folder:
    """A backup that is being made: files go into `path`, and `finish` or `fail` ends it."""

    def __init__(self, target: Path) -> None:
        self.target, self.broken = target, target.with_name(f"{target.name}.broken")
        self.path = target.with_name(f"{target.name}.partial")

    @property
    def free(self) -> int:
        """Bytes that we may still write there."""
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def write(self, name: str, line: str) -> None:
        """Writes a line as a file, durably. Raises OSError."""
        with (self.path / name).open("x") as file:
            os.fchmod(file.fileno(), 0o640)
            file.write(f"{line}\n")
            file.flush()
            os.fsync(file.fileno())

    def finish(self) -> None:
        """It is whole. Durable when this returns. Raises OSError."""
        self._becomes(self.target)

    def fail(self) -> None:
        """It does not verify, and is kept under a name that says so. Raises OSError."""
        self._becomes(self.broken)

    def _becomes(self, path: Path) -> None:
        _sync(self.path)
        self.path.rename(path)
        _sync(path.parent)


@contextmanager
def begun(target: Path) -> Iterator[Folder]:
    """A folder for a backup that is to be at `target`. Whatever ends this before the folder has
    its name, nothing stays of it. Raises Unfit."""
    folder = Folder(target)
    _look(folder)
    try:
        folder.path.mkdir(MODE, exist_ok=True)
        handle = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Unfit(f"{folder.path}: {error.strerror}", "choose another place") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Unfit(f"{folder.path}: a backup is being made there", "wait for it") from error
        try:
            _clear(folder.path)
            os.fchmod(handle, MODE)  # our umask may be narrower
            yield folder
        finally:
            if folder.path.is_dir():
                _clear(folder.path)
                folder.path.rmdir()
    finally:
        os.close(handle)


def _look(folder: Folder) -> None:
    target = folder.target
    if not target.parent.is_dir():
        raise Unfit(f"{target.parent}: there is no such folder", "make it, or mount it")
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise Unfit(f"{target} is there, and is no folder", "name one that is not there yet")
    if target.is_dir() and any(target.iterdir()):
        raise Unfit(f"{target} is there, and not empty", "name a folder that is not there yet")
    if folder.broken.exists():
        raise Unfit(
            f"{folder.broken} is there: an earlier backup did not verify",
            "look at it, and move it away; docs/backup.md says what to do",
        )


def _clear(path: Path) -> None:
    """Removes what an earlier backup left there, that was killed, and nothing else."""
    for one in path.iterdir():
        if one.name not in _OURS:
            raise Unfit(f"{one} is there, and is not ours", "move it away")
        one.unlink()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
