"""The log for people is a line an event, for programs the events themselves."""

import json
import signal
import subprocess
import sys
from typing import Any

import pytest
from unit.cli.fake_daemon import CTL, ID, FakeDaemon, Lines, job
from unit.cli.ran import Ctl

LOG = "GET /admin/log"


def event(position: int, **payload: Any) -> dict[str, Any]:
    return {
        "position": position, "stream": f"job/{ID}", "version": 1, "type": "job.page-discovered",
        "schema": 1, "recorded_at": "2026-11-24T03:02:10.123Z", "actor": "system", "cause": 901,
        "payload": payload, "hash": "00",
    }  # fmt: skip


def test_an_event_is_one_line_with_local_time_actor_and_cause(daemon: FakeDaemon, ctl: Ctl) -> None:
    dids = [f"did:web:{n}.example" for n in range(1000)]
    payload = {
        "collection": "net.example.score",
        "cursor": None,
        "dids": dids,
        "retry_at": 0.5,
        "why": "a b",
    }
    daemon.answers(LOG, Lines([event(912, **payload)]))
    assert ctl("log").out == (
        "#912 2026-11-24T08:32:10.123+05:30 job/3b0d4f7e job.page-discovered: "
        "collection=net.example.score cursor=- "
        "dids=[did:web:0.example,did:web:1.example,did:web:2.example,… 1,000 in all] "
        "retry_at=1970-01-01T05:30:00.500+05:30 why='a b' "
        "(system, cause #901)\n"
    )


def test_a_line_stays_a_line_whatever_the_event_holds(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(
        LOG,
        Lines([event(1, document="x\n\x1b[2J" * 1000, nested={"a": [{"b": ""}]}, many=[{}] * 9)]),
    )
    out = ctl("log").out
    assert out.count("\n") == 1
    assert out.strip().isprintable()
    assert len(out) < 1000
    assert "nested={a=[{b=''}]} many=9 entries" in out


def test_a_sentence_is_told_whole_and_only_a_very_long_one_is_cut_at_a_word(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    what = (
        "somewhere from #1 to #300 the log is not what it was: a checkpoint of "
        f"2027-03-01T04:01:07.113Z says that #300 is {'9f' * 32}, and the log has {'1c' * 32}"
    )
    daemon.answers(LOG, Lines([event(1, what=what), event(2, what="word " * 200)]))
    whole, cut = ctl("log").out.splitlines()
    assert f"what='{what}' (" in whole
    assert "word word…' (" in cut


def test_programs_get_the_events_as_an_array_or_one_a_line(daemon: FakeDaemon, ctl: Ctl) -> None:
    events = [event(1, a=1), event(2, a=2)]
    daemon.answers(LOG, Lines(events))
    assert ctl("log", "--json").data == events
    assert [json.loads(line) for line in ctl("log", "--jsonl").out.splitlines()] == events


def test_the_last_50_unless_a_position_is_named(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(LOG, Lines([]))
    ctl("log")
    ctl("log", "-n", "3", "--type", "job.started")
    ctl("log", "--after", "9", "-n", "2", "--stream", "tap")
    ctl("log", "--after", "0")
    assert [query for _, _, query in daemon.asked] == [
        {"tail": ["50"]},
        {"tail": ["3"], "type": ["job.started"]},
        {"after": ["9"], "limit": ["2"], "stream": ["tap"]},
        {"after": ["0"]},
    ]


def test_a_jobs_stream_may_be_named_as_the_log_shows_it(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("GET /admin/backfill/3b0d4f7e", job())
    daemon.answers(LOG, Lines([]))
    ctl("log", "--stream", "job/3b0d4f7e")
    assert daemon.asked[-1][2]["stream"] == [f"job/{ID}"]
    assert ctl("log", "--stream", "job/nope").code == 5


def test_following_shows_each_event_at_once_and_ctrl_c_leaves_it(daemon: FakeDaemon) -> None:
    daemon.answers(LOG, Lines([event(1), event(2)], stays_open=True))
    following = subprocess.Popen(
        [sys.executable, "-c", CTL, "--socket", str(daemon.path), "log", "-f", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert following.stdout is not None
    seen = [json.loads(following.stdout.readline()) for _ in range(2)]
    assert [one["position"] for one in seen] == [1, 2]
    following.send_signal(signal.SIGINT)
    out, _ = following.communicate(timeout=60)
    assert (following.returncode, out) == (130, "")
    assert daemon.asked[0][2] == {"tail": ["50"], "follow": ["true"]}


def test_a_daemon_that_ends_the_stream_is_told_with_where_to_go_on(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    daemon.answers(LOG, Lines([event(7)]))
    ran = ctl("log", "-f")
    assert ran.code == 3
    assert ran.err.endswith("  fix: look again: backfillctl log -f --after 7\n")
    daemon.answers(LOG, Lines([event(7)], is_cut_off=True))
    assert ctl("log", "-f").err.endswith("  fix: look again: backfillctl log -f --after 7\n")
    ran = ctl("log")
    assert ran.code == 3
    assert "before its answer was whole" in ran.err


def test_a_reader_that_has_had_enough_is_no_error(daemon: FakeDaemon) -> None:
    daemon.answers(LOG, Lines([event(n, a="x" * 70) for n in range(5000)]))
    reading = subprocess.Popen(
        [sys.executable, "-c", CTL, "--socket", str(daemon.path), "log"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert reading.stdout is not None
    assert reading.stderr is not None
    with reading.stderr:
        with reading.stdout:
            assert reading.stdout.readline().startswith("#0 ")
        assert reading.stderr.read() == ""
    assert reading.wait(10) == 128 + signal.SIGPIPE


def test_following_a_daemon_that_is_not_there_says_so(ctl: Ctl) -> None:
    done = ctl("--socket", "/nowhere/s", "log", "-f")
    assert done.code == 3
    assert "there is no socket /nowhere/s" in done.err


def at(position: int) -> dict[str, Any]:
    """An event that was written `position` minutes after three."""
    return {**event(position), "recorded_at": f"2026-11-24T03:{position:02}:00.000Z"}


class _Log(FakeDaemon):
    """Forty events, a minute apart."""

    def next(self, method: str, path: str) -> tuple[int, Any]:
        query = self.asked[-1][2]
        if "tail" in query:
            return 200, Lines([at(40)])
        after = int(query["after"][0])
        upto = after + int(query.get("limit", ["40"])[0])
        return 200, Lines([at(n) for n in range(after + 1, min(upto, 40) + 1)])


@pytest.mark.parametrize(
    ("since", "first"),
    [("2026-11-24T03:10:00Z", 10), ("2026-11-24T03:10:30Z", 11), ("2020-01-01", 1)],
)
def test_since_begins_with_the_first_event_of_that_time(
    daemon: FakeDaemon, ctl: Ctl, since: str, first: int
) -> None:
    daemon.__class__ = _Log
    ran = ctl("log", "--since", since, "--json")
    assert [one["position"] for one in ran.data] == list(range(first, 41))
    assert len(daemon.asked) <= 9, "it is found by halving"


def test_since_a_time_to_come_there_is_nothing_yet(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.__class__ = _Log
    assert ctl("log", "--since", "2999-01-01", "--json").data == []
    assert ctl("log", "--since", "1h", "--after", "3").code == 2
    daemon.__class__ = FakeDaemon
    daemon.answers(LOG, Lines([]))
    assert ctl("log", "--since", "1h", "--json").data == []


def test_a_verb_of_the_log_that_is_not_there_gets_one_suggestion(ctl: Ctl) -> None:
    ran = ctl("log", "checkpiont")
    assert ran.code == 2
    assert "no such command: checkpiont; did you mean checkpoint?" in ran.err


def test_a_checkpoint_is_one_line_to_keep_elsewhere(daemon: FakeDaemon, ctl: Ctl) -> None:
    at = "2026-11-24T03:02:10.123Z"
    line = f"backfilld-log 1 {'0a' * 8} 48213 {'9f3c' * 16} {at}"
    body = {
        "origin": "0a" * 8, "position": 48_213, "hash": "9f3c" * 16, "at": at, "line": line,
    }  # fmt: skip
    daemon.answers(f"{LOG}/checkpoint", body)
    ran = ctl("log", "checkpoint")
    assert (ran.code, ran.out) == (0, f"{line}\n")
    assert ctl("log", "checkpoint", "--json").data == body
