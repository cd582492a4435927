"""Watching ends when all is here, and whoever leaves hears that the job goes on."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from unit.cli.fake_daemon import (
    ID,
    NSID,
    OTHER_ID,
    FakeDaemon,
    done,
    health,
    job,
    listed,
    problem,
    running,
    tap_waits,
)
from unit.cli.ran import Ctl
from unit.cli.terminal import command, on_a_terminal

from backfilld.control.shapes import FailureShape
from backfilld.control.shapes.progress import EtaShape, EtasShape, RateShape, RatesShape

ONE = f"GET /admin/backfill/{ID}"
JOBS = "GET /admin/backfill/status"
HEALTH = "GET /admin/health"


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
    daemon.answers(HEALTH, health())
    assert ctl("watch", ID).out.count("completed: 34,112 found") == 1
    paths = [path for _, path, _ in daemon.asked]
    assert paths.count(f"/admin/backfill/{ID}") == 3  # first for its whole id


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
    _, err = watching.communicate(timeout=60)
    assert watching.returncode == 130
    assert err == "\nThe job goes on.\nlook again: backfillctl watch 3b0d4f7e\n"


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
    assert "43 %  14,870  too early to say  58 parked by Tap" in seen
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


def test_two_jobs_are_shown_beneath_each_other_until_both_have_ended(daemon: FakeDaemon) -> None:
    other = f"GET /admin/backfill/{OTHER_ID}"
    daemon.answers(ONE, job(), job(), done())
    daemon.answers(other, done(id=OTHER_ID, collection="net.example.other"))
    seen = on_a_terminal(daemon, "watch", ID, OTHER_ID)
    assert seen.index("3b0d4f7e net.example.score") < seen.index("81c2aa01 net.example.other")
    assert "ctrl-c leaves; the jobs go on" in seen
    assert [path for _, path, _ in daemon.asked].count(f"/admin/backfill/{OTHER_ID}") == 2


def test_two_jobs_end_with_the_worst_and_are_one_document(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(ONE, done())
    daemon.answers(f"GET /admin/backfill/{OTHER_ID}", job("failed", found=0, id=OTHER_ID))
    ran = ctl("watch", ID, OTHER_ID, "--json")
    assert (ran.code, [one["id"] for one in ran.data]) == (7, [ID, OTHER_ID])
    assert ctl("watch", ID, ID, "--json").data["id"] == ID


def test_rates_and_ends_stand_beside_the_lanes(daemon: FakeDaemon) -> None:
    eta = EtasShape(
        EtaShape(25, 35, "25-35 s", None, 12_000, {}),
        EtaShape(2400, 3600, "40-60 min, not counting 58 parked", None, 19_000, {"parked": 58}),
    )
    none = RateShape(None, None)
    rates = RatesShape(none, RateShape(410.4, 400), RateShape(480, 500), none, 15, 1.0)
    classes = {"synced": 14_870, "parked": 58}
    going = job(classes=classes, eta=msgspec.to_builtins(eta), rates=msgspec.to_builtins(rates))
    daemon.answers(ONE, going, going, done())
    seen = on_a_terminal(daemon, "watch", ID)
    assert "22,112  410/s  in 25-35 s" in seen
    assert "1,204,551 records  480 records/s" in seen
    assert "in 40-60 min, not counting 58 parked" in seen
    assert "by Tap" not in seen


def test_whoever_watches_a_job_that_a_broken_log_holds_up_is_told_and_not_kept(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    daemon.answers(JOBS, [listed(job())])
    daemon.answers(ONE, {**msgspec.to_builtins(job("stalled")), "reason": "log_broken"})
    ran = ctl("watch")
    assert ran.code == 8
    assert ran.err == (
        "error: The sentence of stalled.\n  fix: see what is wrong: backfillctl log verify\n"
    )


@pytest.mark.parametrize("waits", [done(sync=job()["sync"]), job("paused")])
def test_so_is_who_watches_a_job_that_only_waits_for_records_or_is_paused(
    daemon: FakeDaemon, ctl: Ctl, waits: Any
) -> None:
    daemon.answers(ONE, waits)
    daemon.answers(HEALTH, health(), health(status="broken"), status=503)
    ran = ctl("watch", ID)
    assert (ran.code, ran.err) == (
        8,
        "error: The verdict.\n  fix: see what is wrong: backfillctl log verify\n",
    )
    assert ctl("watch", ID, "--json").fault["code"] == "log-broken"
