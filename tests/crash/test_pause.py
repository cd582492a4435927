"""A pause outlives kill -9: every DID is handed over exactly as the log says.

TEST_PAUSE_REPOS=100000 runs it in the size of a large collection.
"""

import http.client
import json
import os
import threading
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.machine import STATUS, Machine, until

from backfilld.control.caller.client import Control, TimedOut, Unreachable
from backfilld.sandbox.world import World
from backfilld_events import ids
from backfilld_events.audit.verify import verify
from backfilld_events.catalog.job import BatchHandedOff, PageDiscovered
from backfilld_events.ids import Did
from backfilld_events.log import read

REPOS = int(os.environ.get("TEST_PAUSE_REPOS", "1200"))
WITHIN_S = 60 + REPOS / 200
PAGE, BATCH = max(10, REPOS // 200), max(5, REPOS // 300)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with ExitStack() as stack:
        machine = Machine(
            tmp_path, stack, faults=0,
            options=("--repos", str(REPOS), "--outbox-only"),
            config={"page_size": PAGE, "batch_size": BATCH},
        )  # fmt: skip
        machine.control = Control(str(tmp_path / "control.sock"), timeout_s=60)
        yield machine


class Tap:
    """The sandbox's Tap, asked behind the daemon's back."""

    def __init__(self, machine: Machine) -> None:
        config = tomllib.loads((machine.folder / "config.toml").read_text())
        self._address = urlsplit(config["tap"]["url"]).netloc

    def has_exactly(self, dids: set[Did]) -> bool:
        """Whether these are the repositories it was given, and no others."""
        return self.has_and_more(dids) == 0

    def has_and_more(self, dids: set[Did]) -> int:
        """How many more it was given than these, all of which it must have."""
        with closing(http.client.HTTPConnection(self._address, timeout=60)) as connection:
            assert all("state" in self._asked(connection, f"/info/{did}") for did in dids)
            count = self._asked(connection, "/stats/repo-count")["repo_count"]
        assert isinstance(count, int)
        return count - len(dids)

    def _asked(self, connection: http.client.HTTPConnection, path: str) -> dict[str, Any]:
        connection.request("GET", path)
        found: dict[str, Any] = json.loads(connection.getresponse().read())
        return found


def handed_over(machine: Machine) -> list[Did]:
    """What the log says was handed to Tap, in order; the log verifies."""
    queue: list[Did] = []
    upto = 0
    with machine.reader("events.db") as db:
        verify(read.rows(db))
        for row in read.rows(db, stream="job/*"):
            event = row.event
            if isinstance(event, PageDiscovered):
                queue += ids.unpack(event.dids)
            elif isinstance(event, BatchHandedOff):
                assert event.first == upto, "no DID is passed over, none goes twice"
                upto = event.upto
    return queue[:upto]


def shown(machine: Machine, job: str) -> dict[str, Any]:
    found: dict[str, Any] = machine.control.get(f"/admin/backfill/{job}")
    return found


def posted(machine: Machine, job: str, verb: str) -> dict[str, Any]:
    answer = until(lambda: machine.control.post(f"/admin/backfill/{job}/{verb}", b"{}"))
    body: dict[str, Any] = answer.body
    return body


def test_a_job_paused_in_the_middle_and_killed_goes_on_where_the_log_says(
    machine: Machine,
) -> None:
    everybody = {World(21, REPOS, (STATUS,), (5, 25)).did(n) for n in range(REPOS)}
    tap, job = Tap(machine), machine.upload()
    for share in (4, 2):  # paused and killed twice on the way
        least = REPOS // share
        until(lambda: shown(machine, job)["processed_repos"] >= least, WITHIN_S)  # noqa: B023
        assert posted(machine, job, "pause")["status"] == "paused"
        before = handed_over(machine)
        assert least <= len(before) < REPOS, "in the middle"
        assert tap.has_exactly(set(before)), "nothing is in flight"

        machine.kill()
        machine.start()
        until(lambda: shown(machine, job)["state"] == "paused")
        assert handed_over(machine) == before
        assert tap.has_exactly(set(before)), "a restart hands over nothing of a paused job"
        assert posted(machine, job, "resume")["status"] in ("running", "pending")

    until(lambda: shown(machine, job)["status"] == "completed", WITHIN_S)
    after = handed_over(machine)
    assert after[: len(before)] == before
    assert set(after) == everybody
    assert len(after) == REPOS
    assert tap.has_exactly(everybody)
    assert machine.stop() == 0


def test_a_job_killed_while_it_is_being_cancelled_ends_cancelled(machine: Machine) -> None:
    tap, job = Tap(machine), machine.upload()
    until(lambda: shown(machine, job)["processed_repos"] > 0)

    def cancel() -> None:
        with suppress(Unreachable, TimedOut):  # it is killed before it answers
            machine.control.post(f"/admin/backfill/{job}/cancel", b"{}")

    def asked() -> bool:
        with machine.reader("events.db") as db:
            return any(read.rows(db, type_name="job.cancel-asked"))

    thread = threading.Thread(target=cancel)
    thread.start()
    until(asked)
    machine.kill()
    thread.join(60)
    machine.start()
    until(lambda: shown(machine, job)["status"] == "cancelled")
    handed = handed_over(machine)
    assert 0 < len(handed) < REPOS
    assert tap.has_and_more(set(handed)) <= BATCH, "one batch may have been in flight"
