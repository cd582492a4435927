"""The quickest client a Python program can be: it acks what comes and throws it away.

    python -m benchmarks.tap.discard http://127.0.0.1:2480

It reads no JSON: frames are found by the lengths in their heads, the number is cut out after the
fixed beginning of Tap's messages, and the acks of everything read are one send. Its mask is zero,
which is a mask like any other, so the acks need no masking. It says `open` once it is connected.
"""

import base64
import os
import socket
import sys
from typing import Final
from urllib.parse import urlsplit

RECEIVE_BYTES: Final = 2**18
_BEGINNING: Final = len(b'{"id":')
_ACK: Final = b'{"type":"ack","id":'
_HEADS: Final = [  # of an ack, by how many digits its number has
    bytes((0x81, 0x80 | len(_ACK) + digits + 1)) + bytes(4) + _ACK for digits in range(20)
]


def cut(data: bytes) -> tuple[list[bytes], int]:
    """(the numbers of all whole messages in `data`, where the first unfinished frame begins).
    Raises ValueError for a frame Tap does not send."""
    numbers, at, end = [], 0, len(data)
    find = data.find
    while at + 10 <= end:
        length = data[at + 1]
        start = at + 2
        if length == 126:
            length = data[at + 2] << 8 | data[at + 3]
            start = at + 4
        elif length == 127:
            length = int.from_bytes(data[at + 2 : at + 10], "big")
            start = at + 10
        if start + length > end:
            break
        if data[at] != 0x81:
            raise ValueError(f"a frame that begins with {data[at : at + 2].hex()}")
        begin = start + _BEGINNING
        numbers.append(data[begin : find(b",", begin)])
        at = start + length
    return numbers, at


def acks(numbers: list[bytes]) -> bytes:
    """The frames that ack them."""
    return b"".join([_HEADS[len(number)] + number + b"}" for number in numbers])


def connect(url: str) -> tuple[socket.socket, bytes]:
    """The open channel, and what came with the handshake. Raises OSError, ValueError."""
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname or "", parts.port or 80))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(
        f"GET /channel HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    held = b""
    while b"\r\n\r\n" not in held:
        if not (more := connection.recv(RECEIVE_BYTES)):
            raise ValueError("the connection ended before the handshake did")
        held += more
    head, _, rest = held.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 101 "):
        raise ValueError(f"no handshake: {head[:100]!r}")
    return connection, rest


def main() -> None:
    """Runs until the channel or the process ends."""
    connection, held = connect(sys.argv[1])
    sys.stdout.write("open\n")
    sys.stdout.flush()
    while True:
        numbers, upto = cut(held)
        if numbers:
            connection.sendall(acks(numbers))
        if not (more := connection.recv(RECEIVE_BYTES)):
            return
        held = held[upto:] + more


if __name__ == "__main__":
    main()
