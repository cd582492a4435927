"""What the kernel tells of a process, in /proc (proc_pid_stat(5), proc_pid_statm(5))."""

import os
from pathlib import Path
from typing import NamedTuple

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS_S = os.sysconf("SC_CLK_TCK")
_UTIME, _STIME, _STARTED = 11, 12, 19  # places after the name, which may hold anything


class Seen(NamedTuple):
    """A process: when it started, in ticks since the machine did; its memory in use, and how long
    it kept a processor busy, in seconds. With the number of the process `started` tells it from
    every other that has that number."""

    started: int
    memory_bytes: int
    cpu_s: float


def look(pid: int) -> Seen | None:
    """The process; None: there is none, or it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        statm = Path(f"/proc/{pid}/statm").read_text()
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()
    if fields[0] in ("Z", "X"):
        return None
    return Seen(
        int(fields[_STARTED]),
        int(statm.split()[1]) * _PAGE_BYTES,
        (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS_S,
    )
