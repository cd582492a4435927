"""Keeps lines that say where the log stands: in a file elsewhere, and in the journal.

The one rule: of the file only the end is ever written, a whole line at a time. What is torn there,
by a crash or a full disk, stays as a line of its own, and no checkpoint is read from it. An error
of that file is told, and ends nothing.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import structlog
import trio

from backfilld_events.audit.checkpoint import Checkpoint, found_in, origin
from backfilld_events.row import utc_text

from ..clock import Clock
from ..config.keys import LogConfig
from ..journal import Journal
from ..worker import Worker
from .due import due
from .known import Kept, Verification

MODE = 0o640
LAST_BYTES = 64 * 2**10  # the checkpoints of some two weeks, one an hour
ALL_BYTES = 16 * 2**20  # of ten years

# O_NOFOLLOW: a link may lead to a file of ours; O_NONBLOCK: a pipe would keep us waiting
_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_APPENDING = os.O_RDWR | os.O_APPEND | _SAFELY


def append(path: Path, line: str) -> None:
    """Adds a line to a file, made if missing; it is durable when this returns. Raises OSError."""
    try:
        handle, is_new = os.open(path, _APPENDING | os.O_CREAT | os.O_EXCL, MODE), True
    except FileExistsError:
        handle, is_new = os.open(path, _APPENDING), False
    try:
        if is_new:
            os.fchmod(handle, MODE)  # our umask may be narrower: whoever keeps copies reads it
        size = _size(path, handle)
        is_torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        data = f"{chr(10) * is_torn}{line}\n".encode()
        if os.write(handle, data) != len(data):
            raise OSError(f"{path}: only a part of the line could be written")
        os.fsync(handle)
    finally:
        os.close(handle)


def last(path: Path, bytes_max: int = LAST_BYTES) -> list[Checkpoint]:
    """The checkpoints at the end of a file; none if there is no file. Raises OSError."""
    try:
        handle = os.open(path, os.O_RDONLY | _SAFELY)
    except FileNotFoundError:
        return []
    try:
        size = _size(path, handle)
        text = os.pread(handle, bytes_max, max(0, size - bytes_max)).decode(errors="replace")
    finally:
        os.close(handle)
    return [one for _, one in found_in(text.splitlines()) if one is not None]


def _size(path: Path, handle: int) -> int:
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(f"{path} is no file")
    return found.st_size


class Checkpoints:
    """Makes them as long as `run` runs; `make` makes one more."""

    def __init__(
        self,
        known: Verification,
        journal: Journal,
        worker: Worker,
        config: Callable[[], LogConfig],
        clock: Clock,
    ) -> None:
        self._known, self._journal, self._worker = known, journal, worker
        self._config, self._clock = config, clock
        self._file = config().checkpoint_file
        self._log = structlog.get_logger("log")

    async def run(self) -> None:
        """At the start and then at intervals, until cancelled."""
        while True:
            made = trio.current_time()
            await self.make()
            await due(made, lambda: self._config().checkpoint_every, trio.Event())

    async def make(self) -> None:
        """Makes one, if the log has moved since the last that was kept. None of a log that does not
        verify: it would be proof of something wrong."""
        head, kept = self._journal.head, self._known.checkpoint
        is_kept = head.position == kept.position and not kept.fault
        is_wanted = self._config().checkpoint_every > 0
        if not is_wanted or not head.position or is_kept or self._journal.frozen:
            return
        now = self._clock()
        one = Checkpoint(origin(head.first), head.position, head.hash, utc_text(now))
        self._log.info("checkpoint", line=one.line)
        fault = await self._write(one.line) if self._file else ""
        self._known.checkpoint = Kept(one.position, one.line, now, fault)

    async def _write(self, line: str) -> str:
        try:
            await self._worker(append, Path(self._file), line)
        except OSError as error:
            fault = f"{self._file} cannot be written: {error.strerror or error}"
            self._log.warning("the checkpoint is not kept", reason=fault)
            return fault
        return ""
