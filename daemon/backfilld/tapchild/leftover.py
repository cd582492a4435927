"""A Tap that a killed daemon left behind: it would hold the port and the database.

The one rule: only what is certainly ours is ended: the number that we wrote down, of a process that
started when ours did.
"""

import os
import signal
from contextlib import suppress
from pathlib import Path

import trio

from . import proc
from .process import ended_within

NAME = "tap.pid"


def note(folder: Path, pid: int) -> None:
    """Writes down which process is ours now."""
    seen = proc.look(pid)
    if seen is not None:
        draft = folder / f"{NAME}.new"
        draft.write_text(f"{pid} {seen.started}\n")
        draft.replace(folder / NAME)


def forget(folder: Path) -> None:
    """None is ours any more."""
    (folder / NAME).unlink(missing_ok=True)


async def end(folder: Path, within_s: float) -> int | None:
    """Ends the one that was left, as process.ended_within; its number, None: there was none."""
    try:
        pid, started = map(int, (folder / NAME).read_text().split())
        pidfd = os.pidfd_open(pid)
    except (OSError, ValueError):
        return None
    try:
        seen = proc.look(pid)  # after its pidfd, so that it is the same one
        if seen is None or seen.started != started:
            return None

        def tell(number: int) -> None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, number)

        with trio.CancelScope(shield=True):
            await ended_within(pidfd, tell, within_s)
        return pid
    finally:
        os.close(pidfd)
