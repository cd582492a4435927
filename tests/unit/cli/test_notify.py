"""Trying who is told: each target says whether it took the sample."""

from unit.cli.fake_daemon import FakeDaemon
from unit.cli.ran import Ctl

TEST = "POST /admin/notify/test"


def target(**changes: object) -> dict[str, object]:
    one = {"target": "1", "to": "/usr/bin/page", "on": ["job.failed"], "ok": True, "why": None}
    return {**one, **changes}


def test_each_target_says_whether_it_took_the_sample(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(TEST, {"targets": [target()]})
    ran = ctl("notify", "test")
    assert (ran.code, ran.out) == (0, "✓ 1 /usr/bin/page took it (told of job.failed)\n")
    bad = target(ok=False, why="exit 3")
    daemon.answers(TEST, {"targets": [target(), bad]})
    ran = ctl("notify", "test")
    assert ran.code == 7
    assert "✗ 1 /usr/bin/page did not take it: exit 3 (told of job.failed)\n" in ran.out
    assert ctl("notify", "test", "--json").code == 7


def test_nobody_to_tell_is_said_with_what_to_set(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(TEST, {"targets": []})
    ran = ctl("notify", "test")
    assert (ran.code, "[[notify]] in config.toml" in ran.out) == (0, True)
