"""The log is verified, exported and kept by checkpoints while the daemon runs; and when somebody
changes it behind the daemon's back, every face says so, and nothing more is done."""

import json
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from support.machine import BIN, LEXICON, STATUS, Machine, until

from backfilld.control.caller.client import Refusal
from backfilld_events.audit.against import against
from backfilld_events.audit.checkpoint import found_in
from backfilld_events.audit.source import open_source
from backfilld_events.audit.verify import verify_columns

WRONG = 2  # the position of the event that is changed
LETTER = "/admin/dead-letters/1"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("log")
        machine = Machine(folder, stack, faults=0, options=("--repos", "40"))
        job = machine.upload()
        until(lambda: machine.control.get(f"/admin/backfill/{job}")["state"] == "completed")
        yield machine


def ctl(machine: Machine, *args: str) -> "subprocess.CompletedProcess[str]":
    command = [str(BIN / "backfillctl"), "--socket", str(machine.folder / "control.sock"), *args]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_all_of_it_is_verified_when_asked_and_every_face_says_how_far(machine: Machine) -> None:
    before = machine.control.get("/admin/health")["log"]["position"]
    ran = ctl(machine, "log", "verify")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("OK  ")
    assert "events, unbroken; #" in ran.stdout
    told = machine.control.get("/admin/log/verify")
    assert (told["state"], told["problem"]) == ("ok", None)
    assert told["verified_position"] >= before
    (row,) = machine.control.lines("/admin/log", after=told["verified_position"] - 1, limit=1)
    assert told["hash"] == row["hash"]
    log = machine.control.get("/admin/health")["log"]
    assert log["verified_position"] == told["verified_position"]
    assert f"verified {log['verified_at']}".startswith("verified 2")
    assert "  log    ✓ " in ctl(machine, "status").stdout
    assert "✓ to #" in machine.control.get("/dashboard/overview").decode()


def test_what_is_exported_is_the_whole_log_and_agrees_with_a_checkpoint_from_before(
    machine: Machine, tmp_path: Path
) -> None:
    line = ctl(machine, "log", "checkpoint").stdout
    file = tmp_path / "log.jsonl"
    ran = ctl(machine, "log", "export", str(file))
    assert (ran.returncode, ran.stderr) == (0, "")
    with open_source(file) as source:
        done = verify_columns(source.columns(None, source.upto()))
        kept = [one for _, one in found_in([line]) if one is not None]
        assert against(source, kept).position == kept[0].position <= done.position


def test_the_page_of_the_log_works_without_scripts(machine: Machine) -> None:
    page = machine.control.get("/dashboard/log?stream=lexicon/*&type=lexicon.uploaded").decode()
    assert "lexicon.uploaded</strong>" in page
    assert "job.started</strong>" not in page
    assert "backfilld-log 1 " in page
    csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
    answer = machine.control.post("/dashboard/log/verify", f"csrf={csrf}".encode())
    assert (answer.status, answer.headers["location"]) == (303, "/dashboard/log")
    with pytest.raises(Refusal) as refused:
        machine.control.post("/dashboard/log/verify", b"csrf=no")
    assert refused.value.status == 403


@pytest.fixture(scope="module")
def broken(machine: Machine) -> Machine:
    """The machine, when it has noticed that its log was changed."""
    file = machine.folder / "data" / "events.db"
    with closing(sqlite3.connect(file, timeout=20, isolation_level=None)) as db, db:
        db.execute("BEGIN IMMEDIATE")  # so that nobody sees that the guards are gone
        guards = db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            db.execute(f"DROP TRIGGER {name}")
        db.execute("UPDATE event SET actor = 'nobody' WHERE position = ?", (WRONG,))
        for _, sql in guards:
            db.execute(sql)
    ran = ctl(machine, "log", "verify")
    assert ran.returncode == 8, ran.stdout + ran.stderr
    assert ran.stdout.startswith(f"BROKEN  The log does not verify: event {WRONG}: its hash does")
    return machine


def last(machine: Machine) -> int:
    with machine.reader("events.db") as db:
        return int(db.execute("SELECT max(position) FROM event").fetchone()[0])


def refused(machine: Machine, method: str, path: str, body: Any = None) -> Refusal:
    control = machine.control
    ask: dict[str, Callable[[], object]] = {
        "GET": lambda: control.get(path),
        "DELETE": lambda: control.delete(path),
        "POST": lambda: control.post(path, json.dumps(body or {}).encode()),
    }
    with pytest.raises(Refusal) as refusal:
        ask[method]()
    return refusal.value


def test_a_broken_log_is_said_before_all_else_and_is_our_own_fault(broken: Machine) -> None:
    health = refused(broken, "GET", "/admin/health")
    assert (health.status, health.body["status"]) == (503, "broken")
    assert health.body["verdict"].startswith(f"The log does not verify: event {WRONG}: ")
    assert health.body["log"]["problem"]["position"] == WRONG
    assert not health.body["channel"]["connected"], "nothing is taken in any more"
    assert broken.control.get("/admin/log/verify")["state"] == "broken"
    assert ctl(broken, "status").stdout.startswith("BROKEN  The log does not verify: event ")
    assert ctl(broken, "status", "--check").returncode == 8
    assert ctl(broken, "why").stdout.startswith("The log does not verify: event ")
    assert ctl(broken, "doctor").returncode == 8
    assert ctl(broken, "log", "checkpoint").returncode == 8
    assert ctl(broken, "log", "export", "-").returncode == 8


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/admin/backfill", {"collection": STATUS}),
        ("POST", "/admin/backfill/last/pause", {}),
        ("POST", "/admin/backfill/last/cancel", {}),
        ("POST", "/admin/backfill/last/retry-failed", {}),
        ("POST", "/admin/lexicons", {"lexicon_json": LEXICON}),
        ("DELETE", f"/admin/lexicons/{STATUS}", None),
        ("POST", "/admin/network-lexicons", {"nsid": STATUS}),
        ("POST", "/admin/reconcile", {"collection": STATUS}),
        ("POST", "/admin/api-keys", {"name": "ci", "permissions": []}),
        ("DELETE", "/admin/api-keys/1", None),
        ("DELETE", f"/admin/records?uri=at://did:web:a.example/{STATUS}/k", None),
        ("DELETE", f"/admin/records/collection?collection={STATUS}", None),
        ("POST", f"{LETTER}/dismiss", {}),
        ("POST", f"{LETTER}/retry", {}),
        ("POST", f"{LETTER}/reindex", {}),
        ("POST", "/admin/dead-letters/bulk/dismiss", {"all": True}),
        ("POST", "/admin/notify/test", {}),
    ],
)
def test_whatever_would_change_anything_is_refused_with_what_to_do_and_nothing_is_done(
    broken: Machine, method: str, path: str, body: Any
) -> None:
    before = last(broken), broken.control.get("/admin/stats")["total_records"]
    answer = refused(broken, method, path, body)
    assert (answer.status, answer.code) == (503, "log-broken")
    assert str(answer).startswith(f"The log does not verify: event {WRONG}: ")
    assert "restore events.db" in answer.hint
    assert (last(broken), broken.control.get("/admin/stats")["total_records"]) == before


def test_whoever_may_not_is_told_that_and_a_wrong_command_is_still_wrong(broken: Machine) -> None:
    assert refused(broken, "POST", "/admin/backfill?nonsense=1").status == 400
    assert refused(broken, "POST", "/admin/nothing").status == 404


def test_what_is_only_looked_at_goes_on(broken: Machine) -> None:
    assert broken.control.get("/admin/backfill/status")
    assert [*broken.control.lines("/admin/log", tail=1)]
    lost = broken.control.get("/admin/coverage", collection=STATUS)["lost"]
    assert lost.startswith("Not known. The log does not verify: ")
    assert ctl(broken, "start", STATUS).returncode == 8


def test_the_pages_say_it_in_red_and_a_form_has_a_page_as_its_answer(broken: Machine) -> None:
    for path in ("/dashboard/overview", "/dashboard/log", "/dashboard/jobs"):
        page = broken.control.get(path).decode()
        assert 'class="state bad pill"' in page
        assert f"The log does not verify: event {WRONG}: " in page
    csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
    form = f"csrf={csrf}&collection={STATUS}".encode()
    with pytest.raises(Refusal) as refusal:
        broken.control.post("/dashboard/jobs", form)
    assert refusal.value.status == 503
