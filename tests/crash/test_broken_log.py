"""A log that somebody changed between two lives of a real daemon."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from support.machine import BIN, STATUS, Machine, until
from support.tampering import ended_at, tampered

from backfilld.control.caller.client import Refusal
from backfilld_events.catalog.service import ServiceStarted
from backfilld_events.eventlog import EventLog
from backfilld_events.log import read
from backfilld_events.log.append import Append
from backfilld_events.row import NewEvent

EDIT = "UPDATE event SET recorded_at = recorded_at - 1 WHERE position = 3"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    pager = tmp_path / "pager"
    pager.write_text(f'#!/bin/sh\ncat >> "{tmp_path}/paged"\n')
    pager.chmod(0o755)
    with ExitStack() as stack:
        yield Machine(
            tmp_path,
            stack,
            faults=0,
            tables=f"[log]\ncheckpoint_file = '{tmp_path}/checkpoints'\n"
            f"[[notify]]\non = ['verify.failed']\nexec = ['{pager}']\n",
        )


def command(machine: Machine, *args: str) -> "subprocess.CompletedProcess[str]":
    """A command of backfilld with this machine's configuration."""
    name, *more = args
    whole = [str(BIN / "backfilld"), name, "--config", str(machine.folder / "config.toml"), *more]
    return subprocess.run(whole, capture_output=True, text=True, timeout=60, check=False)


def test_a_changed_log_is_shown_and_not_written_before_somebody_has_accepted_it(
    machine: Machine,
) -> None:
    log, folder = machine.folder / "data" / "events.db", machine.folder
    job = machine.upload()
    until(lambda: machine.control.get(f"/admin/backfill/{job}")["state"] == "completed")
    assert machine.stop() == 0
    checkpoints = (folder / "checkpoints").read_text()
    with machine.reader("events.db") as db:
        last = list(read.rows(db))[-1]
    assert f" {last.position} {last.hash.hex()} " in checkpoints.splitlines()[-1]

    tampered(log, EDIT)
    ended = ended_at(log)
    machine.start()
    until(lambda: (folder / "paged").exists() and (folder / "paged").read_bytes().endswith(b"\n"))
    (told,) = (json.loads(line) for line in (folder / "paged").read_text().splitlines())
    assert (told["kind"], told["id"]) == ("verify.failed", 3)
    assert machine.control.get(f"/admin/backfill/{job}")["state"] == "completed", "it is shown"
    with pytest.raises(Refusal) as refused:
        machine.control.post("/admin/backfill", json.dumps({"collection": STATUS}).encode())
    assert (refused.value.status, refused.value.code) == (503, "log-broken")
    assert command(machine, "accept-break", "--reason", "x", "--yes").returncode == 6
    assert machine.stop() == 8
    assert machine.said().splitlines()[-1].startswith("error: The log does not verify: event 3: ")
    assert ended_at(log) == ended
    assert (folder / "checkpoints").read_text() == checkpoints

    done = command(machine, "accept-break", "--reason", "a test", "--yes")
    assert (done.returncode, done.stdout.startswith("Accepted: event #")) == (0, True), done.stderr
    machine.start()
    until(lambda: machine.control.get("/admin/health"))
    assert machine.stop() == 0
    with machine.reader("events.db") as db:
        rows = list(read.rows(db))
    assert [row.type for row in rows[ended[0] :]][:2] == [
        "service.break-accepted",
        "service.started",
    ]
    assert rows[-1].type == "service.stopped"


def test_a_log_of_which_nothing_can_be_shown_ends_the_start_with_exit_8(tmp_path: Path) -> None:
    data, config = tmp_path / "data", tmp_path / "config.toml"
    data.mkdir()
    with closing(EventLog.open(data / "events.db")) as log:
        started = NewEvent("service", ServiceStarted(version="x"), "system")
        log.append([Append([started] * 3)], 1)
    spoil = "UPDATE folded SET value = x'63' WHERE name = 'version'"
    tampered(data / "events.db", EDIT, spoil)
    page = ["/bin/sh", "-c", f"cat > '{tmp_path}/paged'"]
    config.write_text(
        f"data_dir = '{data}'\n[control]\nsocket = '{tmp_path}/socket'\n"
        f"[[notify]]\non = ['verify.failed']\nexec = {json.dumps(page)}\n"
    )
    command = [str(BIN / "backfilld"), "run", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 8
    assert re.search(r"^error: .* event 3: .* nothing of it can be shown: ", done.stderr, re.M)
    assert json.loads((tmp_path / "paged").read_text())["kind"] == "verify.failed", "all the same"
