"""Comparing with the servers: one line says what came out, and the exit code whether it is good."""

from typing import Any

import pytest
from unit.cli.fake_daemon import ID, NSID, FakeDaemon, problem
from unit.cli.ran import Ctl

ASK = "POST /admin/reconcile"
ONE = f"GET /admin/reconcile/{ID}"
DID = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"
SENTENCE = "412 repositories compared with their servers: 412 agree to the record (16,480 records)"


def comparison(state: str = "ended", **changes: Any) -> dict[str, Any]:
    body = {
        "id": ID, "state": state, "sentence": SENTENCE, "scope": "some", "collections": [NSID],
        "method": "list", "repair": False, "actor": "uid:1000", "position": 7,
        "started_at": "2026-03-10T03:00:00.000Z", "ended_at": None, "why": None, "total": 412,
        "compared": 412, "agreeing": 412, "records": 16_480, "differing": 0, "unread": 0,
        "differences": [], "unreadable": [], "more": False,
    }  # fmt: skip
    return {**body, **changes}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 0),
        ({"differing": 1, "agreeing": 411}, 7),
        ({"unread": 3, "agreeing": 409}, 0),
        ({"unread": 412, "agreeing": 0}, 7),
        ({"compared": 0, "agreeing": 0}, 0),
        ({"state": "broken_off", "why": "uid:0 broke it off"}, 7),
    ],
)
def test_the_answer_is_one_line_and_its_exit_code(
    daemon: FakeDaemon, ctl: Ctl, changes: dict[str, Any], code: int
) -> None:
    daemon.answers(ASK, comparison("running", compared=0), status=201)
    daemon.answers(ONE, comparison("running", compared=50), comparison(**changes))
    ran = ctl("reconcile", NSID)
    assert (ran.code, ran.out) == (code, f"{SENTENCE}\n")
    assert daemon.bodies[0] == {"collection": NSID, "method": "list", "repair": False}
    assert ctl("reconcile", "--follow", ID, "--json").data == comparison(**changes)


@pytest.mark.parametrize(
    ("args", "body"),
    [
        (["last", "--all"], {"job": "last", "all": True}),
        (["3b0d"], {"job": "3b0d"}),
        ([], {}),
        (["--did", DID, "--did", "alice.test"], {"dids": [DID, "alice.test"]}),
        (
            [NSID, "--sample", "7", "--seed", "x", "--method", "repo", "--repair"],
            {"collection": NSID, "sample": 7, "seed": "x", "method": "repo", "repair": True},
        ),
    ],
)
def test_what_is_asked_for(
    daemon: FakeDaemon, ctl: Ctl, args: list[str], body: dict[str, Any]
) -> None:
    daemon.answers(ASK, comparison(), status=201)
    daemon.answers(ONE, comparison())
    assert ctl("reconcile", *args).code == 0
    assert daemon.bodies[0] == {"method": "list", "repair": False, **body}


def test_one_that_takes_longer_goes_on_and_can_be_found_again(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(ASK, comparison("running"), status=201)
    daemon.answers(ONE, comparison("running"))
    ran = ctl("reconcile", NSID, "--timeout", "300ms")
    assert (ran.code, ran.out) == (9, "")
    assert "it goes on" in ran.err
    assert f"backfillctl reconcile --follow {ID}" in ran.err


def test_one_can_be_broken_off(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(f"DELETE /admin/reconcile/{ID}", comparison("broken_off", why="x"))
    daemon.answers(ONE, comparison("broken_off", why="x"))
    ran = ctl("reconcile", "--stop", ID)
    assert (ran.code, ran.out) == (7, f"{SENTENCE}\n")


@pytest.mark.parametrize(
    "args", [["--follow", ID, NSID], ["--stop", ID, "--all"], ["--stop", ID, "--follow", ID]]
)
def test_to_look_again_begins_nothing(daemon: FakeDaemon, ctl: Ctl, args: list[str]) -> None:
    ran = ctl("reconcile", *args)
    assert (ran.code, daemon.asked) == (2, [])


def test_a_comparison_that_is_not_there_is_5(daemon: FakeDaemon, ctl: Ctl) -> None:
    refused = problem("no comparison 'x'", "comparison-not-found", "see the log")
    daemon.answers("GET /admin/reconcile/x", refused, status=404)
    assert ctl("reconcile", "--follow", "x").code == 5


@pytest.mark.parametrize("option", ["--follow", "--stop"])
def test_a_blank_id_names_no_comparison_and_begins_none(ctl: Ctl, option: str) -> None:
    ran = ctl("reconcile", option, "")
    assert (ran.code, "a blank id" in ran.err) == (2, True)
