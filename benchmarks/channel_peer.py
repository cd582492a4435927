"""A stand-in for Tap that costs next to nothing, in a process of its own.

It shakes hands, sends frames that were made before as fast as the socket takes them, and counts
acks by their bytes; only when the clock has stopped are they unmasked and held against what was
sent. Its times are CLOCK_MONOTONIC's.

    python -m benchmarks.channel_peer '{"records": 100000}'
"""

import base64
import hashlib
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from . import channel_frames

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SEND_BYTES = 2**20
_ACK_BYTES = 6 + len(b'{"type":"ack","id":1000001}')


class Spec(msgspec.Struct, frozen=True, omit_defaults=True):
    """What to send: `passes` times the same records, each pass once the former is acked whole.
    With `every_s` they are live events, one at a time at that pace."""

    records: int
    passes: int = 1
    seed: int = 1
    every_s: float = 0.0
    repo_records: int = channel_frames.REPO_RECORDS


class Pass(msgspec.Struct, frozen=True):
    """When a pass began and ended; of live events, how long each waited for its ack."""

    began: float
    ended: float
    waited: list[float] = []

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began


class Peer:
    """A peer that runs; `url` is where."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self._process, self.url = process, url

    def passes(self) -> list[Pass]:
        """Blocks until all is acked. Raises RuntimeError if the acks are not those of the ids."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the peer ended before all was acked, or was acked wrongly")
        return msgspec.json.decode(line, type=list[Pass])


@contextmanager
def started(spec: Spec) -> Iterator[Peer]:
    """A peer in a child process, whose frames are ready."""
    command = [sys.executable, "-m", "benchmarks.channel_peer", msgspec.json.encode(spec).decode()]
    root = Path(__file__).parents[1]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            yield Peer(process, f"http://127.0.0.1:{port}")
        finally:
            process.kill()


def _serve(spec: Spec) -> list[Pass]:
    frames = [
        channel_frames.text_frame(channel_frames.payload(number, one, live=spec.every_s > 0))
        for number, one in enumerate(
            channel_frames.records(spec.records, seed=spec.seed, repo_records=spec.repo_records),
            channel_frames.FIRST_ID,
        )
    ]
    per_send = max(1, _SEND_BYTES // channel_frames.FRAME_BYTES)
    chunks = [b"".join(frames[at : at + per_send]) for at in range(0, len(frames), per_send)]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        _say(str(listener.getsockname()[1]))
        connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        _shake(connection)
        if spec.every_s:
            return [_one_by_one(connection, frames, spec.every_s)]
        return [_all(connection, chunks, spec.records) for _ in range(spec.passes)]


def _all(connection: socket.socket, chunks: list[bytes], count: int) -> Pass:
    began = time.monotonic()

    def send() -> None:
        for chunk in chunks:
            connection.sendall(chunk)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    acks = _acks(connection, count)
    ended = time.monotonic()
    sender.join()
    _check(acks, range(channel_frames.FIRST_ID, channel_frames.FIRST_ID + count))
    return Pass(began, ended)


def _one_by_one(connection: socket.socket, frames: list[bytes], every_s: float) -> Pass:
    began = time.monotonic()
    waited = []
    for number, frame in enumerate(frames, channel_frames.FIRST_ID):
        time.sleep(every_s)
        sent = time.monotonic()
        connection.sendall(frame)
        ack = _acks(connection, 1)
        waited.append(time.monotonic() - sent)
        _check(ack, range(number, number + 1))
    return Pass(began, time.monotonic(), waited)


def _acks(connection: socket.socket, count: int) -> bytes:
    parts: list[bytes] = []
    missing = count * _ACK_BYTES
    while missing > 0:
        parts.append(connection.recv(2**20))
        if not parts[-1]:
            raise EOFError(f"the consumer left with {missing // _ACK_BYTES:,} acks to come")
        missing -= len(parts[-1])
    return b"".join(parts)


def _check(acks: bytes, numbers: range) -> None:
    """Each frame is masked text, each message an ack, each number there once."""
    found = []
    for at in range(0, len(acks), _ACK_BYTES):
        frame = acks[at : at + _ACK_BYTES]
        size = len(frame) - 6
        key = (frame[2:6] * (size // 4 + 1))[:size]
        text = int.from_bytes(frame[6:]) ^ int.from_bytes(key)
        ack = re.fullmatch(rb'\{"type":"ack","id":(\d+)\}', text.to_bytes(size))
        if frame[:2] != bytes((0x81, 0x80 | size)) or ack is None:
            raise ValueError(f"no ack: {frame!r}")
        found.append(int(ack[1]))
    if sorted(found) != list(numbers):
        raise ValueError(f"acks of {len(set(found)):,} ids, {len(numbers):,} were sent")


def _shake(connection: socket.socket) -> None:
    request = b""
    while b"\r\n\r\n" not in request:
        request += connection.recv(65536)
    key = re.search(rb"(?i)sec-websocket-key:\s*(\S+)", request)
    assert key is not None
    accept = base64.b64encode(hashlib.sha1(key[1] + _MAGIC).digest())
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept
    )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _say(msgspec.json.encode(_serve(msgspec.json.decode(sys.argv[1], type=Spec))).decode())
