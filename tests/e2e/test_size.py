"""A job of many repositories costs little memory and little log."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.machine import LEXICON, Machine, until

from backfilld_events.log import read

REPOS = 60_000
ABOVE_IDLE_MB_MAX = 100
PAYLOAD_BYTES_A_DID_MAX = 20


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with ExitStack() as stack:
        yield Machine(
            tmp_path, stack, faults=0, options=["--repos", str(REPOS), "--outbox-only"],
            config={"page_size": 1000, "batch_size": 1000},
        )  # fmt: skip


def resident_mb(process: subprocess.Popen[bytes], what: str) -> float:
    """VmRSS (now) or VmHWM (at most) of a process."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1024
    raise AssertionError(what)


def test_memory_stays_bounded_and_a_did_is_sixteen_bytes_of_the_log(machine: Machine) -> None:
    until(lambda: machine.control.get("/admin/health"))
    idle = resident_mb(machine.daemon, "VmRSS")
    body = json.dumps({"lexicon_json": LEXICON}).encode()
    job = machine.control.post("/admin/lexicons", body).body["backfill_job_id"]
    path = f"/admin/backfill/{job}"
    until(lambda: machine.control.get(path)["state"] == "completed", within_s=120)
    shape = machine.control.get(path)
    assert shape["total_repos"] == shape["processed_repos"] == REPOS
    assert resident_mb(machine.daemon, "VmHWM") - idle <= ABOVE_IDLE_MB_MAX
    with machine.reader("events.db") as db:
        pages = [row for row in read.rows(db) if row.type == "job.page-discovered"]
    payload = sum(len(row.payload) for row in pages)
    assert payload / REPOS <= PAYLOAD_BYTES_A_DID_MAX
