"""The table of exit codes, row by row, in its own words."""

from collections.abc import Callable

import pytest
from unit.cli.fake_daemon import ID, NSID, FakeDaemon, done, health, job, problem
from unit.cli.ran import Ctl, Ran
from unit.cli.test_coverage import covered

from backfilld.cli.ctl.exits import EXITS

JOBS = "GET /admin/backfill/status"
START = "POST /admin/backfill"
ONE = f"GET /admin/backfill/{ID}"


def started(state: str = "pending", **changes: object) -> dict[str, object]:
    body = {"id": ID, "status": state, "state": state, "collections": [NSID], "position": 1}
    return {**body, **changes}


def a_wait_for(*bodies: object) -> Callable[[FakeDaemon, Ctl], Ran]:
    def run(daemon: FakeDaemon, ctl: Ctl) -> Ran:
        daemon.answers(START, started(), status=201)
        daemon.answers(ONE, *bodies)
        return ctl("start", NSID, "--wait", "synced", "--timeout", "200ms")

    return run


def refused(status: int, code: str = "a-code") -> Callable[[FakeDaemon, Ctl], Ran]:
    def run(daemon: FakeDaemon, ctl: Ctl) -> Ran:
        daemon.answers(JOBS, problem("No.", code), status=status)
        return ctl("jobs")

    return run


def unhealthy(daemon: FakeDaemon, ctl: Ctl) -> Ran:
    daemon.answers("GET /admin/health", health(status="degraded"))
    return ctl("status", "--check", "--json")


def broken(daemon: FakeDaemon, ctl: Ctl) -> Ran:
    daemon.answers("GET /admin/health", health(status="broken"), status=503)
    return ctl("status", "--check", "--json")


def uncovered(daemon: FakeDaemon, ctl: Ctl) -> Ran:
    daemon.answers("GET /admin/coverage", covered(complete=False))
    return ctl("coverage", NSID)


def interrupted(daemon: FakeDaemon, ctl: Ctl) -> Ran:
    def press(*_: object) -> None:
        raise KeyboardInterrupt

    daemon.answers(START, started(), status=201)
    daemon.answers(ONE, job())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backfilld.cli.ctl.progress.time.sleep", press)
        return ctl("start", NSID, "--wait", "completed")


ROWS: list[tuple[int, str, Callable[[FakeDaemon, Ctl], Ran]]] = [
    (0, "done", lambda _, ctl: ctl("version")),
    (0, "with --wait, reached without errors", a_wait_for(job(), done())),
    (1, "unexpected", lambda daemon, ctl: [daemon.answers(JOBS, [{}]), ctl("jobs")][1]),
    (1, "unknown codes count as failure", refused(418)),
    (2, "wrong usage", lambda _, ctl: ctl("jobs", "--nope")),
    (2, "wrong usage: the daemon refuses the values", refused(400)),
    (2, "configuration", lambda _, ctl: ctl("jobs", "--socket", "", "--url", "nonsense")),
    (3, "daemon not reachable", lambda _, ctl: ctl("--socket", "/nowhere", "jobs")),
    (4, "not permitted", refused(403)),
    (4, "not permitted: no key, or a wrong one", refused(401)),
    (5, "no such job", lambda _, ctl: ctl("job", "nope")),
    (5, "no such lexicon", lambda _, ctl: ctl("lexicon", "show", "net.example.nope")),
    (6, "refused: conflict", refused(409)),
    (6, "refused: wrong state", refused(400, "job-not-running")),
    (7, "no: ended with errors", a_wait_for(done(state="completed_with_errors"))),
    (7, "no: failed", a_wait_for(job("failed", found=0))),
    (7, "no: cancelled", a_wait_for(job("cancelled"))),
    (7, "no: not healthy", unhealthy),
    (7, "no: something is open", uncovered),
    (8, "the log does not verify", broken),
    (8, "the log does not verify: a command is refused", refused(503, "log-broken")),
    (9, "--wait ran out; the job goes on", a_wait_for(job())),
    (130, "interrupted; the job goes on", interrupted),
]


@pytest.mark.parametrize(("code", "words", "run"), ROWS, ids=[f"{c} {w}" for c, w, _ in ROWS])
def test_each_row_of_the_table(
    daemon: FakeDaemon,
    ctl: Ctl,
    code: int,
    words: str,
    run: Callable[[FakeDaemon, Ctl], Ran],
) -> None:
    ran = run(daemon, ctl)
    assert ran.code == code
    if "the job goes on" in words:
        assert "job goes on" in ran.err


def test_the_help_has_the_whole_table(ctl: Ctl) -> None:
    assert {code for code, _, _ in ROWS} == set(EXITS)
    table = ctl("-h").out.partition("Exit codes:")[2]
    for code, what in EXITS.items():
        assert f"{code} {what}" in table
