"""Doctor: one check a line, each fault with its fix; what cannot be told from here is no fault."""

from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace
from unit.cli.fake_daemon import (
    BROKEN_LOG,
    VERIFIED,
    FakeDaemon,
    With,
    health,
    job,
    problem,
    relay,
    relay_wait,
    running_tcp,
    tap,
    tap_child,
    tap_filters,
    tap_waits,
)
from unit.cli.ran import Ctl

from backfilld.cli.ctl import doctor, run
from backfilld.control.shapes import LeftShape, LogShape

ALL = [
    "daemon",
    "rights",
    "version",
    "log",
    "jobs",
    "tap",
    "channel",
    "filters",
    "relay",
    "disk",
    "clock",
]


class Usage(NamedTuple):
    free: int


@pytest.fixture
def there() -> Iterator[FakeDaemon]:
    """A relay that answers."""
    with running_tcp() as fake:
        fake.answers("GET /xrpc/_health", {"status": "ok"})
        yield fake


@pytest.fixture
def well(daemon: FakeDaemon, there: FakeDaemon) -> FakeDaemon:
    """A daemon with which all is well."""
    me = {"actor": "uid:1000", "permissions": ["backfill:create", "backfill:read"], "key": None}
    daemon.answers("GET /health", With("ok", {"date": formatdate(usegmt=True)}))
    daemon.answers("GET /admin/whoami", me)
    daemon.answers("GET /admin/health", health())
    daemon.answers("GET /admin/tap", tap())
    daemon.answers("GET /admin/relay", [relay(url=f"http://{there.address}")])
    return daemon


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "config.toml"
    path.write_text(f'data_dir = "{tmp_path}"\n')
    return str(path)


def checked(ctl: Ctl, *args: str) -> dict[str, dict[str, Any]]:
    """The checks by name."""
    return {one["check"]: one for one in ctl("doctor", "--json", *args).data}


def test_all_well_is_said_so_a_line_for_each(well: FakeDaemon, ctl: Ctl, config: str) -> None:
    ran = ctl("doctor", "--config", config)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.endswith("All is as it should be, as far as it can be told from here.\n")
    assert "✓ rights   you are uid:1000 and may look and act\n" in ran.out
    assert (
        "- filters  Tap does not tell.\n    see: Tap's environment should have TAP_COLL" in ran.out
    )
    assert "✗" not in ran.out
    checks = checked(ctl, "--config", config)
    assert list(checks) == ALL
    assert [name for name, one in checks.items() if one["ok"] is None] == ["filters"]


@pytest.mark.parametrize(
    ("call", "answer", "wrong", "fix"),
    [
        (
            "GET /admin/whoami",
            {"actor": "uid:7", "permissions": [], "key": None},
            "rights",
            "control.socket_group",
        ),
        ("GET /admin/health", {**health(), "version": "9"}, "version", "the same version of both"),
        (
            "GET /admin/health",
            health(job("stalled", waiting=[tap_waits()]), status="degraded"),
            "jobs",
            "backfillctl why",
        ),
        (
            "GET /admin/health",
            health(differing=LeftShape(1, "did:plc:a")),
            "rows",
            "backfillctl reconcile --did did:plc:a --repair",
        ),
        (
            "GET /admin/health",
            health(restored="2026-03-10T02:00:00.000Z"),
            "copy",
            "backfillctl start --all --mode refetch",
        ),
        ("GET /admin/tap", tap("down"), "tap", "start Tap"),
        ("GET /admin/tap", tap(connected=False), "channel", "it is tried again by itself"),
        (
            "GET /admin/tap",
            tap(filters=tap_filters(("a.b.c", "sent"), ("a.b.d", "dropped"))),
            "filters",
            "TAP_COLLECTION_FILTERS=a.b.c,a.b.d",
        ),
        ("GET /admin/relay", [relay(waiting=[relay_wait()])], "relay", "is relay.urls right?"),
        (
            "GET /health",
            With("ok", {"date": "Tue, 10 Mar 2026 03:00:00 GMT"}),
            "clock",
            "timedatectl",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_fault_has_its_fix_and_makes_it_exit_7(
    well: FakeDaemon, ctl: Ctl, config: str, call: str, answer: Any, wrong: str, fix: str
) -> None:
    well.answers(call, answer)
    checks = checked(ctl, "--config", config)
    assert [name for name, one in checks.items() if one["ok"] is False] == [wrong]
    assert fix in checks[wrong]["fix"]
    ran = ctl("doctor", "--config", config)
    assert ran.code == 7
    assert f"✗ {wrong}" in ran.out
    assert ran.out.endswith(f"1 thing is not as it should be: {wrong}.\n")


def test_a_log_that_does_not_verify_is_a_fault_with_its_fix_and_exit_8(
    well: FakeDaemon, ctl: Ctl, config: str
) -> None:
    well.answers("GET /admin/health", health(status="broken", log=BROKEN_LOG), status=503)
    found = checked(ctl, "--config", config)
    one, jobs = found["log"], found["jobs"]
    assert (jobs["ok"], jobs["found"]) == (False, "none goes on: the log does not verify")
    assert (one["ok"], one["fix"]) == (False, "restore it; see docs/audit.md")
    assert one["found"] == "48,213 events; it does not verify: event 7: missing"
    ran = ctl("doctor", "--config", config)
    assert (ran.code, "✗ log      48,213 events" in ran.out) == (8, True)


def test_a_log_that_is_not_verified_yet_is_no_fault(well: FakeDaemon, ctl: Ctl) -> None:
    well.answers("GET /admin/health", health(log=LogShape(9, False)))
    one = checked(ctl)["log"]
    assert (one["ok"], one["fix"]) == (None, "backfillctl log verify")


def test_breaks_that_somebody_accepted_are_told_with_where_to_see_who(
    well: FakeDaemon, ctl: Ctl
) -> None:
    assert "breaks" not in checked(ctl)
    well.answers("GET /admin/health", health(log=replace(VERIFIED, accepted=[7, 9])))
    one = checked(ctl)["breaks"]
    assert (one["ok"], one["found"]) == (None, "2 were accepted: #7, #9")
    assert one["fix"] == "backfillctl log --type service.break-accepted"


def test_a_checkpoint_that_is_not_kept_is_a_fault(well: FakeDaemon, ctl: Ctl) -> None:
    fault = "/mnt/x cannot be written: Permission denied"
    well.answers("GET /admin/health", health(log=replace(VERIFIED, checkpoint_fault=fault)))
    one = checked(ctl)["checkpoint"]
    assert (one["ok"], one["found"]) == (False, f"it is not kept: {fault}")
    assert "log.checkpoint_file" in one["fix"]


def test_a_relay_that_cannot_be_reached_from_here_is_one(
    well: FakeDaemon, there: FakeDaemon, ctl: Ctl, unused_port: int
) -> None:
    url = f"http://127.0.0.1:{unused_port}"
    well.answers("GET /admin/relay", [relay(url=url)])
    one = checked(ctl)["relay"]
    assert (one["ok"], one["found"]) == (False, f"{url} cannot be reached: Connection refused")
    well.answers("GET /admin/relay", [relay(url=f"http://{there.address}")])
    there.answers("GET /xrpc/_health", None, status=502)
    assert checked(ctl)["relay"]["found"].endswith("cannot be reached: it answered 502")
    there.answers("GET /xrpc/_health", None, status=404)
    assert checked(ctl)["relay"]["ok"] is True


def test_little_room_on_the_disk_is_one(
    well: FakeDaemon, ctl: Ctl, config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: Usage(2**29))
    one = checked(ctl, "--config", config)["disk"]
    assert (one["ok"], one["found"][:13]) == (False, "0.5 GiB free ")
    assert checked(ctl, "--config", "/nowhere/config.toml")["disk"]["ok"] is None


def test_a_daemon_that_is_not_there_is_told_with_its_fix_and_nothing_is_guessed(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    ran = ctl("--socket", "/nowhere", "doctor")
    assert ran.code == 7
    assert ran.out.startswith(
        "✗ daemon   cannot reach backfilld: there is no socket /nowhere\n    fix: it is not running"
    )
    assert list(checked(ctl, "--socket", "/nowhere")) == ["daemon", "disk"]


def test_what_one_may_not_ask_is_told_and_the_rest_is_checked_all_the_same(
    well: FakeDaemon, ctl: Ctl
) -> None:
    said = problem("Missing permission: stats:read", "permission-denied", "ask for it")
    well.answers("GET /admin/tap", said, status=403)
    checks = checked(ctl)
    assert (checks["tap"]["ok"], checks["tap"]["fix"]) == (False, "ask for it")
    assert checks["relay"]["ok"] is True


def test_over_tcp_what_only_the_other_machine_knows_is_not_guessed(
    well: FakeDaemon, there: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    for call in ("GET /health", "GET /admin/whoami", "GET /admin/health", "GET /admin/tap"):
        there.answers(call, well.next(*call.split(" "))[1])
    there.answers("GET /admin/relay", [relay()])
    assert run(["doctor", "--url", f"http://{there.address}"]) == 0
    out = capsys.readouterr().out
    assert "- relay    https://relay1.example, which we cannot try from here\n" in out
    assert "- disk     not known" in out


def test_a_filter_that_has_all_is_well(well: FakeDaemon, ctl: Ctl) -> None:
    sent = tap_filters(("a.b.c", "sent"))
    well.answers("GET /admin/tap", tap(filters=sent))
    assert checked(ctl)["filters"]["ok"] is True
    ours = tap_filters(("a.b.c", "sent"), ("a.b.d", "coming"), actual=["a.b.c"])
    well.answers("GET /admin/tap", tap(filters=ours))
    assert checked(ctl)["filters"]["ok"] is None, "it comes by itself"


def test_a_tap_that_we_run_is_told_of_as_ours(well: FakeDaemon, ctl: Ctl) -> None:
    well.answers("GET /admin/tap", tap(child=tap_child("running")))
    assert checked(ctl)["tap"]["found"].endswith(" in its outbox. We run Tap: process 77")
    well.answers("GET /admin/tap", tap("down", connected=False, child=tap_child("waiting")))
    checks = checked(ctl)
    assert (checks["tap"]["ok"], checks["channel"]["ok"]) == (False, False)
    assert checks["tap"]["found"] == "Tap ended by itself. Next try soon."


def test_a_tap_that_there_is_nothing_to_run_for_is_no_fault(well: FakeDaemon, ctl: Ctl) -> None:
    idle = tap("down", connected=False, filters=tap_filters(), child=tap_child("idle"))
    well.answers("GET /admin/tap", idle)
    checks = checked(ctl)
    assert [checks[name]["ok"] for name in ("tap", "channel", "filters")] == [None, None, None]
    assert checks["tap"]["fix"] == "backfillctl lexicon add FILE"
