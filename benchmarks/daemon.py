"""The real daemon as a child process, and what can be seen of it from outside."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .channel_frames import COLLECTION

BIN = Path(sys.executable).parent
LEXICON = {
    "lexicon": 1,
    "id": COLLECTION,
    "defs": {
        "main": {"type": "record", "key": "tid", "record": {"type": "object", "properties": {}}}
    },
}


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("backfilld", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(self._path))


class Daemon:
    """A daemon with its own folder; `tap` and `relay` are addresses. It hands over without a
    bound: the Tap of these benchmarks never fetches, so that nothing is ever settled."""

    def __init__(self, folder: Path, *, relay: str, tap: str) -> None:
        self.folder, self.socket = folder, folder / "control.sock"
        self.data = folder / "data"
        self._config = folder / "config.toml"
        self._config.write_text(
            f'data_dir = "{self.data}"\n[relay]\nurls = ["{relay}"]\n[tap]\nurl = "{tap}"\n'
            "unsettled_max = 0\n"
            f'[control]\nsocket = "{self.socket}"\n[logging]\nlevel = "warning"\n'
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Starts it; the seconds until it answered on its socket."""
        began = time.perf_counter()
        command = [str(BIN / "backfilld"), "run", "--config", str(self._config)]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while True:
            try:
                self.ask("/health")
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError("the daemon ended; run it by hand to see why") from None
                time.sleep(0.005)
            else:
                return time.perf_counter() - began

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """SIGTERM, and waits."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait()

    def ask(self, path: str, body: object = None) -> Any:
        """The answer's JSON, or its text."""
        connection = _Unix(self.socket)
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(
                "GET" if sent is None else "POST", path, sent, {"content-type": "application/json"}
            )
            answer = connection.getresponse()
            text = answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"{path}: {answer.status} {text!r}")
            return json.loads(text) if text[:1] in b"{[" else text.decode()
        finally:
            connection.close()

    def begin(self) -> str:
        """Uploads the lexicon; the id of the job it starts."""
        job: str = self.ask("/admin/lexicons", {"lexicon_json": LEXICON})["backfill_job_id"]
        return job

    def memory_mb(self, field: str = "VmRSS") -> float:
        """Resident memory, now (VmRSS) or at most (VmHWM)."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(row.split()[1]) for row in status.splitlines() if row.startswith(field)) / (
            1024
        )

    def cpu_s(self) -> float:
        """Processor time used so far."""
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Prober:
    """Asks the daemon all the while, from a thread, and keeps how long each answer took."""

    def __init__(self, daemon: Daemon, path: str, pause_s: float = 0.05) -> None:
        self._daemon, self._path, self._pause_s = daemon, path, pause_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.took_s: list[float] = []

    def __enter__(self) -> "Prober":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self._pause_s):
            began = time.perf_counter()
            self._daemon.ask(self._path)
            self.took_s.append(time.perf_counter() - began)

    def p99_ms(self) -> float:
        """99 of 100 answers came within so long."""
        took = sorted(self.took_s)
        return took[min(len(took) * 99 // 100, len(took) - 1)] * 1000


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for the benchmark's files, on a real disk."""
    folder = Path(tempfile.mkdtemp(prefix="backfilld-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def silent_peers(dids: int, records: int = 0) -> Iterator[str]:
    """The address of a relay that lists so many, and of a Tap that takes them; it sends so many
    records, over and over."""
    command = [sys.executable, "-m", "benchmarks.silent_peers", str(dids), str(records)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
