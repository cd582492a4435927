"""Child processes: started with a log file, stopped for sure, and what they cost."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import trio

from .. import programs

ROOT: Final = Path(__file__).parents[2]
STOP_S_MAX: Final = 60.0

Child = subprocess.Popen[bytes]


class Failed(Exception):
    """A child did not do what it was started for; the message has the end of its log."""


def python(module: str, *arguments: object) -> list[str]:
    """The command that runs a module of this project."""
    return [sys.executable, "-m", module, *map(str, arguments)]


def own_environment(**more: str) -> dict[str, str]:
    """Ours, without what would change how Tap or the daemon is set up."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TAP_", "BACKFILLD_", "LOG_LEVEL", "RELAY_IDENT", "ATP_PLC"))
    }
    return {**kept, **more}


@contextmanager
def child(
    command: Sequence[str],
    log: Path,
    *,
    talks: bool = False,
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
) -> Iterator[Child]:
    """Runs `command`, and asks it to end at the end. `talks`: its stdin and stdout are ours."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=own_environment() if env is None else env,
            stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
            stdout=subprocess.PIPE if talks else file,
            stderr=file,
        )
    with process:
        try:
            yield process
        finally:
            stop(process)


def stop(process: Child) -> int:
    """SIGTERM, and after a minute SIGKILL; its exit code."""
    process.terminate()
    try:
        return process.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def said(process: Child, log: Path) -> bytes:
    """The first line it says. Raises Failed when it ends without one."""
    assert process.stdout is not None
    if not (line := process.stdout.readline()):
        raise Failed(f"{process.args!r} ended: {tail(log)}")
    return line


def tail(log: Path) -> str:
    """The end of a log."""
    return log.read_bytes()[-2000:].decode(errors="replace")


def cpu_s(process: Child) -> float:
    """Processor seconds it has used so far, in all its threads."""
    stat = Path(f"/proc/{process.pid}/stat")
    if not stat.exists():
        raise programs.Needs("processor seconds are read from /proc: run it on Linux")
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port of loopback nobody has at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def until(
    done: Callable[[], bool], what: str, within_s: float, every_s: float = 0.05
) -> None:
    """Asks again and again. Raises Failed when it does not come to that."""
    with trio.move_on_after(within_s):
        while not done():  # noqa: ASYNC110 - another process sets no event of ours
            await trio.sleep(every_s)
        return
    raise Failed(f"not within {within_s:g} s: {what}")
