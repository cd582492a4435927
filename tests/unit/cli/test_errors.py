"""What failed, by kind, with what to do; and another try for it."""

from typing import Any

import msgspec
import pytest
from unit.cli.fake_daemon import ID, FakeDaemon, job, problem
from unit.cli.ran import Ctl

from backfilld.control.shapes.errors import Errors, ErrorShape, KindShape, Retried

LAST = "GET /admin/backfill/last"
ERRORS = f"GET /admin/backfill/{ID}/errors"
RETRY = f"POST /admin/backfill/{ID}/retry-failed"
DID = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"
NEW = "81c2aa01-1111-4222-8333-444455556666"


def failed(*errors: ErrorShape, cursor: str | None = None) -> dict[str, Any]:
    counts = [KindShape("timeout", 17, True, "wait"), KindShape("too_large", 195, False, "no")]
    body: dict[str, Any] = msgspec.to_builtins(Errors(list(errors), cursor, counts))
    return body


def failure(n: int) -> ErrorShape:
    return ErrorShape(
        did=f"did:web:r{n}.example",
        collection=None,
        phase="fetch",
        kind="timeout",
        message="context deadline exceeded",
        attempts=3,
        last_at="2026-03-10T02:58:10.000Z",
        next_attempt_at="2026-03-10T03:02:10.000Z",
        what_to_do="wait",
        position=n,
    )


def retried(**changes: Any) -> dict[str, Any]:
    shape = Retried(NEW, "running", "running", ID, 17, {"too_large": 195}, 48_300)
    return {**msgspec.to_builtins(shape), **changes}


@pytest.fixture(autouse=True)
def a_job(daemon: FakeDaemon) -> None:
    daemon.answers(LAST, job())


def test_failures_are_told_by_kind_with_what_to_do(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(ERRORS, failed(failure(1), cursor="e1"))
    ran = ctl("errors", "last")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (
        "212 failures in 3b0d4f7e net.example.score:\n"
        "KIND       COUNT             WHAT TO DO\n"
        "timeout    17     retryable  wait\n"
        "too_large  195    final      no\n"
        "One by one: backfillctl errors 3b0d4f7e --kind timeout\n"
        "Try again: backfillctl retry 3b0d4f7e\n"
    )
    assert ctl("errors", "last", "--json").data == failed(failure(1), cursor="e1")


def test_nothing_failed_is_said(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(ERRORS, {**failed(), "counts": []})
    assert ctl("errors", "last").out == "Nothing failed in 3b0d4f7e net.example.score.\n"


def test_those_of_a_kind_are_told_one_by_one(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(ERRORS, failed(failure(1), cursor="e1"), failed(failure(2), failure(3)))
    ran = ctl("errors", "last", "--kind", "timeout", "-n", "2")
    assert ran.out == (
        "did:web:r1.example fetch, 3 tries, last 2026-03-10 08:28:10+05:30; again"
        " 2026-03-10 08:32:10+05:30 (#1)\n"
        "  Why      context deadline exceeded\n"
        "did:web:r2.example fetch, 3 tries, last 2026-03-10 08:28:10+05:30; again"
        " 2026-03-10 08:32:10+05:30 (#2)\n"
        "  Why      context deadline exceeded\n"
        "What to do: wait.\n"
    )
    assert ran.err == "the first 2; there are more: -n 10\n"
    assert daemon.asked[-1][2] == {"kind": ["timeout"], "limit": ["100"], "cursor": ["e1"]}


def test_a_kind_that_there_is_not_is_wrong_usage(daemon: FakeDaemon, ctl: Ctl) -> None:
    refusal = problem("there is no kind 'x'", "bad-request", "of timeout, other", "kind")
    daemon.answers(ERRORS, refusal, status=400)
    assert ctl("errors", "last", "--kind", "x").code == 2


@pytest.mark.parametrize(
    ("args", "sent"),
    [
        ([], {}),
        (["--kind", "timeout", "--kind", "other"], {"kinds": ["timeout", "other"]}),
        (["--did", DID, "--reason", "why not"], {"dids": [DID], "reason": "why not"}),
    ],
)
def test_another_try_is_a_new_job_that_names_the_old(
    daemon: FakeDaemon, ctl: Ctl, args: list[str], sent: dict[str, Any]
) -> None:
    daemon.answers(RETRY, retried(), status=201)
    ran = ctl("retry", "last", *args)
    assert ran.code == 0
    assert daemon.bodies[-1] == sent
    assert ran.out == (
        f"Started job {NEW}: has Tap fetch 17 repositories anew that failed in 3b0d4f7e.\n"
        "  Not      too_large 195\n"
        "Watch: backfillctl watch 81c2aa01\n"
    )
    assert ctl("retry", "last", *args, "--json").data == retried()


def test_a_retry_that_is_said_twice_is_the_same_job(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(RETRY, retried(joined=True, skipped={}), status=201)
    assert ctl("retry", "last", "--idempotency-key", "k").out.startswith(f"Joined job {NEW}:")
    assert daemon.headers[-1]["idempotency-key"] == "k"


def test_nothing_to_retry_is_refused_with_6(daemon: FakeDaemon, ctl: Ctl) -> None:
    refusal = problem("no retryable failures for this job", "nothing-to-retry", "left out: other 2")
    daemon.answers(RETRY, refusal, status=400)
    ran = ctl("retry", "last")
    assert (ran.code, ran.out) == (6, "")
    assert ran.err == "error: no retryable failures for this job\n  fix: left out: other 2\n"


@pytest.mark.parametrize(
    "args", [["--kind", "other", "--did", DID], ["--kind", ""], ["--reason", "x" * 501]]
)
def test_what_makes_no_sense_is_wrong_usage(daemon: FakeDaemon, ctl: Ctl, args: list[str]) -> None:
    assert ctl("retry", "last", *args).code == 2
    assert daemon.asked == []
