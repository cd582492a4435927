"""Two hundred clients at once over TCP, half of them slow or hostile, while a job runs."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.machine import RECORDS, REPOS, SEED, STATUS, Machine, until
from support.web import ask, new_key

from backfilld.control.serving.server import TCP_CONNECTIONS_MAX
from backfilld.sandbox.world import World

HOSTILE = GOOD = 100


@pytest.fixture
def machine(tmp_path: Path, unused_port: int) -> Iterator[Machine]:
    with ExitStack() as stack:
        machine = Machine(tmp_path, stack, faults=0, port=unused_port)
        until(lambda: machine.control.get("/admin/health"))
        yield machine


def connect(machine: Machine) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(10)
    sock.connect(("127.0.0.1", machine.port))
    return sock


def nasty(key: str) -> list[bytes]:
    """What hostile clients send before they fall silent."""
    head = f"host: 127.0.0.1\r\nauthorization: Bearer {key}\r\n".encode()
    reads_nothing = b"GET /admin/log HTTP/1.1\r\n" + head + b"\r\n"
    return [
        b"",
        b"GET /admin/health HTT",
        b"POST /admin/backfill HTTP/1.1\r\n" + head + b"content-type: application/json\r\n"
        b"content-length: 600000\r\n\r\n{",
        reads_nothing * 30,
        b"\x16\x03\x01\x02\x00 this is no HTTP \x00\xff\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 40,
        b"POST /admin/backfill HTTP/1.1\r\n" + head + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET /admin/whoami HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer hv_"
        + b"0" * 9_000,
        b"GET /admin/log?follow=1 HTTP/1.1\r\n" + head + b"\r\n",
        b"POST /admin/backfill HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 9999999\r\n\r\n{}",
    ]


def drip(socks: list[socket.socket], over: threading.Event) -> None:
    """A byte now and then, for as long as one listens."""
    while not over.wait(0.2):
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.send(b"x")


def test_two_hundred_clients_half_of_them_hostile_change_nothing_for_the_others_and_the_job(
    machine: Machine,
) -> None:
    key = new_key(machine, "all", "backfill:create", "backfill:read", "events:read")
    kinds = nasty(key)
    hostile = [connect(machine) for _ in range(HOSTILE)]
    for n, sock in enumerate(hostile):
        sock.sendall(kinds[n % len(kinds)])
    over = threading.Event()
    dripping = threading.Thread(target=drip, args=(hostile[1 :: len(kinds)], over))
    dripping.start()
    job = machine.upload()
    answers: list[int] = []

    def good() -> None:
        for path in (f"/admin/backfill/{job}", "/admin/backfill/status", "/admin/whoami"):
            answers.append(ask(machine, "GET", path, key=key, timeout_s=60).status)

    asking = [threading.Thread(target=good) for _ in range(GOOD)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert answers == [200] * (3 * GOOD)

    def synced() -> bool:
        shape = machine.control.get(f"/admin/backfill/{job}")
        return shape["state"] == "completed" and shape["sync"]["open"] == 0

    until(synced, within_s=120)
    over.set()
    dripping.join()
    for sock in hostile:
        sock.close()
    assert machine.stop() == 0
    assert "Traceback" not in machine.said()
    truth = {
        (row.did, row.rkey, row.cid, row.body.decode())
        for row in World(SEED, REPOS, (STATUS,), RECORDS).truth(STATUS)
    }
    with machine.reader("records.db") as db:
        assert set(db.execute("SELECT did, rkey, cid, record FROM records_text")) == truth


def test_whoever_fills_the_address_keeps_nobody_off_the_socket_and_not_for_long(
    machine: Machine,
) -> None:
    key = new_key(machine, "one", "stats:read")
    idle = [connect(machine) for _ in range(TCP_CONNECTIONS_MAX)]
    with connect(machine) as one_more:
        one_more.sendall(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert one_more.recv(100) == b""
    assert machine.control.get("/admin/whoami")["actor"]
    assert idle[0].recv(100) == b"", "who sends no head is let go"

    def is_served() -> bool:
        with contextlib.suppress(OSError):
            return ask(machine, "GET", "/admin/stats", key=key).status == 200
        return False

    until(is_served)
    for sock in idle:
        sock.close()
