"""Jobs over the real socket: every sample of the contract, and what is better here."""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from support.machine import LEXICON, STATUS, Machine, until

from backfilld.control.caller.client import Answer, Control, Refusal
from backfilld.control.views.jobs import PAGE_JOBS
from backfilld.sandbox.world import World

REPOS = 4_000  # in pages of 20, so that there is time to do something meanwhile
OTHER = "net.example.other"
WORLD = World(21, REPOS, (STATUS,), (5, 25))
ME = f"uid:{os.getuid()}"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with ExitStack() as stack:
        options = ("--repos", str(REPOS), "--outbox-only")
        machine = Machine(tmp_path_factory.mktemp("jobs"), stack, faults=0, options=options)
        machine.control = Control(str(machine.folder / "control.sock"), timeout_s=120)
        until(lambda: machine.control.get("/admin/health"))
        for nsid in (STATUS, OTHER):
            body = json.dumps({"lexicon_json": {**LEXICON, "id": nsid}, "backfill": False})
            machine.control.post("/admin/lexicons", body.encode())
        yield machine


@pytest.fixture
def job(machine: Machine) -> Iterator[str]:
    """A job of the whole network that is under way; nothing of it is left afterwards."""
    started = post(machine, "/admin/backfill", {"collection": STATUS}).body["id"]
    until(lambda: shown(machine, started)["processed_repos"] > 0)
    yield started
    if shown(machine, started)["completed_at"] is None:
        post(machine, f"/admin/backfill/{started}/cancel")
    until(lambda: shown(machine, started)["completed_at"])


@pytest.fixture
def held(machine: Machine) -> Iterator[str]:
    """A paused job; what it gives is its idempotency key, so that it can be asked for again."""
    key = f"held {time.monotonic()}"
    job = post(machine, "/admin/backfill", {"collection": STATUS}, Idempotency_Key=key).body["id"]
    until(lambda: shown(machine, job)["processed_repos"] > 0)
    assert post(machine, f"/admin/backfill/{job}/pause").body["status"] == "paused"
    yield key
    post(machine, f"/admin/backfill/{job}/cancel")


def post(machine: Machine, path: str, body: Any = None, **headers: str) -> Answer:
    sent = b"" if body is None else json.dumps(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return machine.control.post(path, sent, names)


def shown(machine: Machine, job: str) -> dict[str, Any]:
    found: dict[str, Any] = machine.control.get(f"/admin/backfill/{job}")
    return found


def refused(machine: Machine, path: str, body: Any = None, **headers: str) -> Refusal:
    with pytest.raises(Refusal) as refusal:
        post(machine, path, body, **headers)
    assert refusal.value.hint
    return refusal.value


def account(n: int) -> str:
    return WORLD.did(n)


def events(machine: Machine, job: str) -> list[dict[str, Any]]:
    return list(machine.control.lines("/admin/log", after=0, stream=f"job/{job}"))


# --- start ---------------------------------------------------------------------------------------


def test_a_job_is_answered_at_once_as_pending_with_its_targets(machine: Machine) -> None:
    answer = post(machine, "/admin/backfill", {"collection": STATUS, "did": account(1)})
    assert answer.status == 201
    assert answer.body.keys() == {"id", "status", "state", "collections", "position"}
    assert (answer.body["status"], answer.body["state"]) == ("pending", "pending")
    assert answer.body["collections"] == [STATUS]
    until(lambda: shown(machine, answer.body["id"])["status"] == "completed")
    detail = shown(machine, answer.body["id"])
    assert (detail["did"], detail["scope"], detail["total_repos"]) == (account(1), "accounts", 1)


def test_a_script_of_the_time_of_tap_reads_completed_from_its_post(machine: Machine) -> None:
    body = {"collection": STATUS, "dids": [account(n) for n in range(40)]}
    for path, headers in (
        ("/admin/backfill?wait=60", {}),
        ("/admin/backfill", {"Prefer": "respond-async, wait=60"}),
    ):
        answer = post(machine, path, body, **headers)
        assert answer.status == 201
        assert answer.body["status"] == "completed"
        assert answer.body["total_repos"] == 40
        assert "error" not in answer.body


def test_a_wait_that_is_too_short_is_answered_with_how_far_it_is(
    machine: Machine, held: str
) -> None:
    started = time.monotonic()
    asked = {"collection": STATUS}
    answer = post(machine, "/admin/backfill?wait=1", asked, Idempotency_Key=held)
    assert time.monotonic() - started >= 1
    assert (answer.status, answer.body["status"], answer.body["joined"]) == (201, "paused", True)
    assert answer.body["total_repos"] > 0


@pytest.mark.parametrize("wait", ["0", "-1", "3601", "x"])
def test_a_wait_is_for_an_hour_at_most(machine: Machine, wait: str) -> None:
    answer = refused(machine, f"/admin/backfill?wait={wait}", {"collection": STATUS})
    assert (answer.status, answer.field) == (400, "wait")


def test_whoever_hangs_up_while_waiting_ends_only_their_own_request(
    machine: Machine, held: str
) -> None:
    body = json.dumps({"collection": STATUS}).encode()
    head = (
        f"POST /admin/backfill?wait=600 HTTP/1.1\r\nhost: d\r\nidempotency-key: {held}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    before = connections(machine)
    with closing(socket.socket(socket.AF_UNIX)) as sock:
        sock.connect(str(machine.folder / "control.sock"))
        sock.sendall(head.encode() + body)
        (ours,) = until(lambda: connections(machine) - before)
        shown(machine, "last")  # it has been heard by now
        assert ours in connections(machine)
    until(lambda: ours not in connections(machine))
    assert shown(machine, "last")["status"] == "paused"


def connections(machine: Machine) -> set[str]:
    """The daemon's ends of the connections to its socket, by inode."""
    path = str(machine.folder / "control.sock")
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
    return {line[6] for line in lines if line[-1] == path and line[5] == "03"}


def test_an_unknown_collection_is_a_failed_job_and_no_request_to_the_relay(
    machine: Machine,
) -> None:
    answer = post(machine, "/admin/backfill", {"collection": "net.example.nope"})
    assert (answer.status, answer.body["status"]) == (201, "failed")
    assert "net.example.nope" in answer.body["error"]
    types = [row["type"] for row in events(machine, answer.body["id"])]
    assert types == ["job.started", "job.failed"]


def test_a_job_for_everything_when_there_is_nothing_is_completed_with_an_error(
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        machine = Machine(tmp_path, stack, faults=0)
        until(lambda: machine.control.get("/admin/health"))
        for path in ("/admin/backfill", "/admin/backfill?wait=5"):
            answer = post(machine, path, {})
            assert answer.status == 201
            assert answer.body["status"] == "completed"
            assert answer.body["error"] == "no backfill-eligible collections"
        (row, _) = machine.control.get("/admin/backfill/status")
        assert (row["status"], row["state"]) == ("completed", "failed")
        assert row["error"] == "no backfill-eligible collections"


def test_the_same_idempotency_key_is_the_same_job(machine: Machine) -> None:
    body = {"collection": STATUS, "dids": [account(2)]}
    first = post(machine, "/admin/backfill?wait=30", body, Idempotency_Key="nightly 1")
    assert "joined" not in first.body
    again = post(machine, "/admin/backfill", body, Idempotency_Key="nightly 1")
    assert (again.status, again.body["id"]) == (201, first.body["id"])
    assert (again.body["joined"], again.body["status"]) == (True, "completed")
    other = post(machine, "/admin/backfill", body, Idempotency_Key="nightly 2")
    assert other.body["id"] != first.body["id"]


def test_an_idempotency_key_stands_for_one_request(machine: Machine) -> None:
    body = {"collection": STATUS, "dids": [account(2)]}
    post(machine, "/admin/backfill?wait=30", body, Idempotency_Key="once")
    more = {"collection": STATUS, "dids": [account(2), account(3)]}
    answer = refused(machine, "/admin/backfill", more, Idempotency_Key="once")
    assert (answer.status, answer.code) == (409, "idempotency-key-reused")


@pytest.mark.parametrize("key", ["", "x" * 256, "n\xe4chtlich", "tab\tbed"])
def test_an_idempotency_key_is_short_and_printable(machine: Machine, key: str) -> None:
    answer = refused(machine, "/admin/backfill", {"collection": STATUS}, Idempotency_Key=key)
    assert answer.status == 400


def test_an_equal_job_that_is_under_way_is_joined(machine: Machine, job: str) -> None:
    answer = post(machine, "/admin/backfill", {"collection": STATUS})
    assert answer.status == 201
    assert (answer.body["id"], answer.body["joined"]) == (job, True)
    assert answer.body["status"] == "running"


def test_priority_and_reason_stand_in_the_log(machine: Machine) -> None:
    body = {"collection": STATUS, "did": account(3), "priority": 7, "reason": "ticket\n4711\x1b[2J"}
    job = post(machine, "/admin/backfill", body).body["id"]
    detail = shown(machine, job)
    assert (detail["priority"], detail["why"]) == (7, "ticket 4711 [2J")
    first, *_ = events(machine, job)
    assert first["actor"] == ME


# --- which accounts ------------------------------------------------------------------------------


def test_did_is_merged_into_dids_and_each_account_counts_once(machine: Machine) -> None:
    body = {
        "collection": STATUS, "did": f" {account(4)} ",
        "dids": [account(5), account(4), "", account(5)],
    }  # fmt: skip
    answer = post(machine, "/admin/backfill?wait=30", body)
    assert answer.body["total_repos"] == 2


def test_only_blank_entries_are_refused_and_never_mean_everybody(machine: Machine) -> None:
    for body in ({"did": ""}, {"dids": [" ", ""]}, {"dids": []}):
        answer = refused(machine, "/admin/backfill", body)
        assert (answer.status, str(answer)) == (
            400, "no valid accounts given: every entry was blank",
        )  # fmt: skip


def test_too_many_handles_are_refused(machine: Machine) -> None:
    handles = [f"user{n}.example.com" for n in range(501)]
    answer = refused(machine, "/admin/backfill", {"dids": handles})
    assert (answer.status, answer.field) == (400, "dids")
    assert str(answer) == "a backfill can target at most 500 accounts, got 501"


def test_plain_dids_go_up_to_a_hundred_thousand(machine: Machine) -> None:
    dids = [f"did:web:host{n}.example" for n in range(100_001)]
    answer = refused(machine, "/admin/backfill", {"collection": STATUS, "dids": dids})
    assert str(answer) == "a backfill can target at most 100000 accounts, got 100001"
    many = [account(n) for n in range(REPOS)]
    job = post(machine, "/admin/backfill?wait=60", {"collection": STATUS, "dids": many})
    assert (job.body["status"], job.body["total_repos"]) == ("completed", REPOS)


def test_one_refusal_names_every_bad_entry_and_nothing_is_started(machine: Machine) -> None:
    before = machine.control.get("/admin/backfill/status", limit=1)
    bad = [account(1), "nonsense", "did:plc", "also nonsense"]
    answer = refused(machine, "/admin/backfill", {"collection": STATUS, "dids": bad})
    assert answer.status == 400
    assert str(answer).startswith("could not resolve 3 account(s): ")
    for name in bad[1:]:
        assert f"'{name}'" in str(answer)
    assert machine.control.get("/admin/backfill/status", limit=1) == before


def test_of_very_many_bad_entries_the_first_are_spelled_out_and_the_rest_is_counted(
    machine: Machine,
) -> None:
    bad = [f"nonsense{n}" for n in range(700)]
    text = str(refused(machine, "/admin/backfill", {"dids": bad}))
    assert text.startswith("could not resolve 700 account(s): 'nonsense0'")
    assert "'nonsense19'" in text
    assert "'nonsense20'" not in text
    assert text.endswith("; and 680 more")


# --- dry run -------------------------------------------------------------------------------------


def test_a_dry_run_writes_nothing_and_says_what_the_job_would_be(machine: Machine) -> None:
    body = {"collection": STATUS, "dids": [account(1), account(2), account(1)]}
    position = machine.control.get("/admin/health")["log"]["position"]
    answer = post(machine, "/admin/backfill?dry_run=1", body)
    assert answer.status == 200
    plan = answer.body
    assert (plan["dry_run"], plan["collections"], plan["accounts"]) == (True, [STATUS], 2)
    assert (plan["expected"]["repos"], plan["expected"]["how"]) == (2, "exact")
    assert plan["would_join"] is None
    assert machine.control.get("/admin/health")["log"]["position"] == position


def test_what_no_job_has_listed_is_not_known_and_never_zero(machine: Machine) -> None:
    plan = post(machine, "/admin/backfill?dry_run=1", {"collection": OTHER}).body
    assert (plan["expected"]["repos"], plan["expected"]["how"]) == (None, "unknown")
    assert (plan["duration"]["low_s"], plan["duration"]["withheld"]) == (None, "unknown")


def test_a_dry_run_tells_the_job_it_would_join(machine: Machine, job: str) -> None:
    plan = post(machine, "/admin/backfill?dry_run=1", {"collection": STATUS}).body
    assert plan["would_join"] == job


def test_a_dry_run_of_what_would_fail_says_why(machine: Machine) -> None:
    plan = post(machine, "/admin/backfill?dry_run=1", {"collection": "net.example.nope"}).body
    assert "net.example.nope" in plan["error"]
    assert plan["expected"]["repos"] is None


def test_an_estimate_names_the_earlier_job_and_how_long_it_will_take(machine: Machine) -> None:
    whole = post(machine, "/admin/backfill?wait=120", {"collection": STATUS}).body
    assert (whole["status"], whole["total_repos"]) == ("completed", REPOS)
    plan = post(machine, "/admin/backfill?dry_run=1", {"collection": STATUS}).body
    assert (plan["expected"]["repos"], plan["expected"]["how"]) == (REPOS, "estimate")
    (source,) = plan["expected"]["sources"]
    assert source["job_id"] == whole["id"]
    assert source["completed_at"][:10] in plan["expected"]["sentence"]
    duration = plan["duration"]
    assert whole["id"] in [one["job_id"] for one in duration["sources"]]
    assert 0 <= duration["low_s"] <= (duration["high_s"] or duration["low_s"])


# --- list ----------------------------------------------------------------------------------------


def test_the_list_is_a_bare_array_newest_first_with_happyviews_fields(machine: Machine) -> None:
    rows = machine.control.get("/admin/backfill/status")
    assert isinstance(rows, list)
    assert list(rows[0])[:16] == [
        "id", "collection", "did", "status", "total_repos", "processed_repos", "total_records",
        "error", "started_at", "completed_at", "created_at",
        "stage", "resolved_repos", "scope", "discovery_complete", "recent_completions_limit",
    ]  # fmt: skip
    created = [row["position"] for row in rows]
    assert created == sorted(created, reverse=True)


def test_with_a_limit_the_link_leads_through_all_of_them(machine: Machine) -> None:
    everyone = [row["id"] for row in machine.control.get("/admin/backfill/status")]
    assert len(everyone) > 6
    seen: list[str] = []
    cursor = None
    while True:
        answer = machine.control.ask("/admin/backfill/status", limit=3, cursor=cursor)
        assert isinstance(answer.body, list)
        seen += [row["id"] for row in answer.body]
        if (cursor := answer.cursor) is None:
            break
        assert len(answer.body) == 3
    assert seen == everyone


def test_every_job_ever_is_one_array_however_many_there_are(machine: Machine) -> None:
    many = [f"net.example.missing{n}" for n in range(PAGE_JOBS + 20)]
    for nsid in many:
        post(machine, "/admin/backfill", {"collection": nsid})
    rows = machine.control.get("/admin/backfill/status")
    assert [row["collection"] for row in rows[: len(many)]] == many[::-1]
    assert len(rows) > len(many)
    paged = machine.control.ask("/admin/backfill/status", limit=PAGE_JOBS + 5)
    assert [row["id"] for row in paged.body] == [row["id"] for row in rows[: PAGE_JOBS + 5]]
    assert paged.cursor is not None


def test_the_list_is_filtered_by_status_collection_and_account(machine: Machine) -> None:
    rows = machine.control.get("/admin/backfill/status")
    for status in ("completed", "failed", "cancelled", "pending"):
        found = machine.control.get("/admin/backfill/status", status=status)
        assert found == [row for row in rows if row["status"] == status]
    found = machine.control.get("/admin/backfill/status", collection="net.example.nope")
    assert {row["collection"] for row in found} == {"net.example.nope"}
    for limit in (None, 1000):
        found = machine.control.get("/admin/backfill/status", did=account(2), limit=limit)
        assert found
        assert all(row["scope"] == "accounts" for row in found)
        assert len([row for row in found if row["did"] is None]) >= 1, "it was in a list"
    assert machine.control.get("/admin/backfill/status", did="did:web:nobody.example") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "done"}, "status"), ({"limit": 0}, "limit"), ({"limit": 1001}, "limit"),
        ({"cursor": "x"}, "cursor"), ({"cursor": "j\u0664"}, "cursor"), ({"did": "me"}, "did"),
        ({"collection": "x"}, "collection"), ({"colection": "x"}, "colection"),
    ],
)  # fmt: skip
def test_a_filter_that_is_none_is_refused(
    machine: Machine, query: dict[str, Any], field: str
) -> None:
    with pytest.raises(Refusal) as refusal:
        machine.control.get("/admin/backfill/status", **query)
    assert (refusal.value.status, refusal.value.field) == (400, field)


# --- pause, resume, cancel -----------------------------------------------------------------------


def test_pause_resume_and_cancel_as_happyview_has_them(machine: Machine, job: str) -> None:
    paused = post(machine, f"/admin/backfill/{job}/pause", {"reason": "PDS maintenance"})
    assert paused.status == 200
    assert (paused.body["id"], paused.body["status"]) == (job, "paused")
    detail = shown(machine, job)
    has = detail["processed_repos"]
    assert paused.body["note"] == f"Tap goes on with the {has:,} repositories it already has."
    assert "by " + ME + ": 'PDS maintenance'" in detail["sentence"]
    event = events(machine, job)[-1]
    written = [row for row in events(machine, job) if row["type"] == "job.paused"]
    assert [row["position"] for row in written] == [paused.body["position"]]
    assert written[0]["actor"] == ME
    assert event["position"] >= paused.body["position"]

    again = post(machine, f"/admin/backfill/{job}/pause")
    assert (again.status, again.body["status"], again.body["position"]) == (200, "paused", None)

    resumed = post(machine, f"/admin/backfill/{job}/resume", {})
    assert (resumed.status, resumed.body["status"]) == (200, "running")
    twice = post(machine, f"/admin/backfill/{job}/resume")
    assert (twice.status, twice.body["status"]) == (200, "running")
    until(lambda: shown(machine, job)["processed_repos"] > has)

    cancelled = post(machine, f"/admin/backfill/{job}/cancel", {"reason": "enough"})
    assert (cancelled.status, cancelled.body["status"]) == (200, "cancelled")
    again = post(machine, f"/admin/backfill/{job}/cancel")
    assert (again.status, again.body["status"]) == (200, "cancelled")
    row = shown(machine, job)
    assert (row["status"], row["error"]) == ("cancelled", f"cancelled by {ME}")
    assert row["completed_at"] is not None
    for verb, wanted in (("pause", "running"), ("resume", "paused")):
        answer = refused(machine, f"/admin/backfill/{job}/{verb}")
        assert answer.status == 400
        assert str(answer) == f"job is not {wanted} (status: cancelled)"
        assert answer.code == f"job-not-{wanted}"


def test_a_paused_job_is_cancelled_too(machine: Machine, job: str) -> None:
    post(machine, f"/admin/backfill/{job}/pause")
    answer = post(machine, f"/admin/backfill/{job}/cancel")
    assert (answer.status, answer.body["status"]) == (200, "cancelled")


def test_a_job_that_has_ended_says_how(machine: Machine) -> None:
    completed = machine.control.get("/admin/backfill/status", status="completed", limit=1)[0]["id"]
    failed = machine.control.get("/admin/backfill/status", status="failed", limit=1)[0]["id"]
    for job, status in ((completed, "completed"), (failed, "failed")):
        for verb in ("pause", "cancel"):
            answer = refused(machine, f"/admin/backfill/{job}/{verb}")
            assert answer.status == 400
            assert str(answer) == f"job is not running (status: {status})"
        answer = refused(machine, f"/admin/backfill/{job}/resume")
        assert str(answer) == f"job is not paused (status: {status})"


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
def test_a_job_that_is_not_there_is_a_404(machine: Machine, verb: str) -> None:
    answer = refused(machine, f"/admin/backfill/{'0' * 8}-0000-4000-8000-000000000000/{verb}")
    assert (answer.status, str(answer)) == (404, "backfill job not found")


def test_a_reason_is_one_line_of_at_most_500_characters(machine: Machine, job: str) -> None:
    answer = refused(machine, f"/admin/backfill/{job}/pause", {"reason": "x" * 501})
    assert (answer.status, answer.field) == (422, "reason")
    answer = refused(machine, f"/admin/backfill/{job}/pause", {"raeson": "x"})
    assert answer.status == 422
    assert shown(machine, job)["status"] == "running", "nothing was done"
    post(machine, f"/admin/backfill/{job}/pause", {"reason": "two\nlines\x07" + "y" * 480})
    (row,) = [row for row in events(machine, job) if row["type"] == "job.paused"]
    assert row["payload"]["reason"] == "two lines " + "y" * 480


def test_a_job_is_named_by_the_beginning_of_its_id(machine: Machine, job: str) -> None:
    answer = post(machine, f"/admin/backfill/{job[:8]}/pause")
    assert answer.body["id"] == job
    assert post(machine, "/admin/backfill/last/resume").body["id"] == job


# --- one job -------------------------------------------------------------------------------------


def test_a_job_tells_its_lanes_what_comes_next_and_what_may_be_done(
    machine: Machine, job: str
) -> None:
    detail = shown(machine, job)
    assert detail["lanes"].keys() == {"discovery", "handoff", "arrival", "synced"}
    lanes = detail["lanes"]
    assert lanes["discovery"]["done"] >= lanes["handoff"]["done"] > 0
    if not detail["discovery_complete"]:
        assert lanes["handoff"]["percent"] is None, "only against a finished total"
        assert detail["eta"]["completed"]["withheld"] == "listing"
    assert detail["eta"].keys() == {"completed", "synced"}
    assert detail["next"] == "It goes on by itself until every repository is handed to Tap."
    allowed = {one["action"]: one["allowed"] for one in detail["actions"]}
    assert allowed == {"pause": True, "resume": False, "cancel": True}
    post(machine, f"/admin/backfill/{job}/pause")
    detail = shown(machine, job)
    assert (detail["state"], detail["eta"]["completed"]["withheld"]) == ("paused", "paused")
    assert detail["next"] == "Nothing, until somebody resumes it."
    why_not = {one["action"]: one["why_not"] for one in detail["actions"]}
    assert why_not == {"pause": "it is paused", "resume": None, "cancel": None}


def test_rates_appear_while_a_job_is_watched_and_can_be_dropped(machine: Machine, job: str) -> None:
    until(lambda: shown(machine, job)["rates"]["age_s"] is not None)
    assert machine.control.delete(f"/admin/backfill/{job}/details").status == 204
    assert machine.control.delete("/admin/backfill/details").status == 204
    nobody = "/admin/backfill/00000000-0000-4000-8000-000000000000/details"
    assert machine.control.delete(nobody).status == 204


# --- last: it ends the daemon --------------------------------------------------------------------


def test_the_stop_of_the_daemon_ends_a_wait_with_an_answer(machine: Machine, held: str) -> None:
    answers: list[dict[str, Any]] = []

    def wait() -> None:
        asked = {"collection": STATUS}
        answers.append(post(machine, "/admin/backfill?wait=600", asked, Idempotency_Key=held).body)

    before = connections(machine)
    thread = threading.Thread(target=wait)
    thread.start()
    until(lambda: connections(machine) - before)
    shown(machine, "last")  # it has been heard by now
    assert thread.is_alive()
    assert machine.stop() == 0
    thread.join(30)
    (answer,) = answers
    assert (answer["status"], answer["joined"]) == ("paused", True)
    machine.start()
    until(lambda: machine.control.get("/admin/health"))
