"""Where we listen: a Unix socket, never open wider than configured, and an address of loopback."""

import grp
import os
import socket
import stat
from pathlib import Path

import trio

from ...config.hosts import loopback

_BACKLOG = 128


class SocketTaken(Exception):
    """We cannot listen there; the message says why and what to do."""


def unix_listener(path: Path, mode: int, group: str) -> trio.SocketListener:
    """Listens on `path`, never open wider than `mode`. Raises SocketTaken."""
    _clear(path)
    sock = socket.socket(socket.AF_UNIX)
    before = os.umask(0o777 & ~mode)
    try:
        sock.bind(str(path))
        if group:
            os.chown(path, -1, grp.getgrnam(group).gr_gid)
    except KeyError as error:
        raise SocketTaken(f"control.socket_group: there is no group {group}") from error
    except OSError as error:
        raise SocketTaken(
            f"{path}: {error.strerror or error}. Does its folder exist, and may we write there? "
            "control.socket names another place"
        ) from error
    finally:
        os.umask(before)
    sock.listen(_BACKLOG)
    return trio.SocketListener(trio.socket.from_stdlib_socket(sock))


def tcp_listener(listen: str) -> trio.SocketListener:
    """Listens on an address of loopback, written `127.0.0.1:8410` or `[::1]:8410`. Raises
    SocketTaken."""
    host, port = loopback(listen)
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise SocketTaken(
            f"control.listen: {listen}: {error.strerror or error}. Does something else listen "
            "there? ss -ltnp shows it; control.listen names another place"
        ) from error
    sock.listen(_BACKLOG)
    return trio.SocketListener(trio.socket.from_stdlib_socket(sock))


def _clear(path: Path) -> None:
    """Removes a socket that a dead daemon left; asks first whether it is dead."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise SocketTaken(f"{path} is there and is no socket; remove it or name another")
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
        raise SocketTaken(f"{path}: another backfilld answers there; stop it first")
    except FileNotFoundError:
        return
    except ConnectionRefusedError:
        path.unlink()
