"""Do I have everything? Asked of a real daemon over the real socket, by API and command line, of a
network in which every third account has some trouble."""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from support.given import did
from support.machine import BIN, SEED, STATUS, Machine, until

from backfilld.control.caller.client import Answer, Refusal
from backfilld.sandbox.world import World

REPOS = 120
HERE = ("synced", "empty")
NEEDED = {"connection_failed", "repo_deactivated", "repo_takendown"}  # the tests ask for these
WORLD = World(SEED, REPOS, (STATUS,), (5, 25), odd_share=0.3)


class Covered(Machine):
    """A machine in which one job has come to know what is wrong."""

    job = ""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Covered]:
    with ExitStack() as stack:
        options = ("--repos", str(REPOS), "--odd-share", "0.3")
        machine = Covered(tmp_path_factory.mktemp("coverage"), stack, faults=0, options=options)
        until(lambda: machine.control.get("/admin/health")["channel"]["connected"])
        machine.job = machine.upload()
        until(lambda: told(machine)["found"] == REPOS)
        until(lambda: {one["kind"] for one in told(machine)["kinds"]} >= NEEDED)
        until(lambda: told(machine)["classes"]["synced"] > 20)
        yield machine


def path(machine: Covered, rest: str = "") -> str:
    return f"/admin/backfill/{machine.job}{rest}"


def told(machine: Covered) -> dict[str, Any]:
    found: dict[str, Any] = machine.control.get("/admin/coverage", collection=STATUS)
    return found


def refused(machine: Covered, where: str, **query: Any) -> Refusal:
    with pytest.raises(Refusal) as refusal:
        machine.control.get(where, **query)
    assert refusal.value.hint
    return refusal.value


def every(machine: Covered, where: str, name: str, **query: Any) -> list[dict[str, Any]]:
    """All entries, in pages of seven."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = machine.control.get(where, cursor=cursor, limit=7, **query)
        found += page[name]
        if (cursor := page["cursor"]) is None:
            return found


def retried(machine: Covered, **body: Any) -> Answer:
    sent = json.dumps(body).encode()
    return machine.control.post(path(machine, "/retry-failed"), sent)


def ctl(machine: Covered, *args: str) -> subprocess.CompletedProcess[str]:
    socket = str(machine.folder / "control.sock")
    return subprocess.run(
        [str(BIN / "backfillctl"), *args], env={**os.environ, "BACKFILLD_SOCKET": socket},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_every_repository_is_behind_exactly_one_number(machine: Covered) -> None:
    """They go on changing meanwhile: one moment is one page."""
    body = machine.control.get("/admin/coverage", collection=STATUS, **{"class": "synced"})
    assert body["unexplained"] == 0
    assert sum(body["classes"].values()) == body["found"] == REPOS
    repositories = every(machine, path(machine, "/repos"), "repos")
    assert len({one["did"] for one in repositories}) == len(repositories) == REPOS
    for one in body["repositories"]:
        assert (one["state"], one["records"] > 0) == ("synced", True)
        assert one["position"] <= body["as_of"]["position"]
        assert WORLD.reason(one["did"]) in (None, "rate_limited_once", "undecodable")
    failed = every(
        machine, "/admin/coverage", "repositories", collection=STATUS, **{"class": "failed"}
    )
    assert {one["state"] for one in failed} == {"failed"}
    assert all(one["sentence"] and one["next"] and one["kind"] for one in failed)


def test_a_job_and_a_collection_that_are_not_there_are_404_with_a_hint(machine: Covered) -> None:
    nobody = "/admin/backfill/00000000-0000-4000-8000-000000000000"
    for rest in ("/repos", "/pds-summary", "/errors", "/coverage"):
        assert refused(machine, nobody + rest).status == 404
    refusal = refused(machine, "/admin/coverage", collection="net.example.none")
    assert (refusal.status, refusal.code) == (404, "collection-not-found")
    refusal = refused(machine, f"/admin/repos/{did(7)}")
    assert str(refusal) == "No job has ever seen this account"
    assert refusal.hint == f"backfill it: backfillctl start --did {did(7)}"


@pytest.mark.parametrize(
    ("rest", "query", "field"),
    [
        ("/coverage", {"class": "nonsense"}, "class"),
        ("/coverage", {"class": "open", "cursor": "x"}, "cursor"),
        ("/coverage", {"class": "open", "limit": 101}, "limit"),
        ("/repos", {"limit": 0}, "limit"),
        ("/repos", {"did": "nonsense"}, "did"),
        ("/repos", {"cursor": "r-1"}, "cursor"),
        ("/errors", {"kind": "nonsense"}, "kind"),
        ("/errors", {"cursor": "e1.2"}, "cursor"),
        ("/errors", {"wrong": "1"}, "wrong"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_field(
    machine: Covered, rest: str, query: dict[str, Any], field: str
) -> None:
    refusal = refused(machine, path(machine, rest), **query)
    assert (refusal.status, refusal.field) == (400, field)


def test_a_scripts_phases_mean_what_they_mean_at_happyviews(machine: Covered) -> None:
    fetched = every(machine, path(machine, "/repos"), "repos", phase="fetched")
    assert {(one["status"], one["state"] in HERE) for one in fetched} == {("completed", True)}
    (one,) = machine.control.get(path(machine, "/repos"), did=fetched[0]["did"])["repos"]
    assert one["records_fetched"] == fetched[0]["records_fetched"] > 0
    assert one["collections"] == [STATUS]
    whatever = machine.control.get(path(machine, "/repos"), phase="whatever", limit=100)["repos"]
    assert len(whatever) == 100
    servers = machine.control.get(path(machine, "/pds-summary"))["pds_endpoints"]
    assert sum(one["total_repos"] for one in servers) == REPOS
    assert servers[-1]["pds_endpoint"] is None


def test_failures_have_kind_reason_and_what_to_do(machine: Covered) -> None:
    errors = every(machine, path(machine, "/errors"), "errors")
    body = machine.control.get(path(machine, "/errors"), limit=1)
    assert (body["capped"], body["cap"]) == (False, 10_000)
    counts = {one["kind"]: one["count"] for one in body["counts"]}
    assert set(Counter(one["kind"] for one in errors)) <= set(counts) | {"rate_parked"}
    for one in errors:
        assert one["what_to_do"]
        assert len(one["message"]) <= 220
        assert one["collection"] == STATUS
    down = [one for one in errors if WORLD.reason(one["did"]) == "pds_down"]
    assert {(one["kind"], one["phase"]) for one in down} == {("connection_failed", "fetch")}
    (some, *_) = every(machine, path(machine, "/errors"), "errors", kind="connection_failed")
    assert some["attempts"] >= 1
    assert some["next_attempt_at"] > some["last_at"]


def test_what_failed_is_tried_again_in_a_job_that_names_the_first(machine: Covered) -> None:
    counts = machine.control.get(path(machine, "/errors"), limit=1)["counts"]
    answer = retried(machine, reason="the servers are back")
    assert answer.status == 201
    job = machine.control.get(f"/admin/backfill/{answer.body['id']}")
    assert (job["retries"], job["mode"], job["why"]) == (
        machine.job, "refetch", "the servers are back"
    )  # fmt: skip
    assert job["scope"] == "accounts"
    assert job["actor"] == f"uid:{os.getuid()}"
    assert answer.body["id"] in machine.control.get(path(machine))["retried_by"]
    final = [one["kind"] for one in counts if not one["retryable"]]
    assert final
    assert set(final) <= set(answer.body["skipped"])


def test_final_failures_and_single_accounts_are_tried_again_when_named(machine: Covered) -> None:
    (one, *_) = every(machine, path(machine, "/errors"), "errors", kind="repo_deactivated")
    here = machine.control.get(path(machine, "/repos"), phase="synced", limit=1)["repos"][0]["did"]
    answer = retried(machine, dids=[one["did"], here, did(7)])
    assert answer.body["retried_repos"] == 1
    assert answer.body["skipped"] == {"synced": 1, "not_of_this_job": 1}
    answer = retried(machine, kinds=["repo_takendown"])
    assert answer.body["retried_repos"] >= 1
    job = machine.control.get(f"/admin/backfill/{answer.body['id']}")
    assert job["kinds"] == ["repo_takendown"]


def test_a_retry_that_cannot_be_is_refused(machine: Covered) -> None:
    for body, status in (
        ({"kinds": ["nonsense"]}, 400), ({"kinds": []}, 400), ({"dids": []}, 400),
        ({"kinds": ["timeout"], "dids": [did(1)]}, 400), ({"dids": [did(7)]}, 400), ({"x": 1}, 422),
    ):  # fmt: skip
        with pytest.raises(Refusal) as refusal:
            retried(machine, **body)
        assert refusal.value.status == status
        assert refusal.value.hint
    with pytest.raises(Refusal, match="no retryable failures for this job"):
        retried(machine, kinds=["handoff_refused"])


def test_an_account_tells_its_history_from_the_listing_to_its_last_record(
    machine: Covered,
) -> None:
    (one, *_) = machine.control.get(path(machine, "/repos"), phase="fetched", limit=1)["repos"]
    found = machine.control.get(f"/admin/repos/{one['did']}")
    assert found["state"] in HERE
    assert {entry["collection"] for entry in found["standings"]} >= {STATUS}
    says = [line["says"] for line in found["history"]]
    assert says[0].startswith("found by http://")
    assert says[1].startswith("handed to Tap with entries")
    assert any("records committed" in line for line in says)
    assert any(line.startswith("Tap says active") for line in says)
    assert found["before"] is None


def test_a_dry_run_says_what_a_refetch_would_take_out_of_tap(machine: Covered) -> None:
    body = json.dumps({"collection": STATUS, "mode": "refetch"}).encode()
    plan = machine.control.post("/admin/backfill?dry_run=1", body).body
    assert plan["mode"] == "refetch"
    assert plan["refetch"]["repos"] > 20
    body = json.dumps({"collection": STATUS, "mode": "add"}).encode()
    assert machine.control.post("/admin/backfill?dry_run=1", body).body["refetch"]["repos"] == 0


def test_the_command_line_says_the_same(machine: Covered) -> None:
    ran = ctl(machine, "coverage", STATUS)
    assert ran.returncode in (0, 7), ran.stderr
    assert "repositories" in ran.stdout.splitlines()[0]
    ran = ctl(machine, "coverage", machine.job[:8], "--class", "synced", "--dids")
    synced = machine.control.get(path(machine, "/repos"), phase="synced", limit=1)["repos"]
    assert synced[0]["did"] in ran.stdout.splitlines()
    assert "KIND" in ctl(machine, "errors", machine.job).stdout
    again = ("errors", machine.job, "--kind", "connection_failed")
    until(lambda: "What to do: its server cannot be reached" in ctl(machine, *again).stdout)
    ran = ctl(machine, "repo", synced[0]["did"])
    assert ran.returncode == 0, ran.stderr
    assert f"SYNCED for {STATUS}" in ran.stdout
    assert "found by" in ran.stdout
    assert ctl(machine, "repo", did(7)).returncode == 5
    assert ctl(machine, "retry", machine.job, "--kind", "handoff_refused").returncode == 6
