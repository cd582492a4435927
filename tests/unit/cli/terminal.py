"""backfillctl as a process of its own, on a terminal or without one."""

import os
import pty
import subprocess
import sys
from typing import Any

from unit.cli.fake_daemon import CTL, FakeDaemon


def command(daemon: FakeDaemon, *args: str) -> list[str]:
    """Its command line."""
    return [sys.executable, "-c", CTL, "--socket", str(daemon.path), *args]


def on_a_terminal(daemon: FakeDaemon, *args: str, **environment: str) -> str:
    """What somebody at a terminal sees of it."""
    ours, theirs = pty.openpty()
    surroundings: dict[str, Any] = {**os.environ, "TERM": "xterm", "COLUMNS": "120", **environment}
    child = subprocess.Popen(
        command(daemon, *args), stdin=theirs, stdout=theirs, stderr=theirs, env=surroundings
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            seen += os.read(ours, 65_536)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    assert child.wait(10) == 0
    return seen.decode()
