"""Why nobody can be reached at a socket: it is not there, not ours, or not ready yet."""

import getpass
import grp
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_START = "systemctl start backfilld, or backfilld run --config FILE"
PROC = Path("/proc")


class Unreachable(Exception):
    """Nobody answers; `hint` says what to do, `code` is a stable word."""

    def __init__(self, error: str, hint: str, code: str = "unreachable") -> None:
        super().__init__(error)
        self.hint, self.code = hint, code


class NotPermitted(Unreachable):
    """The daemon is there, and we may not use it."""


def socket_failed(path: str, error: OSError) -> Unreachable:
    """What a failed dial means, and the way out."""
    match error:
        case FileNotFoundError():
            what = f"there is no socket {path}"
        case ConnectionRefusedError():
            what = f"nobody answers at {path}"
        case PermissionError():
            return NotPermitted(
                f"cannot reach backfilld: permission denied on {path}", _who_may(path),
                "not-permitted",
            )  # fmt: skip
        case _:
            what = f"{path}: {error.strerror or error}"
    if (pid := next(_daemons(), None)) is not None:
        return Unreachable(
            f"cannot reach backfilld: {what}; one runs here (process {pid})",
            "if it was just started, wait a moment: it reads its log before it answers; "
            "journalctl -u backfilld. If that is another one, or it has its socket elsewhere: "
            "--socket PATH or BACKFILLD_SOCKET",
            "not-ready",
        )
    return Unreachable(
        f"cannot reach backfilld: {what}",
        f"it is not running: {_START}. Another place: --socket PATH or BACKFILLD_SOCKET",
        "not-running",
    )


def _daemons() -> Iterator[int]:
    """The processes that are `backfilld run`, so far as we may see them."""
    with suppress(OSError):
        for entry in PROC.iterdir():
            if not entry.name.isdecimal():
                continue
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                names = [word.rpartition(b"/")[2] for word in words[:3]]  # after an interpreter
                if b"backfilld" in names and b"run" in words:
                    yield int(entry.name)


def _who_may(path: str) -> str:
    try:
        me = getpass.getuser()
    except (OSError, KeyError):  # a uid without a name
        me = f"uid {os.getuid()}"
    # a folder that is closed to us hides the socket: then its group is the one to join
    for place, bit in ((Path(path), stat.S_IWGRP), (Path(path).parent, stat.S_IXGRP)):
        try:
            found = place.stat()
            group = grp.getgrgid(found.st_gid).gr_name
        except (OSError, KeyError):
            continue
        if found.st_mode & bit and os.getuid() and group != "root":
            return (
                f"the socket is for group {group}; you are {me}. "
                f"sudo usermod -aG {group} {me}, then log in again; for this once: sudo"
            )
        return f"the socket is for its owner alone; you are {me}. Use sudo"
    return f"you are {me}; ask whoever runs backfilld, or use sudo"
