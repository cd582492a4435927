"""Watching ends when all is here, and whoever leaves hears that the job goes on."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from unit.cli.fake_daemon import (
    CTL,
    ID,
    NSID,
    OTHER_ID,
    FakeDaemon,
    done,
    job,
    listed,
    problem,
    running,
    tap_waits,
)
from unit.cli.ran import Ctl

from backfilld.control.shapes import FailureShape

ONE = f"GET /admin/backfill/{ID}"
JOBS = "GET /admin/backfill/status"


def command(daemon: FakeDaemon, *args: str) -> list[str]:
    return [sys.executable, "-c", CTL, "--socket", str(daemon.path), *args]


def test_without_a_terminal_each_change_is_one_line(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(JOBS, [listed(job())])
    so_far = job(listed=False, handed=0, classes={"discovered": 9})
    daemon.answers(ONE, so_far, so_far, job("stalled", waiting=[tap_waits()]), done())
    ran = ctl("watch")
    lines = [line.partition("+05:30 ")[2] for line in ran.out.splitlines()]
    assert lines == [
        "3b0d4f7e running: 34,112 found so far, 0 handed off, 0 arrived, 0 synced;"
        " 1,204,551 records",
        "3b0d4f7e stalled: 34,112 found, 22,112 handed off, 14,870 arrived, 14,870 synced;"
        " 1,204,551 records. The sentence of stalled.",
        "3b0d4f7e completed: 34,112 found, 34,112 handed off, 34,112 arrived, 34,112 synced;"
        " 1,204,551 records",
        "",
        "",
    ]
    assert ran.out.endswith(
        "3b0d4f7e net.example.score: The sentence of completed.\n  The sentence of synced.\n"
    )
    assert ran.code == 0


def test_quiet_tells_only_the_end(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(ONE, job(), done())
    assert ctl("watch", ID, "-q").out.startswith("3b0d4f7e net.example.score: The sentence")


def test_it_takes_the_job_that_is_under_way_before_the_last_one(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    daemon.answers(JOBS, [listed(done(id=OTHER_ID)), listed(job())])
    daemon.answers(ONE, done())
    daemon.answers(f"GET /admin/backfill/{OTHER_ID}", done(id=OTHER_ID))
    assert ctl("watch", "--json").data["id"] == ID
    daemon.answers(JOBS, [listed(done(id=OTHER_ID)), listed(done())])
    assert ctl("watch", "--json").data["id"] == OTHER_ID


def test_a_name_is_resolved_once(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("GET /admin/backfill/last", job())
    daemon.answers(ONE, job(), done())
    assert ctl("watch", "last").code == 0
    assert [path for _, path, _ in daemon.asked].count("/admin/backfill/last") == 1


def test_jsonl_is_one_object_a_change_without_the_flood_of_failures(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    failures = [FailureShape("did:web:a.example", "failed", "gone", 1)]
    daemon.answers(ONE, job(failures=failures), job(), job(), done())
    lines = [json.loads(line) for line in ctl("watch", ID, "--jsonl").out.splitlines()]
    assert [line["state"] for line in lines] == ["running", "completed"]
    assert "failures" not in lines[0]


def test_it_does_not_end_before_the_records_are_here(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(ONE, done(sync=job()["sync"]), done(sync=job()["sync"]), done())
    assert ctl("watch", ID).out.count("completed: 34,112 found") == 2


def test_a_failed_job_ends_it_with_7(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(ONE, job(), job("failed", found=0))
    ran = ctl("watch", ID)
    assert ran.code == 7
    assert ran.out.endswith("3b0d4f7e net.example.score: The sentence of failed.\n")


def test_errors_end_it_with_7_though_all_that_came_is_here(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(ONE, done(state="completed_with_errors"))
    assert ctl("watch", ID).code == 7


def test_no_job_at_all_exits_5(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(JOBS, [])
    ran = ctl("watch")
    assert (ran.code, ran.err) == (
        5,
        "error: there is no job yet\n  fix: start one: backfillctl start NSID\n",
    )


def test_a_refusal_in_the_middle_is_told(daemon: FakeDaemon, ctl: Ctl) -> None:
    body = {**problem("Internal server error", "internal"), "correlationId": "abc123"}
    daemon.answers(ONE, body, status=500)
    ran = ctl("watch", ID)
    assert ran.code == 1
    assert "journalctl -u backfilld | grep abc123" in ran.err


def test_a_daemon_that_restarts_meanwhile_is_waited_for(tmp_path: Path) -> None:
    with running(tmp_path / "control.sock") as first:
        first.answers(ONE, job())
        watching = subprocess.Popen(
            command(first, "watch", ID), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert watching.stdout is not None
        assert watching.stderr is not None
        with watching.stdout, watching.stderr:
            assert "running" in watching.stdout.readline()
            first.path.unlink()
            assert "does not answer; trying again" in watching.stderr.readline()
            with running(first.path) as second:
                second.answers(ONE, done())
                assert "completed" in watching.stdout.readline()
                assert "answers again" in watching.stderr.readline()
                assert watching.wait(10) == 0


def test_ctrl_c_exits_130_and_says_that_the_job_goes_on(daemon: FakeDaemon) -> None:
    daemon.answers(ONE, job())
    watching = subprocess.Popen(
        command(daemon, "watch", ID), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert watching.stdout is not None
    assert "running" in watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=10)
    assert watching.returncode == 130
    assert err == "\nThe job goes on.\nlook again: backfillctl watch 3b0d4f7e\n"


def on_a_terminal(daemon: FakeDaemon, *args: str, **environment: str) -> str:
    ours, theirs = pty.openpty()
    surroundings: dict[str, Any] = {**os.environ, "TERM": "xterm", "COLUMNS": "120", **environment}
    child = subprocess.Popen(
        command(daemon, *args), stdin=theirs, stdout=theirs, stderr=theirs, env=surroundings
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            seen += os.read(ours, 65_536)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    assert child.wait(10) == 0
    return seen.decode()


def test_on_a_terminal_there_are_bars_with_percents_of_a_finished_total(
    daemon: FakeDaemon,
) -> None:
    parked = {"synced": 14_870, "arriving": 1_030, "parked": 58, "failed": 200, "gone": 12}
    daemon.answers(ONE, job(classes=parked), done(collection="net.[bold]x"))
    daemon.answers("GET /admin/backfill/last", job())
    seen = on_a_terminal(daemon, "watch", "last", NO_COLOR="1")
    assert "━━━━" in seen
    assert "64 %  22,112" in seen
    assert "46 %  15,900  1,204,551 records" in seen
    assert "43 %  14,870  58 parked by Tap" in seen
    assert "212  failed 200 · gone 12" in seen
    assert "ctrl-c leaves; the job goes on" in seen
    assert "net.[bold]x COMPLETED" in seen


def test_while_a_listing_goes_on_no_bar_has_an_end(daemon: FakeDaemon) -> None:
    daemon.answers(JOBS, [listed(job())])
    daemon.answers(ONE, job(listed=False), done())
    seen = on_a_terminal(daemon, "watch").partition("COMPLETED")[0]
    assert "so far; the listing goes on" in seen
    assert "%" not in seen
    assert NSID in seen
