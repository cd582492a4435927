"""Pausing, resuming and cancelling: each says what it does not undo, and what is for good asks."""

import io
import sys
from typing import Any

import pytest
from unit.cli.fake_daemon import ID, FakeDaemon, done, job, problem
from unit.cli.ran import Ctl

LAST = "GET /admin/backfill/last"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def steered(state: str, **changes: Any) -> dict[str, Any]:
    note = "Tap goes on with the 22,112 repositories it already has."
    return {"id": ID, "status": state, "state": state, "note": note, "position": 48_300, **changes}


@pytest.mark.parametrize(
    ("verb", "state"), [("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")]
)
def test_it_tells_the_state_what_goes_on_and_the_event(
    daemon: FakeDaemon, ctl: Ctl, verb: str, state: str
) -> None:
    daemon.answers(LAST, job())
    daemon.answers(f"POST /admin/backfill/{ID}/{verb}", steered(state))
    yes = ["--yes"] if verb == "cancel" else []
    ran = ctl(verb, "last", "--reason", "PDS maintenance", *yes)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (
        f"3b0d4f7e net.example.score is {state}. Tap goes on with the 22,112 repositories it"
        " already has. (event #48300)\n"
    )
    assert daemon.bodies[-1] == {"reason": "PDS maintenance"}
    assert ctl(verb, "last", *yes, "--json").data == steered(state)
    assert daemon.bodies[-1] == {}


def test_what_was_so_already_is_no_error_and_no_event(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(LAST, job("paused"))
    daemon.answers(f"POST /admin/backfill/{ID}/pause", steered("paused", position=None))
    ran = ctl("pause", "last")
    assert ran.code == 0
    assert "is paused, as it was. Tap goes on" in ran.out
    assert "event" not in ran.out


def test_a_job_that_has_ended_is_refused_with_6(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(LAST, done())
    refusal = problem("job is not running (status: completed)", "job-not-running", "start anew")
    for verb in ("pause", "resume", "cancel"):
        daemon.answers(f"POST /admin/backfill/{ID}/{verb}", refusal, status=400)
        ran = ctl(verb, "last")
        assert (ran.code, ran.out) == (6, "")
        assert ran.err == "error: job is not running (status: completed)\n  fix: start anew\n"


def test_cancelling_needs_a_yes_and_says_what_it_will_not_undo(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    daemon.answers(LAST, job())
    for args in ([], ["--no-input"], ["--json"]):
        ran = ctl("cancel", "last", *args)
        assert (ran.code, ran.out) == (2, "")
        assert "backfillctl cancel 3b0d4f7e --yes; it ends for good: " in ran.err
        assert "22,112 repositories stay with Tap, 1,204,551 records stay here" in ran.err
        assert "12,000 found are never handed over" in ran.err
    assert [method for method, _, _ in daemon.asked] == ["GET"] * 3


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("n\n", 130), ("\n", 130)])
def test_on_a_terminal_cancelling_asks(
    daemon: FakeDaemon, ctl: Ctl, monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    daemon.answers(LAST, job())
    daemon.answers(f"POST /admin/backfill/{ID}/cancel", steered("cancelled"))
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    ran = ctl("cancel", "last")
    assert ran.code == code
    assert "Cancel 3b0d4f7e net.example.score? it ends for good: 22,112" in ran.err
    assert len(daemon.asked) == (2 if code == 0 else 1)


def test_a_reason_that_is_too_long_is_not_sent(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(LAST, job())
    ran = ctl("pause", "last", "--reason", "x" * 501)
    assert (ran.code, "at most 500 characters" in ran.err) == (2, True)
    assert [method for method, _, _ in daemon.asked] == ["GET"]


def test_a_job_that_is_mistyped_gets_one_suggestion(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("GET /admin/backfill/status", [{"id": ID}, {"id": "9" * 36}])
    ran = ctl("pause", "3b0d4f8e")
    assert ran.code == 5
    assert ran.err.startswith("error: backfill job not found; did you mean 3b0d4f7e?\n")
    assert ctl("pause", "zz").err.startswith("error: backfill job not found\n")
