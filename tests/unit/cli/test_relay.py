"""Relays, as the jobs that are under way know them."""

from unit.cli.fake_daemon import FakeDaemon, relay, relay_wait
from unit.cli.ran import Ctl

RELAY = "GET /admin/relay"


def test_a_relay_tells_its_last_answer(daemon: FakeDaemon, ctl: Ctl) -> None:
    old = relay(url="https://old.example", configured=False)
    answered = relay(last_answer_at="2026-03-10T02:58:10.000Z")
    daemon.answers(RELAY, [answered, old])
    ran = ctl("relay")
    assert ran.code == 0
    first, second = ran.out.splitlines()
    assert first.startswith("✓ https://relay1.example answered last 2026-03-10 08:28:10+05:30 (")
    assert second == (
        "✓ https://old.example no job that is under way has asked it yet; no longer in relay.urls"
    )
    assert ctl("relay", "--json").data == [answered, old]


def test_a_relay_that_keeps_a_job_waiting_exits_7_and_says_until_when(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    until = "2026-03-10T03:04:40.000Z"
    daemon.answers(RELAY, [relay(waiting=[relay_wait()], cooling_down_until=until)])
    ran = ctl("relay")
    assert ran.code == 7
    assert "✗ https://relay1.example" in ran.out
    assert "    it limits our rate: asked again 2026-03-10 08:34:40+05:30\n" in ran.out
    assert "    job 3b0d4f7e waits since 2026-03-10 08:28:10+05:30 (" in ran.out
    assert "answered 429 (rate_limited, try 2); next try 2026-03-10 08:34:40+05:30\n" in ran.out
