"""Starting a job: what is asked for is named, never guessed; waiting ends with the truth."""

from typing import Any

import pytest
from unit.cli.fake_daemon import ID, NSID, FakeDaemon, done, job, problem
from unit.cli.ran import Ctl

DID = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"


def started(**changes: Any) -> dict[str, Any]:
    body = {"id": ID, "status": "pending", "state": "pending", "collections": [NSID]}
    return {**body, "position": 41_190, **changes}


@pytest.mark.parametrize(
    ("args", "request_body"),
    [
        ([NSID], {"collection": NSID}),
        (["--did", DID], {"did": DID}),
        ([NSID, "--did", DID], {"collection": NSID, "did": DID}),
        (["--did", DID, "--did", "did:web:b.example"], {"dids": [DID, "did:web:b.example"]}),
        (["--all"], {}),
    ],
)
def test_it_asks_for_what_was_named(
    daemon: FakeDaemon, ctl: Ctl, args: list[str], request_body: dict[str, Any]
) -> None:
    daemon.answers("POST /admin/backfill", started(), status=201)
    assert ctl("start", *args).code == 0
    assert daemon.bodies == [request_body]


@pytest.mark.parametrize(
    "args", [[], [""], ["--did", ""], ["--did", DID, "--did", "  "], ["--all", NSID]]
)
def test_a_blank_list_is_an_error_and_never_everything(
    daemon: FakeDaemon, ctl: Ctl, args: list[str]
) -> None:
    ran = ctl("start", *args)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert daemon.asked == []


def test_it_tells_the_job_what_it_does_and_how_to_watch_it(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("POST /admin/backfill", started(), status=201)
    assert ctl("start", NSID).out == (
        f"Started job {ID}: lists the repositories that have {NSID}, and hands them to Tap.\n"
        "Watch: backfillctl watch 3b0d4f7e\n"
    )
    assert "hands 1 account to Tap, for" in ctl("start", "--did", DID).out
    assert ctl("start", NSID, "--json").data == started()


def test_a_job_that_failed_at_once_prints_its_sentence_and_exits_7(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    why = "no record lexicon net.example.score: add it first"
    body = started(status="failed", state="failed", error=why)
    daemon.answers("POST /admin/backfill", body, status=201)
    ran = ctl("start", NSID)
    assert (ran.code, ran.out) == (7, f"Job {ID} failed: {why}\n")
    ran = ctl("start", NSID, "--json", "--wait", "synced")
    assert (ran.code, ran.data["error"]) == (7, why)


def test_a_did_that_the_daemon_refuses_is_wrong_usage(daemon: FakeDaemon, ctl: Ctl) -> None:
    refusal = problem("not a DID: 'x'", "bad-did", "a DID looks like did:plc:…", "did")
    daemon.answers("POST /admin/backfill", refusal, status=400)
    ran = ctl("start", "--did", "x")
    assert ran.code == 2
    assert ran.err == "error: not a DID: 'x' (at did)\n  fix: a DID looks like did:plc:…\n"


def test_waiting_for_completed_does_not_wait_for_the_records(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("POST /admin/backfill", started(), status=201)
    daemon.answers(f"GET /admin/backfill/{ID}", job("pending"), job(), done(sync=job()["sync"]))
    ran = ctl("start", NSID, "--wait", "completed")
    assert ran.code == 0
    assert "3b0d4f7e running: 34,112 found, 22,112 handed off" in ran.err
    assert ran.out.endswith(
        "3b0d4f7e net.example.score: The sentence of completed.\n  The sentence of syncing.\n"
    )


def test_waiting_for_synced_ends_in_7_when_a_repository_failed(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    daemon.answers("POST /admin/backfill", started(), status=201)
    failed = job("completed", classes={"synced": 3, "gone": 1}, sync="synced_with_failures")
    daemon.answers(f"GET /admin/backfill/{ID}", job(), failed)
    ran = ctl("start", NSID, "--wait", "synced")
    assert ran.code == 7
    assert ran.out.endswith("See: backfillctl job 3b0d4f7e\n")
    ran = ctl("start", NSID, "--wait", "synced", "--json")
    assert (ran.code, ran.data, ran.err) == (7, failed, "")


def test_a_wait_that_runs_out_exits_9_and_says_that_the_job_goes_on(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    daemon.answers("POST /admin/backfill", started(), status=201)
    daemon.answers(f"GET /admin/backfill/{ID}", job())
    ran = ctl("start", NSID, "--wait", "synced", "--timeout", "100ms", "--json")
    assert ran.code == 9
    assert ran.fault == {
        "error": "not synced within 0.1s; the job goes on",
        "code": "timeout",
        "hint": "look again: backfillctl watch 3b0d4f7e",
    }


def several(n: int) -> list[dict[str, Any]]:
    return [started(id=f"{number:08d}{ID[8:]}") for number in range(n)]


def test_several_collections_are_a_job_each(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("POST /admin/backfill", *several(2), status=201)
    ran = ctl("start", "net.example.a", "net.example.b", "net.example.a", "--json")
    assert [body["collection"] for body in daemon.bodies] == ["net.example.a", "net.example.b"]
    assert ran.data == several(2)


def test_priority_and_reason_go_with_it(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("POST /admin/backfill", started(), status=201)
    assert ctl("start", NSID, "--priority", "-5", "--reason", "for the audit").code == 0
    assert daemon.bodies == [{"collection": NSID, "priority": -5, "reason": "for the audit"}]
    assert ctl("start", NSID, "--priority", "1001").code == 2
    assert ctl("start", NSID, "--reason", "x" * 501).code == 2


def test_a_job_that_was_there_already_is_joined(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("POST /admin/backfill", started(joined=True), status=201)
    assert ctl("start", NSID).out.startswith(f"Joined job {ID}, which was asked for before")


def test_a_refetch_asks_first_and_says_what_it_will_not_undo(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("POST /admin/backfill", started(), status=201)
    ran = ctl("start", NSID, "--mode", "refetch")
    assert (ran.code, daemon.asked) == (2, [])
    assert "records that do not come again are then removed here" in ran.err
    assert "--yes" in ran.err
    assert ctl("start", NSID, "--mode", "refetch", "--yes").code == 0
    assert ctl("start", NSID, "--mode", "add").code == 0
    assert daemon.bodies == [
        {"collection": NSID, "mode": "refetch"}, {"collection": NSID, "mode": "add"}
    ]  # fmt: skip
    assert "did you mean add?" in ctl("start", NSID, "--mode", "ad").err


def test_a_dry_run_says_what_a_refetch_would_take_out_of_tap(daemon: FakeDaemon, ctl: Ctl) -> None:
    refetch = {"repos": 18_000, "sentence": "18,000 repositories are fetched anew."}
    daemon.answers("POST /admin/backfill", plan(mode="refetch", refetch=refetch))
    ran = ctl("start", NSID, "--mode", "refetch", "--dry-run")
    assert (ran.code, ran.err) == (0, "Nothing was started: this was --dry-run.\n")
    assert "  Anew     18,000 repositories are fetched anew.\n" in ran.out


def test_a_lexicon_that_was_mistyped_gets_one_suggestion(daemon: FakeDaemon, ctl: Ctl) -> None:
    body = started(status="failed", state="failed", error="no record lexicon net.example.scor")
    daemon.answers("POST /admin/backfill", body, status=201)
    daemon.answers("GET /admin/lexicons", [{"id": "net.example.other"}, {"id": NSID}])
    ran = ctl("start", "net.example.scor")
    assert ran.code == 7
    assert ran.out == f"Job {ID} failed: no record lexicon net.example.scor; did you mean {NSID}?\n"


def plan(**changes: Any) -> dict[str, Any]:
    source = {
        "job_id": ID, "collections": [NSID], "completed_at": "2026-03-10T03:00:00.000Z",
        "repos": 18_234,
    }  # fmt: skip
    return {
        "dry_run": True, "collections": [NSID], "accounts": None, "would_join": None,
        "expected": {
            "repos": 18_234, "how": "estimate", "sentence": "About 18,234, as in job 3b0d4f7e.",
            "sources": [source],
        },
        "duration": {
            "low_s": 3000, "high_s": 3600, "text": "50-60 min", "withheld": None, "sources": [],
        },
        **changes,
    }  # fmt: skip


def test_a_dry_run_tells_what_it_rests_on_and_starts_nothing(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("POST /admin/backfill", plan(would_join=ID))
    ran = ctl("start", NSID, "--dry-run")
    assert ran.code == 0
    assert daemon.asked[0][2] == {"dry_run": ["1"]}
    assert ran.out.startswith(
        f"It would get {NSID}.\n"
        "  Repos    About 18,234, as in job 3b0d4f7e.\n"
        "  Time     handed to Tap in 50-60 min\n"
        "  From     job 3b0d4f7e, 18,234 repositories, ended 2026-03-10 08:30:00+05:30 ("
    )
    assert ran.out.endswith("  Joins    job 3b0d4f7e, which is the same and under way\n")
    assert ran.err == "Nothing was started: this was --dry-run.\n"
    assert ctl("start", NSID, "--dry-run", "--json").data == plan(would_join=ID)
    assert ctl("start", NSID, "--dry-run", "--wait", "synced").code == 2


def test_a_dry_run_of_what_would_fail_says_so_and_exits_7(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("POST /admin/backfill", plan(error="no record lexicon x.y.z"))
    ran = ctl("start", "x.y.z", "--dry-run")
    assert (ran.code, ran.out) == (7, "It would fail: no record lexicon x.y.z\n")


def test_waiting_for_several_jobs_ends_with_the_worst(daemon: FakeDaemon, ctl: Ctl) -> None:
    one, other = several(2)
    daemon.answers("POST /admin/backfill", one, other, status=201)
    daemon.answers(f"GET /admin/backfill/{one['id']}", done(id=one["id"]))
    daemon.answers(
        f"GET /admin/backfill/{other['id']}",
        job(id=other["id"]),
        job("failed", found=0, id=other["id"]),
    )
    ran = ctl("start", "net.example.a", "net.example.b", "--wait", "synced")
    assert ran.code == 7
    assert "00000000 net.example.score: The sentence of completed." in ran.out
    assert ran.out.endswith("00000001 net.example.score: The sentence of failed.\n")
