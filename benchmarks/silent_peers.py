"""A relay and a Tap that cost next to nothing: what a job takes is then our own doing.

`python -m benchmarks.silent_peers DIDS RECORDS` serves both on one loopback port and prints it.
The relay lists DIDS repositories, each DID different and random; Tap takes all DIDs, counts them
all, knows every repository as `pending` and sends RECORDS records again and again, or nothing.
Requests are read as far as they are needed, by one thread each.
"""

import base64
import hashlib
import re
import socket
import sys
import threading
from contextlib import suppress

from . import channel_frames

PAGE = 1000
_BASE32 = bytes(b"abcdefghijklmnopqrstuvwxyz234567"[byte & 31] for byte in range(256))
_ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def page(number: int, dids: int) -> bytes:
    """The relay's answer body for its page of this number."""
    count = min(PAGE, dids - number * PAGE)
    text = hashlib.shake_128(b"%d" % number).digest(24 * count).translate(_BASE32).decode()
    repos = ",".join(f'{{"did":"did:plc:{text[at : at + 24]}"}}' for at in range(0, len(text), 24))
    more = f',"cursor":"{number + 1}"' if (number + 1) * PAGE < dids else ""
    return f'{{"repos":[{repos}]{more}}}'.encode()


def answer(head: bytes, dids: int) -> bytes:
    """The whole answer to a request with this head."""
    path = head.split(b" ", 2)[1]
    if b"listReposByCollection" in path:
        cursor = re.search(rb"cursor=(\d+)", path)
        body = page(int(cursor[1]) if cursor else 0, dids)
    elif path.startswith(b"/info/"):
        body = b'{"state":"pending","rev":"","records":0}'
    elif path.startswith(b"/stats/"):
        name = path.removeprefix(b"/stats/").replace(b"-", b"_")
        body = b'{"%b":%d}' % (name, dids if name == b"repo_count" else 0)
    else:
        body = b""
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(body), body,
    )  # fmt: skip


def serve(connection: socket.socket, dids: int, frames: bytes) -> None:
    """Answers the requests of one connection until it ends."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, connection.makefile("rb") as lines:
        while head := lines.readline():
            length, key = 0, b""
            while (line := lines.readline()) not in (b"\r\n", b""):
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
                elif name.lower() == b"sec-websocket-key":
                    key = value.strip()
            lines.read(length)
            if key:
                accept = base64.b64encode(hashlib.sha1(key + _ACCEPT).digest())
                connection.sendall(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                    b"Connection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n" % accept
                )
                if frames:
                    threading.Thread(target=_pour, args=(connection, frames), daemon=True).start()
                with suppress(OSError):
                    while lines.read(65536):  # acks
                        pass
                return
            connection.sendall(answer(head, dids))


def _pour(connection: socket.socket, frames: bytes) -> None:
    with suppress(OSError):  # the daemon was killed
        while True:
            connection.sendall(frames)


def main() -> None:
    """Serves until killed."""
    dids, records = int(sys.argv[1]), int(sys.argv[2])
    made = enumerate(channel_frames.records(records, seed=7), channel_frames.FIRST_ID)
    frames = b"".join(
        channel_frames.text_frame(channel_frames.payload(number, one)) for number, one in made
    )
    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, dids, frames), daemon=True).start()


if __name__ == "__main__":
    main()
