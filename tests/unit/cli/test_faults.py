"""What goes wrong is one sentence, a way out and an exit code; for programs one JSON document."""

import grp
import os
import socket
from pathlib import Path

import pytest
from unit.cli.fake_daemon import FakeDaemon, health, problem
from unit.cli.ran import Ctl, Ran

from backfilld.cli.ctl import run
from backfilld.control.caller.client import Control, NotPermitted

JOBS = "GET /admin/backfill/status"


def alone(capsys: pytest.CaptureFixture[str], *args: str) -> Ran:
    """backfillctl, where nobody runs a daemon."""
    code = run([*args])
    out, err = capsys.readouterr()
    return Ran(code, out, err)


def test_no_socket_and_a_dead_one_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.sock"
    ran = alone(capsys, "jobs", "--socket", str(path))
    assert ran.code == 3
    assert ran.err.startswith(f"error: cannot reach backfilld: there is no socket {path}\n  fix: ")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    ran = alone(capsys, "jobs", "--socket", str(path))
    assert ran.code == 3
    assert ran.err.startswith(f"error: cannot reach backfilld: nobody answers at {path}\n  fix: ")


def test_no_permission_names_the_group_and_exits_4(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: object, path: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", refuse)  # root may open anything

    def as_group(name: str) -> None:
        entry = grp.struct_group((name, "x", 1000, []))
        monkeypatch.setattr(grp, "getgrgid", lambda _: entry)

    monkeypatch.setattr(os, "getuid", lambda: 1000)
    as_group("backfilld")
    daemon.path.chmod(0o660)
    ran = alone(capsys, "jobs", "--socket", str(daemon.path))
    assert ran.code == 4
    assert f"permission denied on {daemon.path}\n  fix: the socket is for group " in ran.err
    assert "sudo usermod -aG backfilld " in ran.err
    as_group("root")  # nobody should be told to join that one
    assert "usermod" not in alone(capsys, "jobs", "--socket", str(daemon.path)).err
    daemon.path.chmod(0o600)
    with pytest.raises(NotPermitted) as fault:
        Control(str(daemon.path)).get("/admin/health")
    assert "for its owner alone" in fault.value.hint


def test_a_daemon_that_does_not_answer_in_time_exits_9(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.never_answers(JOBS)
    ran = ctl("jobs", "--timeout", "100ms")
    assert ran.code == 9
    assert ran.err.startswith("error: backfilld is there, but does not answer: ")


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 2), (401, 4), (403, 4), (404, 5), (409, 6), (500, 1), (502, 7), (503, 3), (418, 1)],
)
def test_each_refusal_has_its_exit_code_and_json_says_the_same(
    daemon: FakeDaemon, ctl: Ctl, status: int, code: int
) -> None:
    daemon.answers(JOBS, problem("No.", "a-code", "do that"), status=status)
    ran = ctl("jobs")
    assert (ran.code, ran.out, ran.err) == (code, "", "error: No.\n  fix: do that\n")
    for flag in ("--json", "--jsonl"):
        ran = ctl("jobs", flag)
        assert ran.code == code
        assert ran.fault == {"error": "No.", "code": "a-code", "hint": "do that"}


def test_a_refusal_cannot_move_the_cursor_either(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(JOBS, problem("No\x1b[2J.", "a-code", "do\rthat"), status=409)
    assert ctl("jobs").err == "error: No\\x1b[2J.\n  fix: do\\rthat\n"


def test_wrong_usage_is_json_too_when_a_program_asks(ctl: Ctl) -> None:
    ran = ctl("jobs", "--state", "nope", "--json")
    assert ran.code == 2
    assert ran.fault["code"] == "usage"
    assert ran.fault["hint"] == "backfillctl jobs -h"


def test_an_answer_of_another_shape_is_not_understood(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("GET /admin/health", {"status": "ok"})
    ran = ctl("status")
    assert ran.code == 1
    assert "is not what this backfillctl knows" in ran.err


def test_the_unexpected_is_told_as_our_bug_and_shown_with_v(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(JOBS, [{}])
    ran = ctl("jobs")
    assert (ran.code, ran.err.splitlines()[0]) == (1, "error: unexpected: KeyError: 'state'")
    assert "Traceback" not in ran.err
    ran = ctl("jobs", "-v")
    assert "Traceback" in ran.err
    assert "GET /admin/backfill/status " in ran.err


def test_the_socket_may_be_named_anywhere(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.answers("GET /admin/health", health())
    path = str(daemon.path)
    assert alone(capsys, "--json", "--socket", path, "status").code == 0
    assert alone(capsys, "status", "--socket", path, "--json").code == 0
    monkeypatch.setenv("BACKFILLD_SOCKET", path)
    assert alone(capsys, "status", "--json").code == 0
    assert alone(capsys, "status", "--json", "--socket", "/nope").code == 3
