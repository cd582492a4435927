"""What systemd is told."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from backfilld import systemd


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield listener


def test_a_state_is_one_datagram(told: socket.socket) -> None:
    systemd.notify("READY=1", "STATUS=log at #7")
    assert told.recv(1000) == b"READY=1\nSTATUS=log at #7"


def test_a_long_replay_asks_for_more_time(told: socket.socket) -> None:
    systemd.replaying(500)
    assert told.recv(1000) == b"EXTEND_TIMEOUT_USEC=60000000\nSTATUS=replaying the log, at #500"


def test_a_long_verification_asks_for_more_time(told: socket.socket) -> None:
    systemd.verifying(5000)
    assert told.recv(1000) == b"EXTEND_TIMEOUT_USEC=60000000\nSTATUS=verifying the log, at #5000"


def test_a_reload_carries_its_moment(told: socket.socket) -> None:
    systemd.reloading()
    assert told.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    systemd.notify("READY=1")


@pytest.mark.parametrize(
    ("microseconds", "pid", "wanted"),
    [("60000000", None, 30.0), ("60000000", "1", None), ("soon", None, None), ("", None, None)],
)
def test_the_watchdog_is_fed_at_half_its_time_and_only_by_the_right_process(
    monkeypatch: pytest.MonkeyPatch, microseconds: str, pid: str | None, wanted: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    monkeypatch.setenv("WATCHDOG_PID", pid or str(os.getpid()))
    assert systemd.watchdog_s() == wanted
