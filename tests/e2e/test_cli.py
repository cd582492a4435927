"""backfillctl against a real daemon: real processes, real exit codes."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.machine import BIN, LEXICON, STATUS, Machine, until

from backfilld.control.caller.client import job_path


class Ctl:
    """Runs backfillctl of this environment against one machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def __call__(self, *args: str, code: int = 0, **environment: str) -> str:
        """What it answers; its exit code must be `code`."""
        surroundings = {
            **os.environ, "BACKFILLD_SOCKET": str(self.machine.folder / "control.sock"),
            **environment,
        }  # fmt: skip
        command = [str(BIN / "backfillctl"), *args]
        ran = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False)
        assert ran.returncode == code, ran.stderr
        return ran.stdout if ran.returncode in (0, 7) else ran.stderr

    def data(self, *args: str, code: int = 0) -> Any:
        return json.loads(self(*args, "--json", code=code))


@pytest.fixture(scope="module")
def ctl(tmp_path_factory: pytest.TempPathFactory, module_port: int) -> Iterator[Ctl]:
    """A machine in which one backfill has come to its end, by way of the command line."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("cli")
        machine = Machine(folder, stack, faults=0, port=module_port)
        until(lambda: machine.control.get("/admin/health"))
        document = folder / "status.json"
        document.write_text(json.dumps(LEXICON))
        ctl = Ctl(machine)
        assert "Started job " in ctl("lexicon", "add", str(document))
        ctl("watch", "last", "--timeout", "60s")
        yield ctl


def test_status_why_and_doctor_agree_that_all_is_well(ctl: Ctl) -> None:
    assert ctl("status", "--check").startswith("OK  Nothing is waiting.\n")
    assert f"{STATUS} is COMPLETED since " in ctl("why")
    config = str(ctl.machine.folder / "config.toml")
    checks = ctl.data("doctor", "--config", config)
    assert not [one for one in checks if one["ok"] is not True]


def test_a_list_of_accounts_is_started_paused_resumed_and_ends(ctl: Ctl) -> None:
    dids = [f"did:web:{n}.example" for n in range(3_000)]
    path = ctl.machine.folder / "dids.txt"
    path.write_text("# nobody has them\n" + "\n".join(dids))
    args = ("start", STATUS, "--from", str(path), "--reason", "a test", "--idempotency-key", "k1")
    (job,) = ctl.data(*args)
    (again,) = ctl.data(*args)
    assert (again["id"], again["joined"]) == (job["id"], True)
    short = job["id"][:8]
    assert ctl.data("pause", short, "--reason", "to look")["state"] in ("paused", "pausing")
    assert "'to look'" in ctl("why", short)
    assert ctl.data("resume", short)["state"] in ("running", "pending")
    ended = until(lambda: ctl.machine.control.get(job_path(short))["completed_at"])
    assert ended
    assert ctl.data("job", short)["why"] == "a test"
    assert "job is not running" in ctl("cancel", short, "--yes", code=6)


def test_a_job_is_cancelled_and_says_so_everywhere(ctl: Ctl) -> None:
    """It is paused first, so that it does not end by itself meanwhile."""
    path = ctl.machine.folder / "more.txt"
    path.write_text("\n".join(f"did:web:m{n}.example" for n in range(3_000)))
    (job,) = ctl.data("start", STATUS, "--from", str(path))
    ctl("pause", job["id"])
    assert "backfillctl cancel" in ctl("cancel", job["id"], code=2)
    cancelled = ctl.data("cancel", job["id"], "--yes", "--reason", "by mistake")
    assert cancelled["state"] in ("cancelled", "cancelling")
    until(lambda: ctl.machine.control.get(job_path(job["id"]))["state"] == "cancelled")
    assert ctl.data("jobs", "--state", "cancelled")[0]["id"] == job["id"]
    assert "'by mistake'" in ctl("why", job["id"])
    ctl("watch", job["id"], "--timeout", "60s", code=7)
    events = ctl.data("log", "--stream", f"job/{job['id'][:8]}", "--after", "0")
    asked = [one for one in events if one["type"] == "job.cancel-asked"]
    assert [one["actor"] for one in asked] == [f"uid:{os.getuid()}"]


def test_a_dry_run_starts_nothing(ctl: Ctl) -> None:
    before = [one["id"] for one in ctl.data("jobs")]
    plan = ctl.data("start", "--all", "--dry-run")
    assert (plan["collections"], plan["expected"]["how"]) == ([STATUS], "estimate")
    assert [one["id"] for one in ctl.data("jobs")] == before


def test_since_finds_the_first_event_of_a_time(ctl: Ctl) -> None:
    events = ctl.data("log", "--after", "0")
    middle = events[len(events) // 2]
    found = ctl.data("log", "--since", middle["recorded_at"])
    first = next(one for one in events if one["recorded_at"] >= middle["recorded_at"])
    assert found[0]["position"] == first["position"]
    assert ctl("log", "--since", "1h", "-n", "1").startswith("#1 ")


def test_a_key_opens_the_same_door_over_tcp_until_it_is_revoked(ctl: Ctl, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(ctl("key", "create", "ci", "-p", "backfill:read", "-q"))
    assert [(one["name"], one["revoked_at"]) for one in ctl.data("key", "ls")] == [("ci", None)]
    afar = ("--url", f"http://127.0.0.1:{ctl.machine.port}", "--token-file", str(token))
    assert ctl.data("jobs", *afar)
    assert "Missing permission" in ctl("start", STATUS, *afar, code=4)
    assert "wants a key" in ctl("jobs", *afar[:2], code=4)
    ctl("key", "revoke", "ci")
    assert "revoked" in ctl("jobs", *afar, code=4)


def test_the_dashboard_has_an_address_that_works_once(ctl: Ctl) -> None:
    url = ctl("dashboard", "--no-open", "-q").strip()
    assert url.startswith(f"http://127.0.0.1:{ctl.machine.port}/dashboard/login?ticket=")
    assert ctl("dashboard", "-q") != url


def test_a_report_names_no_account(ctl: Ctl, tmp_path: Path) -> None:
    path = tmp_path / "bug.json"
    ctl("report", str(path), "--config", str(ctl.machine.folder / "config.toml"))
    text = path.read_text()
    told = json.loads(text)
    assert told["health"]["status"] == "ok"
    assert told["config"]["tap"]["batch_size"] == 15
    assert {one["type"] for one in told["events"]} >= {"job.started", "lexicon.uploaded"}
    assert "did:plc:account-" in text or "did:web:account-" in text
    assert "did:web:1.example" not in text


def test_everything_that_is_asked_for_over_the_socket_has_a_machine_readable_answer(
    ctl: Ctl,
) -> None:
    for args in (
        ("status",), ("why",), ("jobs",), ("job", "last"), ("lexicon", "ls"),
        ("lexicon", "show", STATUS), ("tap",), ("tap", "filters"), ("relay",), ("key", "ls"),
        ("log", "-n", "3"), ("log", "checkpoint"), ("notify", "test"), ("version",),
    ):  # fmt: skip
        assert ctl.data(*args) is not None
