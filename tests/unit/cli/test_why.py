"""The six needs in prose: what is stuck, why, since when, what comes next, what one may do, and
whether data is lost."""

from typing import Any

import msgspec
import pytest
from unit.cli.fake_daemon import (
    ID,
    NSID,
    OTHER_ID,
    FakeDaemon,
    done,
    health,
    job,
    problem,
    tap_waits,
)
from unit.cli.ran import Ctl
from unit.cli.terminal import on_a_terminal

from backfilld.cli.ctl.text import span
from backfilld.control.shapes import FailureShape
from backfilld.control.shapes.coverage import AsOf
from backfilld.control.shapes.progress import ActionShape, EtaShape, EtasShape
from backfilld.control.shapes.reads import StallShape
from backfilld.control.shapes.repos import Account

HEALTH = "GET /admin/health"
ONE = f"GET /admin/backfill/{ID}"


def stalled(**changes: Any) -> dict[str, Any]:
    classes = {"synced": 14_870, "arriving": 1_030, "handed_off": 6_000, "parked": 58}
    return job("stalled", waiting=[tap_waits()], classes=classes, **changes)


def test_all_six_are_answered(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(HEALTH, health(stalled(), status="degraded"))
    daemon.answers(ONE, stalled())
    ran = ctl("why")
    assert (ran.code, ran.err) == (0, "")
    first, *rest = ran.out.splitlines()
    assert first.startswith(f"3b0d4f7e {NSID} is STALLED since 2026-03-10 08:28:10+05:30 (")
    assert rest == [
        "  Why      The sentence of stalled. http://127.0.0.1:2480: 9 tries since"
        " 2026-03-10 08:28:10+05:30.",
        "  Sync     The sentence of syncing.",
        "  Next     What comes after stalled.",
        "  Data     none lost that we know of. 12,000 found repositories wait in our log. 7,030"
        " handed over have not fully arrived: Tap sends again what we did not acknowledge. 58 are"
        " put aside by Tap, whose servers limit it.",
        "  You may  backfillctl pause 3b0d4f7e",
        "  Not now  resume: it goes",
    ]


def test_without_a_name_it_is_the_stalled_job_then_the_one_under_way_then_the_last(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    daemon.answers(ONE, stalled())
    daemon.answers(f"GET /admin/backfill/{OTHER_ID}", done(id=OTHER_ID))
    running = job(id=OTHER_ID)
    daemon.answers(HEALTH, health(running, stalled(), status="degraded"))
    assert ctl("why", "--json").data["id"] == ID
    daemon.answers(HEALTH, health(done(), running))
    assert ctl("why", "--json").data["id"] == OTHER_ID
    daemon.answers(HEALTH, health(done(id=OTHER_ID), done()))
    assert ctl("why", "--json").data["id"] == OTHER_ID


def test_what_else_is_wrong_comes_before_a_job_that_is_well(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(HEALTH, health(job(), status="degraded", connected=False))
    daemon.answers(ONE, job())
    assert ctl("why").out.startswith("The verdict.\n3b0d4f7e ")
    assert ctl("why", ID).out.startswith("3b0d4f7e ")


@pytest.mark.parametrize("args", [(), (ID,)])
def test_a_log_that_does_not_verify_is_said_before_all_else(
    daemon: FakeDaemon, ctl: Ctl, args: tuple[str, ...]
) -> None:
    daemon.answers(HEALTH, health(stalled(), status="broken"), status=503)
    daemon.answers(ONE, stalled())
    first, second, *_ = ctl("why", *args).out.splitlines()
    assert (first, second.startswith("3b0d4f7e ")) == ("The verdict.", True)
    assert "  Data     not known whether any is lost: the log does not" in ctl("why", *args).out
    assert ctl("why", *args, "--json").data["id"] == ID


def test_a_second_stalled_job_is_mentioned(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(HEALTH, health(stalled(), stalled(id=OTHER_ID), status="degraded"))
    daemon.answers(ONE, stalled())
    assert ctl("why").err == "1 more job is stalled: backfillctl jobs --state stalled\n"


def test_without_a_job_it_offers_the_first_step(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(HEALTH, health())
    ran = ctl("why")
    assert (ran.code, ran.out) == (5, "")
    assert ran.err == (
        "error: there is no job yet. The verdict.\n  fix: start one: backfillctl start NSID\n"
    )


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (done(), "none lost that we know of."),
        (
            job("cancelled", classes={"synced": 22_112, "discovered": 12_000}),
            "none lost that we know of. 12,000 were found and never handed over.",
        ),
        (
            job(handed=34_112, classes={"synced": 33_900, "failed": 212}),
            "212 repositories are not here.",
        ),
        (
            job(handed=34_112, classes={"held": 3}),
            "none lost that we know of. 3 were with Tap before, which does not send them again.",
        ),
        (
            job(handed=34_112, classes={"held": 3}, mode="auto"),
            "none lost that we know of. 3 were with Tap before, and are fetched again by"
            " themselves.",
        ),
        (
            job(found=1, handed=0, listed=False, classes={"discovered": 1}),
            "none lost that we know of. 1 found repository waits in our log."
            " The listing goes on, so there may be more.",
        ),
    ],
)
def test_lost_is_said_only_of_what_is_lost(
    daemon: FakeDaemon, ctl: Ctl, body: dict[str, Any], says: str
) -> None:
    daemon.answers(ONE, body)
    assert f"  Data     {says}\n" in ctl("why", ID).out


def test_a_range_is_told_and_failures_have_a_way_to_their_reasons(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    known = EtasShape(
        EtaShape(25, 35, "25-35 s", None, 12_000, {}),
        EtaShape(None, None, "too early to say", "too_early", 0, {}),
    )
    body = job(
        classes={"synced": 9, "failed": 1},
        failures=[FailureShape("did:web:a.example", "failed", "too large", 1)],
        eta={"completed": vars_of(known.completed), "synced": vars_of(known.synced)},
        actions=[vars_of(ActionShape("cancel", True, None))],
    )
    daemon.answers(ONE, body)
    out = ctl("why", ID).out
    assert "  Next     What comes after running. Completed in 25-35 s.\n" in out
    assert (
        "  You may  backfillctl cancel 3b0d4f7e · backfillctl job 3b0d4f7e, for each failure's"
        " reason\n" in out
    )
    assert "Not now" not in out


def vars_of(shape: Any) -> dict[str, Any]:
    return {name: getattr(shape, name) for name in shape.__struct_fields__}


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0s"), (-5, "0s"), (59.9, "59s"), (372, "6m 12s"), (3600, "1h"), (3601, "1h"),
     (7380, "2h 3m"), (180_000, "2d 2h")],
)  # fmt: skip
def test_how_long_ago_is_told_in_two_units(seconds: float, said: str) -> None:
    assert span(seconds) == said


def test_on_a_terminal_long_lines_are_wrapped_beneath_their_beginning(daemon: FakeDaemon) -> None:
    daemon.answers(ONE, stalled())
    seen = on_a_terminal(daemon, "why", ID, COLUMNS="80").splitlines()
    assert max(map(len, seen[1:])) <= 80
    data = next(n for n, line in enumerate(seen) if line.startswith("  Data"))
    assert seen[data + 1].startswith(" " * 11)


def stall(kind: str = "workers_stuck") -> dict[str, Any]:
    return vars_of(
        StallShape(
            kind, "2026-03-10T02:58:10.000Z", f"The sentence of {kind}.", "what comes.",
            "do this", "none lost.",
        )
    )  # fmt: skip


def test_what_stands_still_of_tap_is_told_before_the_job_with_all_six_answers(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    daemon.answers(
        HEALTH, {**health(job(), status="degraded"), "stalls": [stall(), stall("host_parked")]}
    )
    daemon.answers(ONE, job())
    lines = ctl("why").out.splitlines()
    assert lines[0].startswith("Tap: WORKERS STUCK since 2026-03-10 08:28:10+05:30 (")
    assert lines[1:5] == [
        "  Why      The sentence of workers_stuck.",
        "  Next     what comes.",
        "  Data     none lost.",
        "  You may  do this",
    ]
    assert lines[5].startswith("Tap: HOST PARKED since ")
    assert lines[10].startswith("3b0d4f7e ")
    assert ctl("why", ID).out.startswith("3b0d4f7e "), "who names a job hears of that"


def test_without_a_job_what_stands_still_is_told_all_the_same(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(HEALTH, {**health(status="degraded"), "stalls": [stall()]})
    ran = ctl("why")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Tap: WORKERS STUCK since ")


def test_the_quiet_minutes_after_a_reconnect_are_named(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(HEALTH, {**health(job()), "quiet": "It is quiet: that is no stall."})
    daemon.answers(ONE, job())
    assert ctl("why").out.startswith("It is quiet: that is no stall.\n3b0d4f7e ")


DID = "did:plc:aaaa2222bbbb3333cccc4444"


def account(**changes: Any) -> dict[str, Any]:
    shape = Account(
        did=DID, handle="alice.example", pds_endpoint=None, state="parked", kind=None,
        since="2026-03-10T02:58:10.000Z", position=7, sentence="Its server limits Tap.",
        next="it is tried again at 09:00.", standings=[], account="active", tap=None, records=42,
        removed=0, differs=None, asked_next=None, history=[], complete_from=1, before=None,
        as_of=AsOf(9, "2026-03-10T03:00:00.000Z"),
    )  # fmt: skip
    return msgspec.to_builtins(shape) | changes


@pytest.mark.parametrize("name", [DID, "alice.example"])
def test_of_one_account_the_same_is_told(daemon: FakeDaemon, ctl: Ctl, name: str) -> None:
    daemon.answers(f"GET /admin/repos/{name}", account())
    first, *rest = ctl("why", name).out.splitlines()
    assert first.startswith(f"{DID}  @alice.example is PARKED since 2026-03-10 08:28:10+05:30 (")
    assert rest == [
        "  Why      Its server limits Tap.",
        "  Next     it is tried again at 09:00.",
        "  Data     42 records are here; what else it has is not here, or not known.",
        f"  You may  backfillctl repo {DID}, for its whole history",
    ]
    assert ctl("why", name, "--json").data == account()


def test_of_an_account_whose_rows_differ_that_is_told(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(f"GET /admin/repos/{DID}", account(state="synced", differs="Tap counts 43"))
    assert "  Data     42 records are here, and it differs: Tap counts 43.\n" in ctl("why", DID).out


def test_an_account_that_nobody_knows_is_not_found(daemon: FakeDaemon, ctl: Ctl) -> None:
    body = problem("no job has ever seen this account", "repo-not-found", "start one")
    daemon.answers(f"GET /admin/repos/{DID}", body, status=404)
    assert ctl("why", DID).code == 5
