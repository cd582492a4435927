"""Do I have everything? In one sentence, with who is behind each number."""

from typing import Any

import msgspec
import pytest
from unit.cli.fake_daemon import ID, NSID, FakeDaemon, problem
from unit.cli.ran import Ctl

from backfilld.control.shapes.coverage import AsOf, Behind, Coverage
from backfilld.control.shapes.errors import KindShape

OF_NSID = "GET /admin/coverage"
OF_JOB = "GET /admin/backfill/3b0d/coverage"
SENTENCE = (
    "All 34,112 repositories explained: 33,120 synced, 780 empty, 212 failed (17 can be tried"
    " again: backfillctl retry 3b0d4f7e). Nothing open."
)


def covered(*, complete: bool = True, **changes: Any) -> dict[str, Any]:
    shape = Coverage(
        job=None,
        collections=[NSID],
        sentence=SENTENCE,
        found=34_112,
        classes={"synced": 33_120, "empty": 780, "failed": 212},
        kinds=[KindShape("timeout", 17, True, "wait"), KindShape("too_large", 195, False, "no")],
        open=0,
        left=0,
        unexplained=0,
        differing=0,
        differing_exact=True,
        lost="None that we know of.",
        as_of=AsOf(48_213, "2026-03-10T02:58:10.000Z"),
        listing="ended",
        complete=complete,
    )
    return {**msgspec.to_builtins(shape), **changes}


def behind(n: int) -> dict[str, Any]:
    shape = Behind(
        did=f"did:web:r{n}.example",
        handle="alice.example" if n == 0 else None,
        pds_endpoint=None,
        state="failed",
        kind="timeout",
        since="2026-03-10T02:58:10.000Z",
        position=n,
        records=0,
        sentence="No answer in time.",
        next="Tap tries again by itself.",
    )
    body: dict[str, Any] = msgspec.to_builtins(shape)
    return body


def test_the_sentence_comes_first_then_what_failed_what_is_lost_and_as_of_when(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    daemon.answers(OF_NSID, covered())
    ran = ctl("coverage", NSID)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (
        f"{SENTENCE}\n"
        "  Failed   timeout 17 · too_large 195 (final)\n"
        "  Lost     None that we know of.\n"
        "  As of    event #48,213, 2026-03-10 08:28:10+05:30\n"
    )
    assert daemon.asked[0][2] == {"collection": [NSID]}
    assert ctl("coverage", NSID, "--json").data == covered()


def test_what_is_not_everything_exits_7(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(OF_JOB, covered(complete=False, job=ID))
    assert ctl("coverage", "3b0d").code == 7


def test_some_of_those_behind_a_number_are_told_with_why_and_what_comes_next(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    body = covered(repositories=[behind(n) for n in range(30)], cursor=None)
    daemon.answers(OF_JOB, body)
    ran = ctl("coverage", "3b0d", "--class", "failed:timeout")
    assert (
        "did:web:r0.example @alice.example failed (timeout) since 2026-03-10 08:28:10+05:30 (#0)\n"
        "  Why      No answer in time.\n"
        "  Next     Tap tries again by itself.\n"
    ) in ran.out
    assert ran.err == "the first 20; all of them: --dids\n"
    assert daemon.asked[0][2] == {"class": ["failed:timeout"]}
    daemon.answers(OF_JOB, covered(repositories=[], cursor=None))
    assert ctl("coverage", "3b0d", "--open").out.endswith("None is open.\n")


def test_all_dids_behind_a_number_are_a_list_page_by_page(daemon: FakeDaemon, ctl: Ctl) -> None:
    first = covered(repositories=[behind(n) for n in range(3)], cursor="r3")
    last = covered(repositories=[behind(3)], cursor=None)
    dids = [f"did:web:r{n}.example" for n in range(4)]
    daemon.answers(OF_JOB, first, first, last)
    ran = ctl("coverage", "3b0d", "--class", "failed", "--dids")
    assert (ran.code, ran.err, ran.out.splitlines()) == (0, "", dids)
    assert daemon.asked[-1][2]["cursor"] == ["r3"]
    daemon.answers(OF_JOB, first, first, last)
    assert ctl("coverage", "3b0d", "--class", "failed", "--dids", "--json").data == dids


@pytest.mark.parametrize("args", [["--dids"], ["--open", "--class", "failed"]])
def test_what_makes_no_sense_is_wrong_usage(daemon: FakeDaemon, ctl: Ctl, args: list[str]) -> None:
    assert ctl("coverage", NSID, *args).code == 2
    assert daemon.asked == []


def test_a_collection_that_no_job_asked_for_exits_5(daemon: FakeDaemon, ctl: Ctl) -> None:
    refusal = problem("no job has asked for x.y.z", "collection-not-found", "start one")
    daemon.answers(OF_NSID, refusal, status=404)
    ran = ctl("coverage", "x.y.z")
    assert (ran.code, ran.err) == (5, "error: no job has asked for x.y.z\n  fix: start one\n")
