"""backfillctl in this process, against a fake daemon on a real socket."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from unit.cli.fake_daemon import FakeDaemon, running
from unit.cli.ran import Ctl, Ran

from backfilld.cli.ctl import progress, run
from backfilld.control.caller import absent

ENVIRONMENT = ("BACKFILLD_SOCKET", "BACKFILLD_URL", "BACKFILLD_TOKEN_FILE", "BACKFILLD_CONFIG")


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """One zone for all, no patience, and no process but ours."""
    for name in (*ENVIRONMENT, "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(absent, "PROC", tmp_path / "proc")
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    monkeypatch.setattr(progress, "POLL_S", 0.01)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    """Runs for one test."""
    with running(tmp_path / "control.sock") as fake:
        yield fake


@pytest.fixture
def ctl(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> Ctl:
    """Runs backfillctl against it."""

    def call(*args: str) -> Ran:
        code = run(["--socket", str(daemon.path), *args])
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return call
