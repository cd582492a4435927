"""Which daemon is meant, and with which key. What is said first wins:

`--url` or `--socket`, then BACKFILLD_URL, then BACKFILLD_SOCKET, then the service's own socket.
A key goes only to an address: `--token-file`, then BACKFILLD_TOKEN_FILE. None is read from the
command line or the environment itself, for others can see both.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import click

from ...control.caller.address import BadAddress, Socket, Tcp, tcp

SOCKET = "/run/backfilld/control.sock"
URL_VARIABLE = "BACKFILLD_URL"
SOCKET_VARIABLE = "BACKFILLD_SOCKET"
TOKEN_VARIABLE = "BACKFILLD_TOKEN_FILE"  # noqa: S105 - a name
TOKEN_BYTES_MAX = 4096


def address(
    url: str | None, socket: str | None, token_file: str | None, warn: Callable[[str], None]
) -> Socket | Tcp:
    """The address for these options. Raises click.UsageError."""
    if url and socket:
        raise click.UsageError("--url and --socket name two daemons; give one of them")
    chosen = url or (None if socket else os.environ.get(URL_VARIABLE))
    if not chosen:
        if token_file:
            raise click.UsageError(
                "--token-file goes with --url: at the socket you are known by your user"
            )
        return Socket(socket or os.environ.get(SOCKET_VARIABLE) or SOCKET)
    named = token_file or os.environ.get(TOKEN_VARIABLE)
    try:
        return tcp(chosen, _key(Path(named), warn) if named else "")
    except BadAddress as error:
        raise click.UsageError(str(error)) from error


def _key(path: Path, warn: Callable[[str], None]) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(TOKEN_BYTES_MAX)
    except OSError as error:
        raise click.UsageError(f"the token file {path}: {error.strerror or error}") from error
    if stat.S_ISREG(mode) and mode & (stat.S_IRGRP | stat.S_IROTH):
        warn(f"warning: others can read the key in {path}: chmod 600 {path}")
    key = text.decode("ascii", "replace").strip()
    if not key:
        raise click.UsageError(f"the token file {path} is empty")
    return key
