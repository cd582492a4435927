"""A sandbox network and a daemon as real processes: real files, real sockets, a real clock."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from backfilld.control.caller.client import Control, TimedOut, Unreachable
from backfilld_events.ids import Nsid
from backfilld_events.log.file import open_reader

STATUS = Nsid("xyz.statusphere.status")
REPOS, RECORDS, SEED = 400, (5, 25), 21
BIN = Path(sys.executable).parent
LEXICON = {
    "lexicon": 1,
    "id": STATUS,
    "defs": {
        "main": {"type": "record", "key": "tid", "record": {"type": "object", "properties": {}}}
    },
}


@contextmanager
def child(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def until(done: Callable[[], Any], within_s: float = 60.0) -> Any:
    """Asks again and again; the answer, when it is one."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            if answer := done():
                return answer
        except (Unreachable, TimedOut):
            pass  # it is starting
        time.sleep(0.05)
    raise AssertionError("it did not come to that in time")


class Machine:
    """A sandbox network and a daemon as child processes."""

    def __init__(
        self,
        folder: Path,
        stack: ExitStack,
        faults: float = 0.03,
        options: Sequence[str] = (),
        config: Mapping[str, int] | None = None,
        *,
        port: int = 0,
        control: str = "",
        tables: str = "",
    ) -> None:
        """`port`: also listens there; `control` and `tables` are more lines of the configuration,
        in its table [control] and after all tables."""
        sizes = {"page_size": 20, "batch_size": 15, **(config or {})}
        self.folder, self._stack = folder, stack
        self.control = Control(str(folder / "control.sock"), timeout_s=30)
        command = [str(BIN / "python"), "-m", "backfilld.sandbox.command", "--seed", str(SEED)]
        command += ["--repos", str(REPOS), "--records", f"{RECORDS[0]}-{RECORDS[1]}"]
        command += ["--retry-timeout", "1", "--faults", str(faults), *options]
        network = stack.enter_context(child(command, stdout=subprocess.PIPE))
        assert network.stdout is not None
        addresses = json.loads(network.stdout.readline())
        (folder / "config.toml").write_text(
            f'data_dir = "{folder}/data"\n[relay]\nurls = ["{addresses["relay"]}"]\n'
            f'page_size = {sizes["page_size"]}\nmax_attempts = 30\nbackoff_max = "1s"\n'
            f'[tap]\nurl = "{addresses["tap"]}"\nbatch_size = {sizes["batch_size"]}\n'
            "info_rate = 1000\n"
            f'[control]\nsocket = "{folder}/control.sock"\n{control}\n'
            + (f'listen = "127.0.0.1:{port}"\n' if port else "")
            + f'[logging]\nlevel = "warning"\n{tables}\n'
        )
        self.port = port
        self.start()

    def start(self) -> None:
        command = [str(BIN / "backfilld"), "run", "--config", str(self.folder / "config.toml")]
        stderr = self._stack.enter_context((self.folder / "stderr").open("ab"))
        self.daemon = self._stack.enter_context(child(command, stderr=stderr))

    def said(self) -> str:
        """What the daemon has told on stderr."""
        return (self.folder / "stderr").read_text()

    def kill(self) -> None:
        self.daemon.send_signal(signal.SIGKILL)
        self.daemon.wait()

    def stop(self) -> int:
        self.daemon.send_signal(signal.SIGTERM)
        return self.daemon.wait(30)

    def upload(self) -> str:
        body = json.dumps({"lexicon_json": LEXICON}).encode()
        answer = until(lambda: self.control.post("/admin/lexicons", body))
        return str(answer.body["backfill_job_id"])

    def reader(self, name: str) -> Any:
        return closing(open_reader(self.folder / "data" / name))
