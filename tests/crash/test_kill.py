"""kill -9 of real processes: daemon and Tap, real files, real sockets."""

import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.machine import BIN, RECORDS, REPOS, SEED, STATUS, Machine, until

from backfilld.sandbox.world import World
from backfilld_events import ids
from backfilld_events.audit.verify import verify
from backfilld_events.catalog.index import RecordsCommitted
from backfilld_events.log import read


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with ExitStack() as stack:
        yield Machine(tmp_path, stack)


def test_a_daemon_killed_again_and_again_ends_with_every_record_and_a_log_that_agrees(
    machine: Machine,
) -> None:
    chance = random.Random(4)
    job = machine.upload()
    kills_mid_way = 0
    for _ in range(8):
        time.sleep(chance.uniform(0.0, 1.2))
        machine.kill()
        with machine.reader("events.db") as db:
            verify(read.rows(db))
            ended = any(row.type == "job.completed" for row in read.rows(db))
        with machine.reader("records.db") as db:
            (rows,) = db.execute("SELECT count(*) FROM record").fetchone()
        kills_mid_way += not ended or rows < REPOS * RECORDS[0]
        machine.start()

    def synced() -> bool:
        shape = machine.control.get(f"/admin/backfill/{job}")
        return shape["state"] == "completed" and shape["sync"]["open"] == 0

    until(synced, within_s=120)
    assert kills_mid_way >= 1, "a kill after the work proves nothing"
    assert machine.stop() == 0
    truth = {
        (row.did, row.rkey, row.cid, row.body.decode())
        for row in World(SEED, REPOS, (STATUS,), RECORDS).truth(STATUS)
    }
    with machine.reader("records.db") as db:
        held = set(db.execute("SELECT did, rkey, cid, record FROM records_text"))
        per_repo = dict(db.execute("SELECT did, count(*) FROM records_text GROUP BY did"))
    assert held == truth
    sums: dict[str, int] = {}
    with machine.reader("events.db") as db:
        rows = list(read.rows(db))
    verify(rows)
    for row in rows:
        if isinstance(event := row.event, RecordsCommitted):
            for tally in event.tallies:
                did = ids.unpack_one(tally.repo)
                sums[did] = sums.get(did, 0) + tally.inserted - tally.deleted
    assert {did: n for did, n in sums.items() if n} == per_repo
    assert rows[-1].type == "service.stopped"


def test_a_second_sigterm_ends_the_daemon_at_once_and_loses_nothing(machine: Machine) -> None:
    machine.upload()
    machine.daemon.send_signal(signal.SIGTERM)
    machine.daemon.send_signal(signal.SIGTERM)
    assert machine.daemon.wait(30) in (0, 128 + signal.SIGTERM)
    with machine.reader("events.db") as db:
        verify(read.rows(db))
        assert any(row.type == "job.started" for row in read.rows(db)), "it was answered for"


def test_two_daemons_never_work_in_one_folder(machine: Machine) -> None:
    until(lambda: machine.control.get("/admin/health"))
    command = [str(BIN / "backfilld"), "run", "--config", str(machine.folder / "config.toml")]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 2
    assert "another backfilld works there" in second.stderr
    assert machine.control.get("/admin/health")["status"]


def test_a_reload_takes_what_it_may_and_names_what_needs_a_restart(machine: Machine) -> None:
    until(lambda: machine.control.get("/admin/health"))
    config = machine.folder / "config.toml"
    whole = config.read_text()
    for change, said in (
        (("info_rate = 1000", "info_rate = 7"), "configuration reloaded"),
        (("batch_size = 15", "batch_size = 16"), "tap.batch_size"),
        (("batch_size", "batsh_size"), "did you mean tap.batch_size"),
    ):
        config.write_text(whole.replace(*change))
        machine.daemon.send_signal(signal.SIGHUP)
        until(lambda said=said: said in machine.said())
        assert machine.control.get("/admin/health")["status"], "it goes on"
