"""Real programs and a real server are told, and what docs/notify.md says of it is so."""

import hashlib
import json
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.machine import Machine, until

from backfilld.control.caller.client import Refusal
from backfilld_events.catalog.notify import NewsDelivered, SampleSent
from backfilld_events.log import read

ROOT = Path(__file__).parents[2]
SECRET = "correct horse battery staple"
KINDS = '["job.completed", "job.synced"]'
PROGRAM = 'read -r line && printf "%s\\n" "$line" >> "$0"'  # one write a line


class Came(NamedTuple):
    """A request, as it came."""

    headers: Message
    body: bytes

    @property
    def letter(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


class Hook:
    """A web server on loopback; `answer` decides on each request, after it was kept."""

    def __init__(self) -> None:
        self.came: list[Came] = []
        self.answer: Callable[[Came], int] = lambda came: 204
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                came = Came(self.headers, body)
                hook.came.append(came)
                self.send_response(hook.answer(came))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    def of(self, kind: str) -> list[Came]:
        return [came for came in self.came if came.letter["kind"] == kind]


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    threading.Thread(target=hook.server.serve_forever, daemon=True).start()
    yield hook
    hook.server.shutdown()
    hook.server.server_close()


@pytest.fixture
def machine(tmp_path: Path, hook: Hook) -> Iterator[Machine]:
    (tmp_path / "secret").write_text(SECRET + "\n")
    tables = (
        f"[[notify]]\non = {KINDS}\nexec = ['/bin/sh', '-c', '{PROGRAM}', '{tmp_path}/told']\n"
        f"[[notify]]\non = {KINDS}\n"
        f'url = "http://127.0.0.1:{hook.server.server_port}/hooks/T0KEN"\n'
        f'secret_file = "{tmp_path}/secret"\n'
    )
    with ExitStack() as stack:
        yield Machine(tmp_path, stack, faults=0, tables=tables)


def told(machine: Machine) -> list[dict[str, Any]]:
    path = machine.folder / "told"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def delivered(machine: Machine) -> list[NewsDelivered]:
    with machine.reader("events.db") as db:
        events = [row.event for row in read.rows(db, type_name="notify.delivered")]
    return [event for event in events if isinstance(event, NewsDelivered)]


def signed(came: Came) -> str:
    """The signature by RFC 2104 itself: H(K ^ opad, H(K ^ ipad, text))."""
    key = SECRET.encode().ljust(64, b"\0")
    text = came.headers["Backfilld-Timestamp"].encode() + b"." + came.body
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + text).digest()
    return "v1=" + hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner).hexdigest()


def test_a_program_and_a_server_that_fails_twice_are_told_and_the_log_says_so(
    machine: Machine, hook: Hook
) -> None:
    hook.answer = lambda came: 503 if len(hook.of(came.letter["kind"])) < 3 else 204
    job = machine.upload()
    until(lambda: len(delivered(machine)) == 4)
    completed, synced = told(machine)
    assert (completed["kind"], completed["job"]) == ("job.completed", job)
    assert (synced["kind"], synced["state"]) == ("job.synced", "synced")
    assert completed["count"] == synced["count"] == 400
    for letter in (completed, synced):
        tries = hook.of(letter["kind"])
        assert [came.letter for came in tries] == [letter] * 3, "the same to everybody"
        for came in tries:
            assert came.headers["Backfilld-Id"] == str(letter["id"])
            assert came.headers["Backfilld-Signature"] == signed(came)
    assert sorted(event.attempts for event in delivered(machine)) == [1, 1, 3, 3]
    assert "answered 503" in machine.said()
    for secret in (SECRET, "T0KEN"):
        assert secret not in machine.said()
        assert secret.encode() not in (machine.folder / "data" / "events.db").read_bytes()
    assert machine.stop() == 0


def test_a_daemon_killed_between_delivery_and_event_tells_it_again(
    machine: Machine, hook: Hook
) -> None:
    took, killed = threading.Event(), threading.Event()

    def hold(came: Came) -> int:
        took.set()
        killed.wait(60)
        return 204

    hook.answer = hold
    machine.upload()
    assert took.wait(60)
    machine.kill()
    killed.set()
    first = hook.came[0]
    targets = {event.target for event in delivered(machine)}
    hook.answer = lambda came: 204
    machine.start()
    until(lambda: len(delivered(machine)) == 4)
    assert len(targets) <= 1, "only the program's was in the log"
    again = hook.of("job.completed")
    assert [came.body for came in again] == [first.body] * 2
    assert len(hook.of("job.synced")) == 1
    ids = {letter["id"] for letter in told(machine)}
    assert ids == {came.letter["id"] for came in hook.came}, "at least once, everywhere"


def test_a_sample_goes_to_every_target_and_each_answers_for_itself(
    machine: Machine, hook: Hook
) -> None:
    hook.answer = lambda came: 403
    answer = until(lambda: machine.control.post("/admin/notify/test", b""))
    program, server = answer.body["targets"]
    assert (program["to"], program["ok"], program["why"]) == ("/bin/sh", True, None)
    assert server["to"] == f"http://127.0.0.1:{hook.server.server_port}"
    assert (server["ok"], server["why"]) == (False, "answered 403")
    assert server["on"] == ["job.completed", "job.synced"]
    (sample,) = told(machine)
    assert (sample["sample"], sample["kind"]) == (True, "sample")
    (came,) = hook.came
    assert came.letter == sample
    with machine.reader("events.db") as db:
        rows = list(read.rows(db, type_name="notify.tested"))
    assert {row.actor.partition(":")[0] for row in rows} == {"uid"}
    assert {event.why for row in rows if isinstance(event := row.event, SampleSent)} == {
        None,
        "answered 403",
    }


def test_samples_are_sent_once_in_ten_seconds(machine: Machine, hook: Hook) -> None:
    until(lambda: machine.control.post("/admin/notify/test", b""))
    with pytest.raises(Refusal) as refusal:
        machine.control.post("/admin/notify/test", b"")
    assert (refusal.value.status, refusal.value.code) == (429, "too-many-requests")
    assert refusal.value.hint
    assert len(hook.came) == 1


def test_the_ways_to_verify_that_the_page_shows_are_right(
    machine: Machine, hook: Hook, tmp_path: Path
) -> None:
    until(lambda: machine.control.post("/admin/notify/test", b""))
    (came,) = hook.came
    page = (ROOT / "docs" / "notify.md").read_text()
    python, shell = (
        re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)[0] for language in ("python", "sh")
    )
    found: dict[str, Any] = {}
    exec(python, found)
    assert found["is_ours"](SECRET.encode(), came.headers, came.body)
    assert not found["is_ours"](b"another", came.headers, came.body)
    assert not found["is_ours"](SECRET.encode(), came.headers, came.body + b" ")
    (tmp_path / "body.json").write_bytes(came.body)
    environment = {
        "PATH": "/usr/bin:/bin",
        "TIMESTAMP": came.headers["Backfilld-Timestamp"],
        "SIGNATURE": came.headers["Backfilld-Signature"],
        "SECRET": SECRET,
    }
    for secret, code in ((SECRET, 0), ("another", 1)):
        environment["SECRET"] = secret
        ran = subprocess.run(
            ["/bin/sh", "-c", shell], cwd=tmp_path, env=environment, check=False, timeout=30
        )
        assert ran.returncode == code
