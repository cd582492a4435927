"""The API over TCP: only when configured, only with a key, and not for pages of strangers."""

import http.client
import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.machine import BIN, Machine, until
from support.web import Heard, ask, new_key, refusals

CORS = "https://app.example"
NOBODY = [
    ({}, "missing Authorization header or session cookie"),
    ({"authorization": "Basic YTpi"}, "invalid Authorization scheme"),
    ({"authorization": "Bearer eyJhbGciOiJub25lIn0.e30."}, "invalid or revoked API key"),
    ({"authorization": f"Bearer hv_{'0' * 32}"}, "invalid or revoked API key"),
    ({"cookie": "backfilld_session=x"}, "missing Authorization header or session cookie"),
]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, module_port: int) -> Iterator[Machine]:
    with ExitStack() as stack:
        control = f'cors_origins = ["{CORS}"]\nallowed_hosts = ["backfill.example"]'
        folder = tmp_path_factory.mktemp("tcp")
        machine = Machine(folder, stack, faults=0, port=module_port, control=control)
        until(lambda: machine.control.get("/admin/health"))
        yield machine


@pytest.fixture(scope="module")
def key(machine: Machine) -> str:
    return new_key(
        machine, "all", "backfill:create", "backfill:read", "events:read", "lexicons:create"
    )


def post(machine: Machine, key: str, body: bytes = b"{", **headers: str) -> Heard:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(machine, "POST", "/admin/backfill", key=key, body=body, headers=sent)


@pytest.mark.parametrize(("headers", "says"), NOBODY)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_has_no_key_is_told_so_and_leaves_no_trace_in_the_log(
    machine: Machine, method: str, headers: dict[str, str], says: str
) -> None:
    before = machine.control.get("/admin/health")["log"]["position"]
    path = "/admin/backfill" if method == "POST" else "/admin/backfill/status"
    heard = ask(machine, method, path, headers=headers)
    assert (heard.status, heard.body["error"]) == (401, says)
    assert "backfillctl key create" in heard.body["hint"]
    assert heard.headers["www-authenticate"] == "Bearer"
    assert machine.control.get("/admin/health")["log"]["position"] == before


def test_health_is_open_and_so_is_nothing_else(machine: Machine) -> None:
    assert ask(machine, "GET", "/health").body == b"ok"
    paths = [
        "/metrics",
        "/admin/health",
        "/admin/openapi.json",
        "/admin/version",
        "/dashboard/jobs",
    ]
    for path in paths:
        assert ask(machine, "GET", path).status in (401, 404)


def test_a_key_opens_under_both_of_happyviews_schemes(machine: Machine, key: str) -> None:
    for scheme in ("Bearer", "DPoP"):
        headers = {"authorization": f"{scheme} {key}"}
        assert ask(machine, "GET", "/admin/whoami", headers=headers).body["actor"] == "key:all"


def test_a_refused_command_is_in_the_log_once_with_who_sent_it(machine: Machine, key: str) -> None:
    before = len(refusals(machine))
    assert post(machine, key).status == 400
    assert post(machine, key, b'{"collection":7}').status == 422
    heard = ask(machine, "POST", "/admin/nothing%00%1b[31m/x?key=secret", key=key, body=b"{}")
    assert heard.status == 404
    assert ask(machine, "DELETE", f"/admin/{'x' * 5_000}", key=key).status == 404
    assert ask(machine, "GET", "/admin/nothing", key=key).status == 404
    new = refusals(machine)[before:]
    assert [actor for actor, *_ in new] == ["key:all"] * len(new)
    commands = [command for _, command, *_ in new]
    assert commands[:2] == ["POST /admin/backfill"] * 2
    assert commands.count(commands[-1]) == 1
    assert len(commands) == 4
    for _, *texts in new:
        assert all(text.isprintable() and 0 < len(text) <= 200 for text in texts)
    assert "secret" not in str(new)


def test_a_deed_over_tcp_is_its_keys(machine: Machine, key: str) -> None:
    body = b'{"collection":"net.example.nope"}'
    job = ask(machine, "POST", "/admin/backfill", key=key, body=body).body["id"]
    rows = list(machine.control.lines("/admin/log", stream=f"job/{job}"))
    assert rows[0]["actor"] == "key:all"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"host": "evil.example"}, 421, "foreign-host"),
        ({"host": "evil.example:8410"}, 421, "foreign-host"),
        ({"host": ""}, 421, "foreign-host"),
        ({"origin": "https://evil.example"}, 403, "foreign-origin"),
        ({"origin": "null"}, 403, "foreign-origin"),
        ({"origin": "http://127.0.0.1:1"}, 403, "foreign-origin"),
        ({"sec_fetch_site": "cross-site"}, 403, "foreign-origin"),
        ({"host": "backfill.example"}, 400, "bad-request"),
        ({"host": "localhost"}, 400, "bad-request"),
        ({"origin": CORS, "sec_fetch_site": "cross-site"}, 400, "bad-request"),
        ({"sec_fetch_site": "same-origin"}, 400, "bad-request"),
    ],
)
def test_what_comes_from_a_foreign_page_is_refused_even_with_a_key(
    machine: Machine, key: str, headers: dict[str, str], status: int, code: str
) -> None:
    before = len(refusals(machine))
    heard = post(machine, key, **headers)
    assert (heard.status, heard.body["code"]) == (status, code)
    assert [refused[2] for refused in refusals(machine)[before:]] == [code]


def test_a_page_that_reaches_the_socket_through_a_tunnel_is_refused_too(machine: Machine) -> None:
    rebound = {"host": "evil.example:8410"}
    for headers in (rebound, {**rebound, "sec-fetch-site": "same-origin"}, {"origin": "null"}):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(machine.folder / "control.sock"))
            sent = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            host = "" if "host" in headers else "host: 127.0.0.1:8410\r\n"
            sock.sendall(f"GET /admin/whoami HTTP/1.1\r\n{host}{sent}\r\n".encode())
            answer = sock.recv(10_000)
        assert answer.startswith((b"HTTP/1.1 421", b"HTTP/1.1 403"))


def test_only_a_configured_page_is_let_in_by_cors(machine: Machine, key: str) -> None:
    asks = {"origin": CORS, "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type"}  # fmt: skip
    heard = ask(machine, "OPTIONS", "/admin/backfill", headers=asks)
    assert heard.status == 204
    assert heard.headers["access-control-allow-origin"] == CORS
    heard = ask(machine, "GET", "/admin/whoami", key=key, headers={"origin": CORS})
    assert heard.headers["access-control-allow-origin"] == CORS
    assert "access-control-allow-credentials" not in heard.headers
    foreign = {**asks, "origin": "https://evil.example"}
    heard = ask(machine, "OPTIONS", "/admin/backfill", headers=foreign)
    assert heard.status == 403
    assert "access-control-allow-origin" not in heard.headers


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_that_does_not_call_itself_json_is_not_read(
    machine: Machine, key: str, kind: str
) -> None:
    heard = post(machine, key, b"{}", content_type=kind)
    assert (heard.status, heard.body["code"]) == (415, "bad-content-type")
    assert heard.body["hint"]


@pytest.mark.parametrize(
    ("method", "path", "status", "hint"),
    [
        ("GET", "/admin/users", 404, "/admin/api-keys"),
        ("POST", "/admin/jobs/7/run", 404, "/admin/backfill/status"),
        ("GET", "/admin/backfil/status", 404, "did you mean /admin/backfill/status?"),
        ("PUT", "/admin/backfill", 405, "this path takes "),
        ("GET", "/admin/log?after=-1", 400, "correct this field"),
        ("GET", "/admin/log?aftr=1", 400, "known here: "),
        ("GET", "/admin/events?limit=x", 400, "correct this field"),
    ],
)
def test_what_is_not_there_says_why_and_what_is(
    machine: Machine, key: str, method: str, path: str, status: int, hint: str
) -> None:
    heard = ask(machine, method, path, key=key)
    assert heard.status == status
    assert {"error", "code", "hint"} <= heard.body.keys()
    assert hint in heard.body["hint"]
    assert (status == 405) == ("allow" in heard.headers)


def test_a_revoked_key_loses_its_open_stream_and_its_open_connection(machine: Machine) -> None:
    key = new_key(machine, "listener", "events:read")
    stream = http.client.HTTPConnection("127.0.0.1", machine.port, timeout=20)
    kept = http.client.HTTPConnection("127.0.0.1", machine.port, timeout=20)
    bearer = {"authorization": f"Bearer {key}"}
    stream.request("GET", "/admin/log?follow=1", headers=bearer)
    answer = stream.getresponse()
    assert json.loads(answer.readline())["position"] == 1
    kept.request("GET", "/admin/whoami", headers=bearer)
    assert kept.getresponse().read()
    (one,) = [one for one in machine.control.get("/admin/api-keys") if one["name"] == "listener"]
    machine.control.delete(f"/admin/api-keys/{one['id']}")
    kept.request("GET", "/admin/whoami", headers=bearer)
    assert kept.getresponse().status == 401
    assert json.loads(answer.read().splitlines()[-1])["type"] == "key.revoked"
    stream.close()
    kept.close()


def test_a_browser_comes_in_with_a_ticket_and_no_further_than_the_pages(
    machine: Machine, key: str
) -> None:
    ticket = machine.control.post("/admin/dashboard/tickets", b"").body
    assert ticket["listen"] == f"127.0.0.1:{machine.port}"
    heard = ask(machine, "GET", ticket["url"])
    assert heard.status == 303
    cookie = (heard.headers["set-cookie"] or "").partition(";")
    assert {"HttpOnly", "SameSite=strict", "Path=/dashboard"} <= set(cookie[2].strip().split("; "))
    signed_in = {"cookie": cookie[0]}
    assert ask(machine, "GET", "/dashboard/jobs", headers=signed_in).status == 200
    assert ask(machine, "GET", "/admin/whoami", headers=signed_in).status == 401
    assert ask(machine, "GET", ticket["url"]).status == 401


def test_a_form_that_is_not_from_a_page_of_this_session_is_refused(
    machine: Machine, key: str
) -> None:
    ticket = ask(machine, "POST", "/admin/dashboard/tickets", key=key).body
    cookie = ask(machine, "GET", ticket["url"]).headers["set-cookie"].partition(";")[0]
    headers = {"cookie": cookie, "content-type": "application/x-www-form-urlencoded"}
    before = len(refusals(machine))
    for body in (b"collection=net.example.nope", b"collection=net.example.nope&csrf=x"):
        assert ask(machine, "POST", "/dashboard/jobs", body=body, headers=headers).status == 403
    assert [(who, code) for who, _, code, _ in refusals(machine)[before:]] == [
        ("key:all", "bad-csrf")
    ] * 2


def test_a_session_is_over_when_its_owners_key_is(machine: Machine) -> None:
    key = new_key(machine, "browsing", "backfill:read")
    ticket = ask(machine, "POST", "/admin/dashboard/tickets", key=key).body
    cookie = ask(machine, "GET", ticket["url"]).headers["set-cookie"].partition(";")[0]
    assert ask(machine, "GET", "/dashboard/jobs", headers={"cookie": cookie}).status == 200
    form = {"cookie": cookie, "content-type": "application/x-www-form-urlencoded"}
    assert ask(machine, "POST", "/dashboard/jobs", body=b"csrf=x", headers=form).status == 403
    (one,) = [one for one in machine.control.get("/admin/api-keys") if one["name"] == "browsing"]
    machine.control.delete(f"/admin/api-keys/{one['id']}")
    assert ask(machine, "GET", "/dashboard/jobs", headers={"cookie": cookie}).status == 401


def test_no_secret_and_no_body_is_in_the_journal(machine: Machine, key: str) -> None:
    post(machine, key, b'{"collection":"very-private-words"')
    ask(machine, "GET", "/admin/whoami", headers={"authorization": "Bearer very-private-words"})
    assert key not in machine.said()
    assert "very-private-words" not in machine.said()
    assert "Traceback" not in machine.said()


def test_an_address_that_is_taken_is_said_in_one_sentence(tmp_path: Path, unused_port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", unused_port))
        other.listen()
        (tmp_path / "c.toml").write_text(
            f'data_dir = "{tmp_path}/data"\n[control]\nsocket = "{tmp_path}/c.sock"\n'
            f'listen = "127.0.0.1:{unused_port}"\n'
        )
        command = [str(BIN / "backfilld"), "run", "--config", str(tmp_path / "c.toml")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert f"error: control.listen: 127.0.0.1:{unused_port}: Address already in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_key_nothing_listens(tmp_path: Path, unused_port: int) -> None:
    with ExitStack() as stack:
        machine = Machine(tmp_path, stack, faults=0)
        until(lambda: machine.control.get("/admin/health"))
        listening = Path(f"/proc/{machine.daemon.pid}/net/tcp").read_text().splitlines()[1:]
        inodes = {line.split()[9] for line in listening if line.split()[3] == "0A"}
        ours = {
            link.readlink().name.removeprefix("socket:[").removesuffix("]")
            for link in Path(f"/proc/{machine.daemon.pid}/fd").iterdir()
        }
        assert not inodes & ours
        assert machine.control.post("/admin/dashboard/tickets", b"").body["listen"] is None
