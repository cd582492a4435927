"""The verdict comes first, and a monitor can ask for it by exit code."""

import json

import pytest
from msgspec.structs import replace
from unit.cli.fake_daemon import (
    BROKEN_LOG,
    ID,
    OTHER_ID,
    VERIFIED,
    FakeDaemon,
    done,
    health,
    job,
    problem,
    relay,
    relay_wait,
    tap_stats,
    tap_waits,
)
from unit.cli.ran import Ctl

from backfilld.cli.ctl import status
from backfilld.control.shapes import LeftShape
from backfilld.control.shapes.log import BreakShape, LogShape, WalkShape


def test_the_verdict_comes_before_any_number(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("GET /admin/health", health(done()))
    daemon.answers("GET /admin/tap/stats", tap_stats())
    ran = ctl("status")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "OK  The verdict.",
        "  tap    ✓ http://127.0.0.1:2480, 5,120 messages in its outbox",
        "  relay  https://relay1.example",
        "  index  1,900,000 records",
        "  log    ✓ 48,213 events, verified 2026-03-10 07:30:00+05:30 to #40,902",
        "JOB       WHAT               STATE      HANDED OFF  SYNC    SINCE",
        ran.out.splitlines()[6],
    ]
    assert ran.out.splitlines()[6].startswith("3b0d4f7e  net.example.score  completed  34,112 ")


def test_a_stalled_job_makes_it_waiting_and_says_where_to_look(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    stalled = job("stalled", waiting=[tap_waits()])
    daemon.answers(f"GET /admin/backfill/{ID}", stalled)
    daemon.answers("GET /admin/health", health(stalled, status="degraded", connected=False))
    daemon.answers(
        "GET /admin/tap/stats", problem("connection refused", "tap-unreachable"), status=502
    )
    ran = ctl("status")
    assert ran.code == 0
    assert ran.out.startswith("WAITING  The verdict.\n")
    assert "tap    ✗ http://127.0.0.1:2480 connection refused" in ran.out
    assert "stalled  64 % 22,112/34,112  syncing 43 %" in ran.out
    assert ran.out.endswith("See: backfillctl why\n")
    assert "See:" not in ctl("status", "-q").out


def test_what_stands_still_of_tap_is_named_with_its_age_and_what_is_usual_too(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    stall = {
        "kind": "channel_silent", "since": "2026-03-10T02:58:10.000Z", "sentence": "x", "next": "x",
        "you_may": "x", "data": "x",
    }  # fmt: skip
    daemon.answers("GET /admin/tap/stats", tap_stats())
    daemon.answers("GET /admin/health", {**health(status="degraded"), "stalls": [stall]})
    out = ctl("status").out
    assert "  stall  channel silent since 2026-03-10 08:28:10+05:30 (" in out
    assert out.endswith("See: backfillctl why\n")
    daemon.answers("GET /admin/health", {**health(), "quiet": "It is quiet."})
    assert "  quiet  It is quiet.\n" in ctl("status").out


def test_check_exits_7_only_when_something_is_wrong(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("GET /admin/tap/stats", tap_stats())
    daemon.answers("GET /admin/health", health())
    assert ctl("status", "--check").code == 0
    daemon.answers("GET /admin/health", health(status="degraded", connected=False))
    assert ctl("status", "--check").code == 7
    assert ctl("status", "--check", "--json").data["status"] == "degraded"


@pytest.mark.parametrize(
    ("log", "says"),
    [
        (LogShape(9, False), "9 events, not verified since backfilld started"),
        (LogShape(9, False, under_way=WalkShape(3, 8)), "9 events, being verified: #3 of 8"),
        (BROKEN_LOG, "✗ 48,213 events; it does not verify: event 7: missing"),
        (
            replace(BROKEN_LOG, problem=BreakShape(0, "no trigger", "2026-03-10T02:00:00Z", "x")),
            "✗ 48,213 events; it does not verify: no trigger",
        ),
    ],
)
def test_how_far_the_log_has_verified_is_told(
    daemon: FakeDaemon, ctl: Ctl, log: LogShape, says: str
) -> None:
    daemon.answers("GET /admin/health", health(log=log))
    daemon.answers("GET /admin/tap/stats", tap_stats())
    assert f"  log    {says}\n" in ctl("status").out


def test_a_checkpoint_that_is_not_kept_is_told(daemon: FakeDaemon, ctl: Ctl) -> None:
    log = replace(VERIFIED, checkpoint_fault="/mnt/x cannot be written: No space left on device")
    daemon.answers("GET /admin/health", health(log=log))
    daemon.answers("GET /admin/tap/stats", tap_stats())
    assert "  kept   ✗ no checkpoint: /mnt/x cannot be written: No space" in ctl("status").out


def test_repositories_that_differ_for_good_are_told_with_what_sets_one_right(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    daemon.answers("GET /admin/tap/stats", tap_stats())
    for repos, said in (
        (1, "1 repository does not have the records that should be here"),
        (2, "2 repositories do not have the records that should be here"),
    ):
        daemon.answers("GET /admin/health", health(differing=LeftShape(repos, "did:plc:a")))
        line = f"  rows   ✗ {said}: backfillctl reconcile --did did:plc:a --repair\n"
        assert line in ctl("status").out


def test_an_index_that_is_a_backup_is_told_with_what_brings_the_rest(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    daemon.answers("GET /admin/tap/stats", tap_stats())
    daemon.answers("GET /admin/health", health(restored="2026-03-10T02:00:00.000Z"))
    assert (
        "  copy   ✗ the index is a backup of 2026-03-10 07:30:00+05:30, and lacks what Tap sent"
        " after it: backfillctl start --all --mode refetch\n"
    ) in ctl("status").out


def test_breaks_that_somebody_accepted_are_told_in_a_line_only_if_there_are_any(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    daemon.answers("GET /admin/tap/stats", tap_stats())
    for accepted, line in (
        ([7], "  breaks 1 was accepted: #7\n"),
        ([7, 9], "  breaks 2 were accepted: #7, #9\n"),
        ([*range(1, 31)], ", #20 and 10 more\n"),
    ):
        daemon.answers("GET /admin/health", health(log=replace(VERIFIED, accepted=accepted)))
        assert line in ctl("status").out
    daemon.answers("GET /admin/health", health())
    assert "breaks" not in ctl("status").out


def test_a_broken_log_is_the_verdict_in_a_word_of_its_own_and_exit_8_for_a_monitor(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    body = health(status="broken", log=BROKEN_LOG)
    daemon.answers("GET /admin/health", body, status=503)
    daemon.answers("GET /admin/tap/stats", tap_stats())
    assert ctl("status").out.startswith("BROKEN  The verdict.\n")
    assert [ctl("status").code, ctl("status", "--check").code] == [0, 8]


def test_a_channel_that_is_down_is_told_though_tap_answers(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("GET /admin/health", health(status="degraded", connected=False))
    daemon.answers("GET /admin/tap/stats", tap_stats(connected=False))
    assert "answers, but the channel is down since 2026-03-10 08:28:10+05:30" in ctl("status").out


def test_counts_that_tap_does_not_tell_in_time_do_not_fail_the_status(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    daemon.answers("GET /admin/health", health())
    daemon.never_answers("GET /admin/tap/stats")
    ran = ctl("status", "--timeout", "200ms")
    assert ran.code == 0
    assert "does not tell its counts in time" in ran.out


def test_json_is_the_answer_of_the_api_and_one_request(daemon: FakeDaemon, ctl: Ctl) -> None:
    body = health(job())
    daemon.answers("GET /admin/health", body)
    assert ctl("status", "--json").data == body
    assert len(daemon.asked) == 1


def test_without_a_job_it_offers_the_first_step(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("GET /admin/health", health())
    daemon.answers("GET /admin/tap/stats", tap_stats())
    assert ctl("status").out.endswith("No job yet. Start one: backfillctl start NSID\n")


def test_a_daemon_of_another_version_is_told(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("GET /admin/health", {**health(), "version": "9.9.9", "news": 1})
    daemon.answers("GET /admin/tap/stats", tap_stats())
    assert "warning: backfilld is 9.9.9" in ctl("status").err


def test_no_bar_end_and_no_percent_while_a_listing_goes_on(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("GET /admin/health", health(job(listed=False), job(listed=False, found=0)))
    daemon.answers("GET /admin/tap/stats", tap_stats())
    table = ctl("status").out.partition("JOB")[2]
    assert "22,112 of 34,112 so far" in table
    assert "syncing, 14,870 here" in table
    assert "none found yet" in table
    assert "%" not in table


def test_a_job_under_way_tells_how_long_it_will_take(daemon: FakeDaemon, ctl: Ctl) -> None:
    known = {
        "low_s": 25, "high_s": 35, "text": "25-35 s", "withheld": None, "left": 1, "left_out": {},
    }  # fmt: skip
    daemon.answers("GET /admin/health", health(job(), done(id=OTHER_ID)))
    daemon.answers("GET /admin/tap/stats", tap_stats())
    body = job()
    daemon.answers(
        f"GET /admin/backfill/{ID}", {**body, "eta": {**body["eta"], "completed": known}}
    )
    head, first, second = ctl("status").out.splitlines()[-3:]
    assert head.endswith("SINCE  ETA")
    assert first.endswith("  in 25-35 s")
    assert second.endswith("  -")


def test_a_relay_that_keeps_a_job_waiting_is_told(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("GET /admin/health", health())
    daemon.answers("GET /admin/tap/stats", tap_stats())
    daemon.answers("GET /admin/relay", [relay(waiting=[relay_wait()])])
    assert (
        "  relay  ✗ https://relay1.example answered 429; next try 2026-03-10 08:34:40+05:30\n"
        in ctl("status").out
    )


def test_again_and_again_until_ctrl_c_whether_the_daemon_is_there_or_not(
    daemon: FakeDaemon, ctl: Ctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 2:
            daemon.path.unlink()
        if len(naps) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(status.time, "sleep", nap)
    daemon.answers("GET /admin/health", health(status="degraded"))
    ran = ctl("status", "-w", "--jsonl")
    assert (ran.code, naps) == (130, [2.0, 2.0, 2.0])
    assert [json.loads(line)["status"] for line in ran.out.splitlines()] == ["degraded"] * 2
    assert "there is no socket" in ran.err
    assert ctl("status", "-w", "--check").code == 2
    assert ctl("status", "-w", "--json").code == 2
