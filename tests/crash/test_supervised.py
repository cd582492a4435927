"""A daemon that runs Tap itself: whatever ends either of them, there is one Tap, and it is ours."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.machine import BIN, LEXICON, STATUS, child, until
from support.tap_host import FAKE

from backfilld.control.caller.client import Control
from backfilld.tapchild import proc


class Supervised:
    """A daemon with a Tap that behaves at its start and its end as the real one."""

    def __init__(self, folder: Path, port: int, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.control = Control(str(folder / "control.sock"), timeout_s=5)
        command = json.dumps([sys.executable, str(FAKE), "runs"])
        (folder / "config.toml").write_text(
            f'data_dir = "{folder}/data"\n[relay]\nurls = ["http://127.0.0.1:1"]\n'
            f'[tap]\nurl = "http://127.0.0.1:{port}"\nsupervise = true\ncommand = {command}\n'
            f'[control]\nsocket = "{folder}/control.sock"\n[logging]\nlevel = "error"\n'
        )
        self.start()

    def start(self) -> None:
        command = [str(BIN / "backfilld"), "run", "--config", str(self.folder / "config.toml")]
        self.daemon = self._stack.enter_context(child(command, stderr=subprocess.DEVNULL))

    def tap(self) -> dict[str, Any]:
        found: dict[str, Any] = until(lambda: self.control.get("/admin/tap"))["child"]
        return found

    def pid(self, but: int = 0) -> int:
        """The process of Tap, once it is there; not `but`."""
        return int(until(lambda: (pid := self.tap()["pid"]) != but and pid))


@pytest.fixture
def supervised(tmp_path: Path, unused_port: int) -> Iterator[Supervised]:
    with ExitStack() as stack:
        yield Supervised(tmp_path, unused_port, stack)


def test_a_daemon_that_is_killed_and_one_that_is_stopped_leave_no_tap_behind(
    supervised: Supervised,
) -> None:
    assert supervised.tap()["state"] == "idle", "there is no lexicon yet"
    body = json.dumps({"lexicon_json": LEXICON, "backfill": False}).encode()
    supervised.control.post("/admin/lexicons", body)
    first = supervised.pid()
    supervised.daemon.kill()
    supervised.daemon.wait()
    supervised.start()
    second = supervised.pid(but=first)
    assert proc.look(first) is None
    assert f"TAP_COLLECTION_FILTERS={STATUS}" in Path(f"/proc/{second}/environ").read_text()
    os.kill(second, signal.SIGKILL)
    third = supervised.pid(but=second)
    supervised.daemon.terminate()
    assert supervised.daemon.wait(30) == 0
    assert proc.look(third) is None
