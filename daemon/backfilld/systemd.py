"""Tells systemd how we are, by its datagram (sd_notify(3)). Without systemd it does nothing."""

import os
import socket
import time


def notify(*lines: str) -> None:
    """Sends state lines such as READY=1."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as datagrams:
        datagrams.connect("\0" + path[1:] if path[0] == "@" else path)
        datagrams.sendall("\n".join(lines).encode())


def reloading() -> None:
    """Says that a reload begins; READY=1 ends it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def replaying(position: int) -> None:
    """Says that the start takes longer, and why: the log is folded anew, up to `position`."""
    notify("EXTEND_TIMEOUT_USEC=60000000", f"STATUS=replaying the log, at #{position}")


def verifying(position: int) -> None:
    """Says that the start takes longer, and why: the log is verified, and is right up to there."""
    notify("EXTEND_TIMEOUT_USEC=60000000", f"STATUS=verifying the log, at #{position}")


def watchdog_s() -> float | None:
    """How often systemd wants a sign of life: half the time it would wait. None: not at all."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(microseconds) / 2e6 if microseconds.isdecimal() and ours else None
