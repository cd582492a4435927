"""The dashboard is opened by a ticket that works once; nothing but its address is the answer."""

import sys
import webbrowser

import pytest
from unit.cli.fake_daemon import FakeDaemon, problem, running_tcp
from unit.cli.ran import Ctl

TICKETS = "POST /admin/dashboard/tickets"
PATH = "/dashboard/login?ticket=abc"


def ticket(listen: str | None = "127.0.0.1:8410") -> dict[str, object]:
    return {"ticket": "abc", "url": PATH, "listen": listen, "expires_in": 60}


def test_its_address_is_the_answer_and_the_way_from_elsewhere_is_told(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    daemon.answers(TICKETS, ticket(), status=201)
    ran = ctl("dashboard")
    assert (ran.code, ran.out) == (0, f"http://127.0.0.1:8410{PATH}\n")
    assert ran.err == (
        "It works once, within 60 s. From elsewhere: ssh -L 8410:127.0.0.1:8410 HOST\n"
    )
    assert ctl("dashboard", "--json").data["address"] == f"http://127.0.0.1:8410{PATH}"


def test_without_an_address_it_says_what_to_set(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(TICKETS, ticket(None), status=201)
    ran = ctl("dashboard")
    assert (ran.code, ran.out) == (2, "")
    assert 'fix: set control.listen = "127.0.0.1:8410" in config.toml and restart' in ran.err


def test_over_tcp_it_is_where_we_came_from(ctl: Ctl, capsys: pytest.CaptureFixture[str]) -> None:
    from backfilld.cli.ctl import run

    with running_tcp() as fake:
        fake.answers(TICKETS, ticket(None), status=201)
        assert run(["dashboard", "-q", "--url", f"http://{fake.address}/"]) == 0
    assert capsys.readouterr().out == f"http://{fake.address}{PATH}\n"


def test_one_that_is_switched_off_is_refused(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(TICKETS, problem("it is switched off", "dashboard-off", "set x"), status=409)
    assert ctl("dashboard").code == 6


@pytest.mark.parametrize(("args", "opened"), [([], 1), (["--no-open"], 0), (["--no-input"], 0)])
def test_a_browser_is_opened_only_on_a_screen_of_somebody_who_wants_it(
    daemon: FakeDaemon, ctl: Ctl, monkeypatch: pytest.MonkeyPatch, args: list[str], opened: int
) -> None:
    daemon.answers(TICKETS, ticket(), status=201)
    seen: list[str] = []
    monkeypatch.setattr(webbrowser, "open", seen.append)
    monkeypatch.setenv("DISPLAY", ":0")
    ctl("dashboard")
    assert seen == [], "stdout is no terminal"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    ctl("dashboard", *args)
    assert len(seen) == opened
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    ctl("dashboard", *args)
    assert len(seen) == opened
