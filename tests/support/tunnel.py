"""A port of loopback that leads to a Unix socket, as `ssh -L PORT:SOCKET` makes one."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PIECE = 65_536


@contextmanager
def tunnel(path: Path) -> Iterator[int]:
    """The port. A connection ends when either side ends it, and at once if nobody listens on the
    socket."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        serving = threading.Thread(target=_serve, args=(server, path))
        serving.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)  # wakes the one who waits in accept
            serving.join()


def _serve(server: socket.socket, path: Path) -> None:
    with suppress(OSError):
        while True:
            near, _ = server.accept()
            threading.Thread(target=_connect, args=(near, path), daemon=True).start()


def _connect(near: socket.socket, path: Path) -> None:
    with near, socket.socket(socket.AF_UNIX) as far:
        try:
            far.connect(str(path))
        except OSError:
            return
        back = threading.Thread(target=_pump, args=(far, near), daemon=True)
        back.start()
        _pump(near, far)
        back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(PIECE):
            sink.sendall(piece)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
