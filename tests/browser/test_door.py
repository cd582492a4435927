"""Who may see the pages, what they send along, and what a form must bring. No browser needed."""

import http.client
import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from support import jobs
from support.machine import STATUS, Machine, until
from support.site import way_in

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> {{7*7}} \u202egnp.exe\x1b[31m"


class Got(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str


class Session:
    """A browser's session without a browser: cookies, and no more."""

    def __init__(self, machine: Machine, cookie: str = "") -> None:
        self.machine, self.cookie = machine, cookie

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> Got:
        sent = {"accept": "text/html", **headers}
        if self.cookie:
            sent["cookie"] = self.cookie
        if body is not None:
            sent["content-type"] = "application/x-www-form-urlencoded"
        with closing(http.client.HTTPConnection("127.0.0.1", self.machine.port, timeout=10)) as way:
            way.request(method, path, body, sent)
            answer = way.getresponse()
            got = {name.lower(): value for name, value in answer.getheaders()}
            return Got(answer.status, got, answer.read().decode())

    def get(self, path: str) -> Got:
        return self.ask("GET", path)

    def post(self, path: str, **fields: str) -> Got:
        csrf = self.get("/dashboard/jobs").text.partition('name="csrf" value="')[2]
        return self.ask("POST", path, urlencode({"csrf": csrf.partition('"')[0], **fields}))


def sign_in(machine: Machine) -> Session:
    session = Session(machine)
    cookie = session.get(way_in(machine).partition(f":{machine.port}")[2]).headers["set-cookie"]
    return Session(machine, cookie.partition(";")[0])


@pytest.fixture(scope="module")
def session(machine: Machine) -> Session:
    jobs.lexicon(machine)
    return sign_in(machine)


@pytest.mark.parametrize(
    "path",
    [
        "/dashboard",
        "/dashboard/jobs",
        "/dashboard/jobs/last",
        "/dashboard/repos",
        "/dashboard/repos.txt",
    ],
)
def test_who_is_not_signed_in_is_told_how(machine: Machine, path: str) -> None:
    for address in (path, "/dashboard/login"):
        page = Session(machine).get(address)
        assert page.status == 401
        assert "backfillctl dashboard" in page.text
        assert STATUS not in page.text


def test_a_script_without_a_key_gets_401_too(machine: Machine) -> None:
    answer = Session(machine).ask("GET", "/dashboard/live/jobs", accept="text/event-stream")
    assert answer.status == 401
    assert "backfillctl dashboard" in answer.text


def test_a_way_in_works_once(machine: Machine) -> None:
    path = way_in(machine).partition(f":{machine.port}")[2]
    first = Session(machine).get(path)
    assert (first.status, first.headers["location"]) == (303, "/dashboard/overview")
    cookie = first.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/dashboard;" in f"{cookie};"
    second = Session(machine).get(path)
    assert second.status == 401
    assert "works once" in second.text


def test_who_signs_out_is_out_at_once(machine: Machine) -> None:
    session, other = sign_in(machine), sign_in(machine)
    assert "Sign out" in session.get("/dashboard/jobs").text
    assert session.ask("POST", "/dashboard/logout", "csrf=wrong").status == 403
    answer = session.post("/dashboard/logout")
    assert (answer.status, answer.headers["location"]) == (303, "/dashboard/login")
    assert session.get("/dashboard/jobs").status == 401
    assert other.get("/dashboard/jobs").status == 200


def test_every_page_says_what_a_browser_may_do_with_it(session: Session) -> None:
    for path in ("/dashboard/jobs", "/dashboard/nowhere", "/dashboard/login?ticket=x"):
        headers = session.get(path).headers
        assert headers.get("location") or headers["content-security-policy"] == (
            "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
        )
    page = session.get("/dashboard/jobs")
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in page.headers


def test_what_a_stranger_wrote_is_shown_as_text(session: Session, machine: Machine) -> None:
    job = jobs.paused(machine, reason=HOSTILE)
    jobs.do(machine, job, "resume", reason=HOSTILE)
    jobs.do(machine, job, "pause", reason=HOSTILE)
    until(lambda: jobs.state(machine, job) == "paused")
    paths = ["/dashboard/jobs", f"/dashboard/jobs/{job}", f"/dashboard/jobs/{job}/cancel"]
    paths += [f"/dashboard/live/jobs/{job}?once=true"]
    rows = machine.control.get(f"/admin/backfill/{job}")["position"]
    paths += [f"/dashboard/live/jobs?rows={rows}&once=true"]
    for path in paths:
        text = session.get(path).text
        assert "alert(1)" in text, path
        for raw in ("<script>alert", "<img src=x", "\u202e", "\x1b"):
            assert raw not in text, (path, raw)
    jobs.do(machine, job, "cancel")


@pytest.mark.parametrize(
    "path", ["/dashboard/jobs?state={}", "/dashboard/jobs/{}", "/dashboard/{}"]
)
def test_what_an_address_says_is_shown_as_text(session: Session, path: str) -> None:
    answer = session.get("/dashboard/" + path.format("%3Cscript%3Ealert(1)"))
    assert answer.status in (400, 404)
    assert answer.headers["content-type"].startswith("text/html")
    assert "<script>alert" not in answer.text


def test_a_form_that_is_not_of_this_session_does_nothing(
    session: Session, machine: Machine
) -> None:
    before = machine.control.get("/admin/backfill/status")
    for body in ("collection=" + STATUS, "csrf=wrong&collection=" + STATUS):
        answer = session.ask("POST", "/dashboard/jobs", body)
        assert answer.status == 403
        assert "not from a page of this session" in answer.text
    assert machine.control.get("/admin/backfill/status") == before
    (refused,) = [
        row["payload"]
        for row in machine.control.lines("/admin/log", after=0, type="control.refused")
    ][-1:]
    assert (refused["command"], refused["code"]) == ("POST /dashboard/jobs", "bad-csrf")


@pytest.mark.parametrize("path", ["jobs/last/retry-failed", "dead-letters/1/dismiss"])
def test_nothing_is_tried_again_or_put_away_by_a_form_of_another_session(
    session: Session, machine: Machine, path: str
) -> None:
    jobs.paused(machine)
    answer = session.ask("POST", f"/dashboard/{path}", "csrf=wrong")
    assert (answer.status, "not from a page of this session" in answer.text) == (403, True)


def test_a_key_for_jobs_alone_opens_no_dead_letter(machine: Machine) -> None:
    body = {"name": "jobs", "permissions": ["backfill:read", "backfill:create"]}
    key = machine.control.post("/admin/api-keys", json.dumps(body).encode()).body["key"]

    def asked(method: str, path: str) -> int:
        way = {"authorization": f"Bearer {key}"}
        return Session(machine).ask(method, f"/dashboard/{path}", **way).status

    assert asked("GET", "jobs") == 200
    for path in ("dead-letters", "dead-letters/1"):
        assert asked("GET", path) == 403
    for verb in ("retry", "reindex", "dismiss"):
        assert asked("POST", f"dead-letters/1/{verb}") == 403


def test_a_page_of_another_site_cannot_send_a_form(session: Session) -> None:
    answer = session.ask("POST", "/dashboard/jobs", "collection=x", origin="https://evil.example")
    assert answer.status == 403


def test_who_may_only_look_sees_all_and_starts_nothing(machine: Machine) -> None:
    body = json.dumps({"name": "looker", "permissions": ["backfill:read"]}).encode()
    key = machine.control.post("/admin/api-keys", body).body["key"]
    looker = Session(machine)
    made = looker.ask(
        "POST", "/admin/dashboard/tickets", authorization=f"Bearer {key}", accept="*/*"
    )
    cookie = looker.get(json.loads(made.text)["url"]).headers["set-cookie"]
    looker.cookie = cookie.partition(";")[0]
    assert looker.get("/dashboard/jobs").status == 200
    answer = looker.post("/dashboard/jobs", collection=STATUS)
    assert answer.status == 403
    assert "backfill:create" in answer.text


def test_a_job_that_is_not_there_is_a_page_that_says_so(session: Session) -> None:
    answer = session.get("/dashboard/jobs/zzz")
    assert answer.status == 404
    assert "backfill job not found" in answer.text


def test_no_note_tells_of_an_event_of_another_job(session: Session, machine: Machine) -> None:
    one, other = (
        jobs.started(machine, collection="a.b.c"),
        jobs.started(machine, collection="a.b.d"),
    )
    position = machine.control.get(f"/admin/backfill/{other}")["position"]
    assert "Written:" not in session.get(f"/dashboard/jobs/{one}?wrote={position}").text
    assert "Written:" in session.get(f"/dashboard/jobs/{other}?wrote={position}").text


@pytest.mark.parametrize("position", ["9" * 20, "-1", "x"])
@pytest.mark.parametrize("path", ["/dashboard/dead-letters/1", "/dashboard/jobs/zzz"])
def test_a_number_that_no_event_can_have_is_no_fault_of_ours(
    session: Session, path: str, position: str
) -> None:
    assert session.get(f"{path}?wrote={position}").status == 400


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/\\evil", "/admin"])
def test_the_colours_lead_back_to_no_other_place(session: Session, back: str) -> None:
    answer = session.get("/dashboard/theme?" + urlencode({"to": "dark", "back": back}))
    assert answer.headers["location"] == "/dashboard/overview"


def test_files_are_kept_by_a_browser_and_open_to_all(machine: Machine) -> None:
    stranger = Session(machine)
    page = stranger.get("/dashboard/login").text
    address = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    style = stranger.get(address)
    assert style.status == 200
    assert style.headers["content-type"].startswith("text/css")
    assert "immutable" in style.headers["cache-control"]
    again = stranger.ask("GET", address, **{"if-none-match": style.headers["etag"]})
    assert (again.status, again.text) == (304, "")
    assert stranger.get("/dashboard/static/..%2Fframe.py").status == 404


def test_a_list_of_more_than_is_shown_is_cut_at_its_limit(session: Session) -> None:
    many = ".".join(str(n) for n in range(1, 5_000))
    assert session.get(f"/dashboard/live/jobs?rows={many}&once=true").status == 200


def test_numbers_of_a_tap_that_never_answered_are_not_zero(
    session: Session, machine: Machine, unused_port: int
) -> None:
    config = machine.folder / "config.toml"
    before = config.read_text()
    tap = before.partition('[tap]\nurl = "')[2].partition('"')[0]
    machine.stop()
    config.write_text(before.replace(tap, f"http://127.0.0.1:{unused_port}"))
    machine.start()
    until(lambda: machine.control.get("/admin/health"))
    try:
        again = sign_in(machine)
        until(lambda: "WAITING" in again.get("/dashboard/jobs").text)
        text = again.get("/dashboard/jobs").text
        assert text.count("not known") >= 4
        assert "Tap never told it" in text
    finally:
        machine.stop()
        config.write_text(before)
        machine.start()
        until(lambda: machine.control.get("/admin/health"))


@pytest.fixture
def without_pages(tmp_path: Any, unused_port: int) -> Iterator[Machine]:
    with ExitStack() as stack:
        machine = Machine(tmp_path, stack, port=unused_port, control="dashboard = false")
        until(lambda: machine.control.get("/admin/health"))
        yield machine


def test_a_dashboard_that_is_switched_off_is_not_there(without_pages: Machine) -> None:
    stranger = Session(without_pages)
    for path in ("/dashboard", "/dashboard/jobs", "/dashboard/login", "/dashboard/static/page.css"):
        assert stranger.get(path).status == 404
