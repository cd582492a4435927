"""A job live, over the real socket: nothing is missed over a broken line or a new start, and it
costs the daemon nothing that somebody does not listen."""

import http.client
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from support.machine import LEXICON, REPOS, STATUS, Machine, until
from support.sse import Event, Listening

from backfilld.control.caller.client import Refusal
from backfilld_events.log import read


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with ExitStack() as stack:
        machine = Machine(tmp_path, stack, faults=0)
        until(lambda: machine.control.get("/admin/health"))
        yield machine


def listening(machine: Machine, job: str, query: str = "", last: int | None = None) -> Listening:
    route = f"/admin/backfill/{job}/events{query}"
    return Listening(machine.folder / "control.sock", route, last)


def types(events: list[Event]) -> set[str]:
    return {event.data["type"] for event in events}


def dids(events: list[Event], kind: str) -> list[str]:
    return [event.data["did"] for event in events if event.data["type"] == kind]


def test_a_job_is_told_to_its_end_and_whoever_comes_back_then_hears_that_there_is_no_more(
    machine: Machine,
) -> None:
    job = machine.upload()
    with listening(machine, job) as listener:
        events = list(listener.events())
        assert listener.status == 200
        assert listener.headers["content-type"].startswith("text/event-stream")
        assert listener.headers["cache-control"] == "no-store"
        assert listener.headers["x-accel-buffering"] == "no"
        assert listener.retry == 2000
    assert {event.name for event in events} == {"event"}
    assert {event.data["job_id"] for event in events} == {job}
    assert events[0].data["type"] == "job_snapshot"
    end = events[-1]
    assert end.data["type"] == "job_completed"
    assert (end.data["status"], end.data["error"]) == ("completed", None)
    assert types(events) <= {
        "job_snapshot", "coverage", "job_counters", "job_stage_changed", "job_waiting",
        "job_synced", "job_completed",
    }  # fmt: skip
    positions = [event.id for event in events if event.id is not None]
    assert positions == sorted(positions)
    with listening(machine, job, last=end.id) as again:
        assert (again.status, again.body()) == (204, b"")
    with listening(machine, job[:8]) as fresh:
        told = list(fresh.events())
    assert (told[0].data["type"], told[-1].data["type"]) == ("job_snapshot", "job_completed")
    assert told[0].data["processed_repos"] == REPOS


def test_nobody_listens_to_a_job_that_is_not_there(machine: Machine) -> None:
    with pytest.raises(Refusal) as refusal:
        machine.control.get("/admin/backfill/zzz/events")
    assert (refusal.value.status, refusal.value.code) == (404, "job-not-found")
    with pytest.raises(Refusal) as refusal:
        machine.control.get("/admin/backfill/last/events", until="never")
    assert refusal.value.status == 400


def test_over_broken_lines_and_a_killed_daemon_every_repository_is_told_of(
    machine: Machine,
) -> None:
    job = machine.upload()
    told: list[Event] = []
    last, lines = 0, 0  # from the first event of the log on
    while True:
        with (
            suppress(OSError, http.client.HTTPException),
            listening(machine, job, "?repos=1&until=synced", last) as listener,
        ):
            lines += 1
            if listener.status == 204:
                break
            for n, event in enumerate(listener.events()):
                told.append(event)
                last = listener.last or 0
                if lines < 5 and n == 40:
                    break  # the line breaks
            if lines in (2, 4):
                machine.kill()
                machine.start()
    assert lines > 5
    assert len(set(dids(told, "repo_discovered"))) == REPOS
    resolved = [event.data for event in told if event.data["type"] == "repo_resolved"]
    assert {one["pds_endpoint"] for one in resolved} == {None}
    assert len({one["did"] for one in resolved}) == REPOS
    detail = machine.control.get(f"/admin/backfill/{job}")
    here = detail["sync"]["classes"].get("synced", 0) + detail["sync"]["classes"].get("empty", 0)
    fetched = {
        event.data["did"]: event.data["records_fetched"]
        for event in told
        if event.data["type"] == "repo_fetched"
    }
    assert len(fetched) == here
    stats = machine.control.get("/admin/stats")
    assert sum(fetched.values()) == stats["total_records"]
    assert types(told) >= {"job_snapshot", "job_completed", "job_synced"}


def test_a_job_that_waits_and_is_paused_says_so_and_the_stream_ends_with_the_daemon(
    machine: Machine, unused_port: int
) -> None:
    assert machine.stop() == 0
    config = machine.folder / "config.toml"
    relay = re.sub(
        r'urls = \["[^"]*"\]', f'urls = ["http://127.0.0.1:{unused_port}"]', config.read_text()
    )
    config.write_text(relay)
    machine.start()
    job = machine.upload()
    with listening(machine, job) as listener:
        events = listener.events()
        told = [next(events)]
        while told[-1].data["type"] != "job_waiting":
            told.append(next(events))
        assert (told[-1].data["lane"], told[-1].data["kind"]) == ("discovery", "unreachable")
        machine.control.post(f"/admin/backfill/{job}/pause", b'{"reason":"lunch"}')
        while told[-1].data["type"] != "job_completed":
            told.append(next(events))
        assert told[-1].data["status"] == "paused"
        machine.daemon.terminate()
        assert all(event.data["type"] != "job_completed" for event in events)
    assert machine.daemon.wait(30) == 0


def resident_kib(machine: Machine) -> int:
    status = Path(f"/proc/{machine.daemon.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


def test_many_who_listen_and_never_read_keep_no_job_back_and_no_memory(machine: Machine) -> None:
    body = json.dumps({"collection": STATUS}).encode()
    lexicon = json.dumps({"lexicon_json": LEXICON, "backfill": False}).encode()
    machine.control.post("/admin/lexicons", lexicon)
    job = machine.control.post("/admin/backfill", body).body["id"]
    before = resident_kib(machine)
    socket_path = machine.folder / "control.sock"
    route = f"/admin/backfill/{job}/events?repos=1&until=synced"
    slow = [Listening(socket_path, route, receive_buffer=2048) for _ in range(100)]

    def synced() -> Any:
        detail = machine.control.get(f"/admin/backfill/{job}")
        return detail if detail["sync"]["state"] == "synced" else None

    until(synced)
    assert resident_kib(machine) - before < 100 * 1024
    last = list(slow[0].events())[-1]
    assert last.data["type"] == "job_synced", "who reads after all is told the end"
    for one in slow:
        one.close()
    assert machine.control.get("/admin/health")["status"] == "ok"
    assert "Traceback" not in machine.said()


def test_the_log_is_a_stream_too_and_goes_on_where_it_broke(machine: Machine) -> None:
    job = machine.upload()
    socket_path = machine.folder / "control.sock"
    seen: list[int] = []
    last = None
    for _ in range(4):
        with Listening(socket_path, "/admin/log?stream=job/" + job, last) as listener:
            for n, event in enumerate(listener.events()):
                assert event.id == event.data["position"]
                seen.append(event.data["version"])
                last = event.id
                if n == 10 or event.data["type"] == "job.completed":
                    break
    assert seen == list(range(1, len(seen) + 1))
    assert machine.stop() == 0
    with machine.reader("events.db") as db:
        assert len(list(read.rows(db, stream=f"job/{job}"))) >= len(seen)
