"""Becomes a program that ends when the daemon does. Run as a script, by a Python without sites.

The one rule: what must be set in a child is set here, after its exec: between fork and exec a
process with threads may do next to nothing, so no preexec_fn. The kernel sends the signal when the
*thread* ends that forked (prctl(2), PR_SET_PDEATHSIG), so that must be the main one.

SIGPIPE stays ignored, as Python has it: a Tap whose daemon is gone ends in order, by the signal,
and not in the middle of that by a line which nobody reads.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def become(parent: int, command: list[str]) -> None:
    """Becomes `command`, a child of the process `parent`. Ends with 127 when it cannot be run."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it ended before it could be waited for
        os._exit(128 + signal.SIGTERM)
    os.environ.pop("LC_CTYPE", None)  # Python puts it there by itself (PEP 538)
    try:
        os.execv(command[0], command)  # noqa: S606 - no shell is wanted
    except OSError as error:
        os.write(2, f"{command[0]} cannot be run: {error.strerror}\n".encode())
        os._exit(127)


if __name__ == "__main__":
    become(int(sys.argv[1]), sys.argv[2:])
