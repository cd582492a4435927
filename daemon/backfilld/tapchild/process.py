"""A program that we run: begun in the main thread, waited for and ended by its pidfd.

The one rule: it has a session of its own, and everything in it is gone when `end` returns. Not
trio's processes: those are forked in a thread that may end before them, and with it they would
(`launch`). A pidfd (pidfd_open(2)) is readable when its process has ended, and never means another
one that has got the same number.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import trio

from . import launch

CHUNK_BYTES = 8_192  # with a short line in every few bytes a few milliseconds of work


class Process:
    """A child; `output` is what it says, on its standard output and error."""

    def __init__(self, popen: subprocess.Popen[bytes], output: int) -> None:
        self._popen, self.pid = popen, popen.pid
        self._pidfd = os.pidfd_open(popen.pid)
        self.output = trio.lowlevel.FdStream(output)

    @classmethod
    def begin(cls, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Self:
        """Starts it, in `folder`. It blocks for a moment. Raises OSError."""
        program = shutil.which(command[0])
        if program is None:
            raise FileNotFoundError(2, "there is no such program", command[0])
        ours, theirs = os.pipe2(os.O_CLOEXEC)
        try:
            popen = subprocess.Popen(  # noqa: S603 - the command is the operator's
                [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()),
                 str(Path(program).absolute()), *command[1:]],
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        except OSError:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        return cls(popen, ours)

    async def ended(self) -> None:
        """Returns when it has ended."""
        await trio.lowlevel.wait_readable(self._pidfd)

    async def end(self, within_s: float) -> int:
        """Ends it, if it has not ended: SIGTERM, and SIGKILL after `within_s`, for it and what it
        has started. Its exit code, or minus the signal that ended it."""
        try:
            # until it is waited for its number is its own, and so is that of its group
            await ended_within(self._pidfd, self._tell, within_s)
            self._tell(signal.SIGKILL)
        finally:
            os.close(self._pidfd)
        return self._popen.wait()

    def _tell(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


async def ended_within(pidfd: int, tell: Callable[[int], None], within_s: float) -> None:
    """Has a process ended by SIGTERM, or after `within_s` by SIGKILL. `tell` sends a signal."""
    tell(signal.SIGTERM)
    with trio.move_on_after(within_s) as waiting:
        await trio.lowlevel.wait_readable(pidfd)
    if waiting.cancelled_caught:
        tell(signal.SIGKILL)
        await trio.lowlevel.wait_readable(pidfd)
