"""The daemon verifies its log, and backfillctl waits for the end and says what came of it."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from unit.cli.fake_daemon import FakeDaemon, Lines, health, problem
from unit.cli.ran import Ctl
from unit.cli.terminal import on_a_terminal

from backfilld.cli.ctl import log_verify
from backfilld.control.verified import verification_shape
from backfilld.verification.known import Problem, Verification

VERIFY = "/admin/log/verify"
POST, GET = f"POST {VERIFY}", f"GET {VERIFY}"
NOON = 1_800_000_000.0
PROBLEM = Problem(7, "its hash does not follow from the row and the one before", NOON)


def told(**known: Any) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.to_builtins(verification_shape(Verification(**known)))
    return body


WELL = told(whole=48_213, hash=b"\x9f" * 32, at=NOON)
BROKEN = told(problem=PROBLEM)


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_verify, "POLL_S", 0.01)


def test_it_waits_for_the_end_and_says_what_was_found(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(POST, told(under_way=(0, 48_213)), status=202)
    daemon.answers(GET, told(under_way=(9, 48_213)), WELL)
    ran = ctl("log", "verify")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"OK  48,213 events, unbroken; #48213 is {'9f' * 32}\n"
    assert [call for call, *_ in daemon.asked] == ["POST", "GET", "GET"]


def test_a_log_that_does_not_verify_is_exit_8_with_what_to_do(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(POST, BROKEN, status=202)
    ran = ctl("log", "verify")
    assert ran.code == 8
    assert ran.out == (
        "BROKEN  The log does not verify: event 7: its hash does not follow from the row and the"
        " one before. Nothing more is written to it until you decide: docs/audit.md.\n"
    )
    ran = ctl("log", "verify", "--json")
    assert (ran.code, ran.data) == (8, BROKEN)


def test_a_program_gets_one_document_the_last(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(POST, told(under_way=(0, 48_213)), status=202)
    daemon.answers(GET, WELL)
    assert ctl("log", "verify", "--json").data == WELL
    assert json.loads(ctl("log", "verify", "--jsonl").out) == WELL


def test_when_its_time_is_over_it_goes_on_without_us(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(POST, told(under_way=(0, 9)), status=202)
    daemon.answers(GET, told(under_way=(1, 9)))
    ran = ctl("log", "verify", "--timeout", "100ms")
    assert (ran.code, ran.out) == (9, "")
    assert ran.err == (
        "error: not verified within 0.1s; it goes on\n  fix: look again: backfillctl log verify\n"
    )


def test_one_that_ends_without_a_word_is_no_success(daemon: FakeDaemon, ctl: Ctl) -> None:
    earlier = {"whole": 9, "hash": b"x" * 32, "at": NOON}
    daemon.answers(POST, told(under_way=(0, 48_213), **earlier), status=202)
    daemon.answers(GET, told(**earlier))
    ran = ctl("log", "verify")
    assert (ran.code, ran.out) == (1, "")
    assert "could not be read" in ran.err
    daemon.answers(GET, told(fault="it could not be read: disk I/O error", **earlier))
    assert "error: not verified: it could not be read: disk I/O error\n" in ctl("log", "verify").err
    daemon.answers(GET, told(**{**earlier, "at": NOON + 1}))
    assert ctl("log", "verify").code == 0


def test_a_daemon_that_is_started_anew_meanwhile_is_asked_anew(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    under_way = told(under_way=(0, 48_213))
    daemon.answers(POST, under_way, status=202)
    dying = Lines([], is_cut_off=True)
    daemon.answers(GET, dying, told(), under_way, WELL)
    ran = ctl("log", "verify")
    assert (ran.code, ran.out[:17]) == (0, "OK  48,213 events")
    assert "does not answer; trying again" in ran.err
    assert ran.err.endswith("backfilld answers again.\n")
    assert [call for call, *_ in daemon.asked] == ["POST", "GET", "GET", "POST", "GET", "GET"]


def test_whoever_leaves_hears_that_it_goes_on(
    daemon: FakeDaemon, ctl: Ctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(log_verify.time, "sleep", press)
    daemon.answers(POST, told(under_way=(0, 9)), status=202)
    ran = ctl("log", "verify")
    assert (ran.code, "It goes on." in ran.err) == (130, True)


def test_on_a_terminal_it_shows_how_far_it_is(daemon: FakeDaemon) -> None:
    daemon.answers(POST, told(under_way=(0, 48_213)), status=202)
    daemon.answers(GET, told(under_way=(25_000, 48_213)), WELL)
    seen = on_a_terminal(daemon, "log", "verify")
    assert "verifying" in seen
    assert "51%" in seen
    assert "48,213 events, unbroken" in seen


@pytest.mark.parametrize(
    "args", [("log", "checkpoint"), ("log", "export", "-"), ("jobs",), ("notify", "test")]
)
def test_whatever_is_refused_because_the_log_is_broken_is_exit_8(
    daemon: FakeDaemon, ctl: Ctl, args: tuple[str, ...]
) -> None:
    refusal = problem(PROBLEM.sentence, "log-broken", "nothing was done; stop backfilld")
    for call in (
        "GET /admin/log/checkpoint", "GET /admin/log/export", "GET /admin/backfill/status",
        "POST /admin/notify/test",
    ):  # fmt: skip
        daemon.answers(call, refusal, status=503)
    ran = ctl(*args)
    assert (ran.code, ran.out) == (8, "")
    assert ran.err.startswith("error: The log does not verify: event 7: ")
    assert "fix: nothing was done" in ran.err


def test_the_verdict_of_a_broken_log_is_an_answer_though_it_is_a_503(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    daemon.answers("GET /admin/health", health(status="broken"), status=503)
    assert ctl("status", "--json").data["status"] == "broken"
    daemon.answers("GET /admin/health", problem("starting", "starting"), status=503)
    assert ctl("status").code == 3


def test_an_export_is_a_file_when_it_is_whole_and_not_before(
    daemon: FakeDaemon, ctl: Ctl, tmp_path: Path
) -> None:
    file = tmp_path / "log.jsonl"
    daemon.answers("GET /admin/log/export", Lines([{"a": 1}, {"b": 2}]))
    ran = ctl("log", "export", str(file))
    assert (ran.code, ran.out) == (0, f"Wrote {file}, 18 bytes.\n")
    assert file.read_text() == '{"a": 1}\n{"b": 2}\n'
    assert file.stat().st_mode & 0o777 == 0o600
    daemon.answers("GET /admin/log/export", Lines([{"c": 3}], is_cut_off=True))
    ran = ctl("log", "export", str(tmp_path / "cut"))
    assert (ran.code, ran.out) == (3, "")
    assert "before its answer was whole" in ran.err
    assert [one.name for one in tmp_path.glob("cut*")] == []


def test_an_export_never_writes_over_a_file(daemon: FakeDaemon, ctl: Ctl, tmp_path: Path) -> None:
    file, partial = tmp_path / "log", tmp_path / "other.partial"
    file.write_text("x")
    partial.write_text("y")
    daemon.answers("GET /admin/log/export", Lines([{"a": 1}]))
    for name, says in (
        ("log", "it is there already; name a new file"),
        ("other", "left by a try that did not come to its end; remove it"),
        ("no/log", "No such file or directory"),
    ):
        ran = ctl("log", "export", str(tmp_path / name))
        assert (ran.code, ran.out) == (2, "")
        assert says in ran.err
    assert (file.read_text(), partial.read_text()) == ("x", "y")


def test_an_export_goes_to_standard_output_as_it_came(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("GET /admin/log/export", Lines([{"a": "ü"}]))
    ran = ctl("log", "export", "-")
    assert (ran.code, ran.out) == (0, '{"a": "\\u00fc"}\n')
