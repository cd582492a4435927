"""Clients that break every rule: each loses its own connection, nobody else loses anything."""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from support.machine import Machine, until

from backfilld.control.caller.client import Refusal
from backfilld_events.log import read

POST = b"POST /admin/backfill HTTP/1.1\r\nhost: d\r\ncontent-type: application/json\r\n"
HALF_BODY = POST + b"content-length: 600000\r\n\r\n{"
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"
UPGRADE = (
    b"GET /health HTTP/1.1\r\nhost: d\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
)
GET = b"GET /health HTTP/1.1\r\nhost: d\r\n\r\n"
NASTY = {
    "half a body": HALF_BODY,
    "half a head": b"GET /health HTT",
    "no HTTP": b"\x16\x03\x01\x02\x00garbage\r\n\r\n",
    "a chunk that is none": CHUNKED + b"zz\r\n",
    "an endless chunk header": CHUNKED + b"f" * 100,
    "more after the last": GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n") + GET,
    "websocket and rubbish": UPGRADE + b"\xff\xff\xff",
    "h2c": b"GET /health HTTP/1.1\r\nhost: d\r\nupgrade: h2c\r\nconnection: upgrade, http2-settings"
    b"\r\nhttp2-settings: AAAA\r\n\r\n" + b"\0" * 9,
    "http/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 30,
    "two lengths": b"POST / HTTP/1.1\r\nhost: d\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
    "long head": b"GET / HTTP/1.1\r\nhost: d\r\nx: " + b"y" * 200_000 + b"\r\n\r\n",
}


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with ExitStack() as stack:
        machine = Machine(tmp_path_factory.mktemp("hostile"), stack, faults=0)
        until(lambda: machine.control.get("/admin/health"))
        yield machine


def connect(machine: Machine) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(30)
    sock.connect(str(machine.folder / "control.sock"))
    return sock


@pytest.mark.parametrize("what", NASTY)
def test_a_client_that_breaks_the_rules_ends_nothing_but_itself(
    machine: Machine, what: str
) -> None:
    for wait in (0.0, 0.01, 0.05, 0.0, 0.02, 0.1):
        with connect(machine) as sock:
            sock.sendall(NASTY[what])
            time.sleep(wait)
    assert machine.control.get("/admin/health")["status"]
    assert machine.daemon.poll() is None
    assert "Traceback" not in machine.said()


@pytest.mark.parametrize("asked", ["GET /health", "POST /admin/nothing", "POST /admin/backfill"])
def test_whoever_sends_more_than_is_read_hears_the_answer_and_is_let_go(
    machine: Machine, asked: str
) -> None:
    for _ in range(5):
        with connect(machine) as sock:
            sock.sendall(
                f"{asked} HTTP/1.1\r\nhost: d\r\ncontent-type: application/json\r\n"
                "content-length: 90000000\r\n\r\n".encode()
            )
            with suppress(BrokenPipeError, ConnectionResetError):
                for _ in range(1440):  # the limit is 8 MiB
                    sock.sendall(b" " * 62_500)
            answer = sock.recv(100)
        assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 404", b"HTTP/1.1 413"))


def test_many_clients_half_of_them_hanging_keep_nobody_waiting(machine: Machine) -> None:
    hanging = [connect(machine) for _ in range(60)]
    for n, sock in enumerate(hanging):
        sock.sendall(HALF_BODY if n % 2 else GET.replace(b"/health", b"/admin/log") * 20)
    answered: list[str] = []

    def ask() -> None:
        answered.append(machine.control.get("/admin/health")["status"])

    asking = [threading.Thread(target=ask) for _ in range(60)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert len(answered) == 60
    for sock in hanging:
        sock.close()


@pytest.mark.parametrize(
    "path",
    [
        "/admin/log?after=99999999999999999999",
        "/admin/log?after=-1",
        "/admin/log?aftr=3",
        "/admin/records?collection=a.b.c&repo=did:plc:x",
        "/admin/records?collection=a.b.c&limit=0",
        "/admin/records",
        "/admin/backfill/status?limit=x",
        "/admin/health?x=%00",
    ],
)
def test_a_query_that_is_not_understood_is_refused_and_not_ignored(
    machine: Machine, path: str
) -> None:
    with pytest.raises(Refusal) as refusal:
        machine.control.get(path)
    assert refusal.value.status == 400
    assert refusal.value.field


def test_a_client_that_does_not_read_does_not_hold_the_stop(tmp_path: Path) -> None:
    with ExitStack() as stack:
        machine = Machine(tmp_path, stack, faults=0)
        machine.upload()
        until(lambda: machine.control.get("/admin/backfill/last")["sync"]["open"] == 0)
        readers = [stack.enter_context(connect(machine)) for _ in range(5)]
        for sock in readers:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            follow = b"/admin/log?follow=1"
            sock.sendall(
                GET.replace(b"/health", follow) + GET.replace(b"/health", b"/admin/log") * 9
            )
        time.sleep(0.5)
        machine.daemon.send_signal(signal.SIGTERM)
        assert machine.daemon.wait(20) == 0
        with machine.reader("events.db") as db:
            assert read.newest(db, 1)[0].type == "service.stopped"
