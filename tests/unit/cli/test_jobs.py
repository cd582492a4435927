"""Jobs in a table, one job in prose."""

from unit.cli.fake_daemon import (
    ID,
    NSID,
    OTHER_ID,
    FakeDaemon,
    With,
    done,
    job,
    listed,
    tap_waits,
)
from unit.cli.ran import Ctl

from backfilld.control.shapes import FailureShape

JOBS = "GET /admin/backfill/status"


def test_jobs_are_a_line_each_and_the_rest_is_mentioned(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(JOBS, [listed(job()), listed(done(id=OTHER_ID))])
    ran = ctl("jobs", "-n", "1")
    assert ran.out.splitlines()[1].startswith(
        "3b0d4f7e  net.example.score  running  64 % 22,112/34,112  syncing 43 %"
    )
    assert len(ran.out.splitlines()) == 2
    assert ran.err == "the newest 1; there are more: -n 5\n"


def test_jobs_are_chosen_by_state_and_collection(daemon: FakeDaemon, ctl: Ctl) -> None:
    other = listed(done(id=OTHER_ID, collection=None, collections=["net.example.a", NSID]))
    daemon.answers(JOBS, [listed(job()), other])
    assert [one["id"] for one in ctl("jobs", "--state", "completed", "--json").data] == [OTHER_ID]
    assert [one["id"] for one in ctl("jobs", "--collection", NSID, "--json").data] == [ID, OTHER_ID]
    assert ctl("jobs", "--collection", "net.example.a", "--jsonl").out.count("\n") == 1
    assert "net.example.a and 1 more" in ctl("jobs").out
    assert ctl("jobs", "--state", "failed").out == "No such job. All jobs: backfillctl jobs\n"
    assert ctl("jobs", "--state", "failed", "--json").data == []


def test_no_job_is_an_offer_to_start_one(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(JOBS, [])
    assert ctl("jobs").out == "No job yet. Start one: backfillctl start NSID\n"


def test_a_job_is_told_with_what_each_lane_waits_for(daemon: FakeDaemon, ctl: Ctl) -> None:
    body = job("stalled", waiting=[tap_waits()], classes={"synced": 2, "parked": 1}, cause=41_189)
    daemon.answers("GET /admin/backfill/3b0d", body)
    ran = ctl("job", "3b0d")
    assert ran.code == 0
    assert f"{ID} net.example.score\nis STALLED since 2026-03-10 08:28:10+05:30 (" in ran.out
    assert "  State    The sentence of stalled.\n  Sync     The sentence of syncing.\n" in ran.out
    assert "  Found    34,112 repositories, the listing has ended\n" in ran.out
    assert "  Repos    synced 2 · parked 1\n" in ran.out
    assert (
        "  Waits    hand-off: http://127.0.0.1:2480 connection refused (unreachable, try 9), since"
        in ran.out
    )
    assert "next try 2026-03-10 08:34:40+05:30\n" in ran.out
    assert "by uid:1000, event #41190, cause #41189\n" in ran.out


def test_failures_are_named_with_their_reason_and_the_rest_is_counted(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    failures = [FailureShape(f"did:web:{n}.example", "failed", "too large", n) for n in range(25)]
    body = job(classes={"failed": 212}, failures=failures)
    daemon.answers("GET /admin/backfill/last", body)
    ran = ctl("job", "last")
    assert "    did:web:19.example failed: too large (#19)\n    and 192 more: " in ran.out
    assert "did:web:20.example" not in ran.out
    assert ctl("job", "last", "--json").data == body


def test_a_job_that_is_not_there_exits_5(daemon: FakeDaemon, ctl: Ctl) -> None:
    for name in ("nope", "", "status", "a b"):
        ran = ctl("job", name, "--json")
        assert ran.code == 5
        assert ran.fault["code"] == "job-not-found"


def test_what_a_stranger_wrote_cannot_move_the_cursor(daemon: FakeDaemon, ctl: Ctl) -> None:
    evil = "a\x1b[2Jb\r\n\u202ec\x9b31m"
    failures = [FailureShape("did:web:a.example", "failed", evil, 1)]
    daemon.answers("GET /admin/backfill/last", job(failures=failures, sentence=evil))
    ran = ctl("job", "last")
    assert "a\\x1b[2Jb\\r\\n\\u202ec\\x9b31m" in ran.out
    assert all(line.isprintable() for line in ran.out.splitlines())
    ran = ctl("job", "last", "--json")
    assert ran.data["sentence"] == evil
    assert all(line.isprintable() for line in ran.out.splitlines())


def test_jobs_are_read_a_page_at_a_time_and_no_further_than_asked(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    more = {"link": '</admin/backfill/status?limit=100&cursor=j7>; rel="next"'}
    daemon.answers(JOBS, With([listed(job())], more), [listed(done(id=OTHER_ID))])
    assert [one["id"] for one in ctl("jobs", "--json").data] == [ID, OTHER_ID]
    queries = [query for _, _, query in daemon.asked]
    assert queries == [{"limit": ["100"]}, {"limit": ["100"], "cursor": ["j7"]}]
    daemon.asked.clear()
    daemon.answers(JOBS, With([listed(job()), listed(done())], more))
    assert len(ctl("jobs", "-n", "1", "--json").data) == 1
    assert len(daemon.asked) == 1


def test_since_leaves_out_what_is_older_and_asks_for_no_more_of_it(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    old = listed(done(id=OTHER_ID, created_at="2026-03-01T00:00:00.000Z"))
    more = {"link": '</admin/backfill/status?cursor=j7>; rel="next"'}
    for when in ("2026-03-09", "2026-03-09T12:00:00Z"):
        daemon.answers(JOBS, With([listed(job()), old], more))
        daemon.asked.clear()
        assert [one["id"] for one in ctl("jobs", "--since", when, "--json").data] == [ID]
        assert len(daemon.asked) == 1
    assert ctl("jobs", "--since", "1ms").out == "No such job. All jobs: backfillctl jobs\n"
    ran = ctl("jobs", "--since", "yesterday")
    assert (ran.code, "is no moment: write 15m" in ran.err) == (2, True)


def test_a_state_that_is_mistyped_gets_one_suggestion(ctl: Ctl) -> None:
    ran = ctl("jobs", "--state", "stalle")
    assert ran.code == 2
    assert "'stalle' is none of pending, running, stalled" in ran.err
    assert ran.err.splitlines()[0].endswith("; did you mean stalled?")
