"""A daemon of canned answers: a real HTTP server on a real Unix socket, in a thread.

Bodies are made from the API's own shapes, so that a shape that changes is noticed here.
"""

import json
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import BaseServer, TCPServer, ThreadingMixIn, UnixStreamServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from backfilld import __version__
from backfilld.control.shapes import (
    ChannelShape,
    FailureShape,
    Health,
    JobDetail,
    JobShape,
    LeftShape,
    LogShape,
    SyncShape,
    TapHealth,
    TapShape,
    TapStats,
    WaitingShape,
)
from backfilld.control.shapes.log import BreakShape
from backfilld.control.shapes.progress import (
    ActionShape,
    ArrivalShape,
    EtaShape,
    EtasShape,
    LaneShape,
    LanesShape,
    RateShape,
    RatesShape,
)
from backfilld.control.shapes.reads import (
    ChildShape,
    CursorsShape,
    FilterShape,
    RelayShape,
    TapFilters,
    TapLimits,
    TrendShape,
    WaitShape,
)

ID = "3b0d4f7e-1111-4222-8333-444455556666"
OTHER_ID = "81c2aa01-1111-4222-8333-444455556666"
NSID = "net.example.score"
TAP = "http://127.0.0.1:2480"
# A shell that runs the tests in its background has SIGINT ignored, and children inherit that.
CTL = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from backfilld.cli.ctl import main
main()
"""
ENDED = ("completed", "completed_with_errors", "failed", "cancelled")
VERIFIED = LogShape(48_213, False, 40_902, "2026-03-10T02:00:00.000Z")
BROKEN_LOG = LogShape(
    48_213, False, problem=BreakShape(7, "missing", "2026-03-10T02:00:00.000Z", "restore it")
)
CLASSES = ("discovered", "handed_off", "arriving", "synced", "empty", "parked", "failed", "gone")


class FakeDaemon:
    """What it answers is set before; what it was asked is kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.address = ""
        self.asked: list[tuple[str, str, dict[str, list[str]]]] = []
        self.bodies: list[Any] = []
        self.headers: list[Any] = []
        self.enough = threading.Event()
        self._answers: dict[tuple[str, str], list[tuple[int, Any]]] = {}
        self.answers("GET /admin/relay", [relay()])

    def answers(self, call: str, *bodies: Any, status: int = 200) -> None:
        """`call` is `GET /path`. One body after the other; the last one stays."""
        method, path = call.split(" ")
        self._answers[method, path] = [(status, body) for body in bodies]

    def never_answers(self, call: str) -> None:
        """Takes the call, and says nothing."""
        self.answers(call, None, status=0)

    def next(self, method: str, path: str) -> tuple[int, Any]:
        """The answer to one request."""
        answers = self._answers.get((method, path))
        if answers is None:
            return 404, problem("backfill job not found", "job-not-found", "see backfillctl jobs")
        return answers.pop(0) if len(answers) > 1 else answers[0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    daemon: FakeDaemon

    def _serve(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.daemon.asked.append((self.command, url.path, parse_qs(url.query)))
        self.daemon.headers.append(self.headers)
        self.daemon.bodies.append(json.loads(body) if body else None)
        status, answer = self.daemon.next(self.command, url.path)
        headers: dict[str, str] = {}
        if isinstance(answer, With):
            headers, answer = answer.headers, answer.body
        if status == 0:
            self.daemon.enough.wait(20)
            self.close_connection = True
        elif isinstance(answer, Lines):
            self._stream(answer)
        else:
            text = b"" if answer is None else json.dumps(answer).encode()
            self.send_response_only(status)
            headers.setdefault("date", self.date_time_string())
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

    def _stream(self, lines: "Lines") -> None:
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for entry in lines.entries:
            text = json.dumps(entry).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
            self.wfile.flush()
        if lines.stays_open:
            self.daemon.enough.wait(20)
        self.close_connection = lines.is_cut_off
        if not lines.is_cut_off:
            self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = do_DELETE = _serve

    def log_message(self, *args: Any) -> None:
        """Says nothing."""


class Lines(msgspec.Struct):
    """An answer of one object a line."""

    entries: Sequence[Any]
    is_cut_off: bool = False
    stays_open: bool = False


class With(msgspec.Struct):
    """An answer with headers."""

    body: Any
    headers: dict[str, str]


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left is no error here."""


class _TcpServer(ThreadingMixIn, TCPServer):
    daemon_threads = False
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left is no error here."""


@contextmanager
def running(path: Path) -> Iterator[FakeDaemon]:
    """Serves at a socket until the block ends."""
    fake = FakeDaemon(path)
    with _served(fake, _Server(str(path), _handler(fake))):
        yield fake


@contextmanager
def running_tcp(tls: ssl.SSLContext | None = None) -> Iterator[FakeDaemon]:
    """The same at an address of loopback, which is `fake.address`."""
    fake = FakeDaemon(Path())
    server = _TcpServer(("127.0.0.1", 0), _handler(fake))
    if tls is not None:
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    fake.address = f"127.0.0.1:{server.server_address[1]}"
    with _served(fake, server):
        yield fake


def _handler(fake: FakeDaemon) -> Any:
    return type("Handler", (_Handler,), {"daemon": fake})


@contextmanager
def _served(fake: FakeDaemon, server: BaseServer) -> Iterator[None]:
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            fake.enough.set()
            server.shutdown()
            thread.join()


def problem(error: str, code: str, hint: str = "", field: str | None = None) -> dict[str, Any]:
    """A refusal's body."""
    return {"error": error, "code": code, "hint": hint, "field": field}


def job(
    state: str = "running",
    *,
    found: int = 34_112,
    handed: int = 22_112,
    listed: bool = True,
    records: int = 1_204_551,
    classes: dict[str, int] | None = None,
    sync: str = "syncing",
    waiting: list[WaitingShape] | None = None,
    failures: list[FailureShape] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """A job's body, as GET /admin/backfill/{id} has it."""
    counts = dict.fromkeys(CLASSES, 0) | (classes or {"synced": 14_870})
    failed = counts["failed"] + counts["gone"]
    here = counts["synced"] + counts["empty"]
    arrived = here + counts["arriving"]
    whole = found if listed else None
    detail = JobDetail(
        id=ID,
        collection=NSID,
        did=None,
        status="running",
        total_repos=found,
        processed_repos=handed,
        total_records=records,
        error=None,
        started_at="2026-03-10T03:00:00.000Z",
        completed_at="2026-03-10T03:30:00.000Z" if state in ENDED else None,
        created_at="2026-03-10T03:00:00.000Z",
        stage="resolving_and_fetching",
        resolved_repos=handed,
        scope="network",
        discovery_complete=listed,
        recent_completions_limit=None,
        state=state,
        sentence=f"The sentence of {state}.",
        reason=None,
        waiting_until=None,
        waiting=waiting or [],
        since="2026-03-10T02:58:10.000Z",
        collections=[NSID],
        mode="add",
        priority=0,
        why=None,
        actor="uid:1000",
        cause=None,
        position=41_190,
        malformed=0,
        sync=SyncShape(
            state=sync,
            sentence=f"The sentence of {sync}.",
            active=here,
            failed=failed,
            gone=0,
            open=found - here - failed,
            classes=counts,
        ),
        lanes=LanesShape(
            discovery=lane(found, whole),
            handoff=lane(handed, whole),
            arrival=ArrivalShape(arrived, whole, lane(arrived, whole).percent, records),
            synced=lane(here, whole),
        ),
        rates=RatesShape(*[RateShape(None, None)] * 4, minutes=0, age_s=None),
        eta=EtasShape(withheld("too_early"), withheld("too_early")),
        estimate=None,
        next=f"What comes after {state}.",
        actions=[ActionShape("pause", True, None), ActionShape("resume", False, "it goes")],
        failures=failures or [],
        failures_total=failed,
    )
    return {**msgspec.to_builtins(detail), **changes}


def lane(done: int, whole: int | None) -> LaneShape:
    """How far a lane is."""
    return LaneShape(done, whole, done * 100 // whole if whole else None)


def withheld(why: str, text: str = "too early to say") -> EtaShape:
    """No range, and why."""
    return EtaShape(None, None, text, why, 0, {})


def done(**changes: Any) -> dict[str, Any]:
    """A job that has come to a good end."""
    body = job("completed", handed=34_112, classes={"synced": 34_112}, sync="synced")
    ended = msgspec.to_builtins(EtasShape(withheld("ended"), withheld("nothing_left")))
    return {**body, "eta": ended, **changes}


def listed(body: dict[str, Any]) -> dict[str, Any]:
    """The job as a list has it."""
    return {name: body[name] for name in JobShape.__struct_fields__}


def tap_waits() -> WaitingShape:
    """Tap is down."""
    return WaitingShape(
        lane="hand-off",
        peer=TAP,
        kind="unreachable",
        message="connection refused",
        attempt=9,
        since="2026-03-10T02:58:10.000Z",
        retry_at="2026-03-10T03:04:40.000Z",
    )


def channel(*, connected: bool = True) -> ChannelShape:
    """The channel to Tap."""
    since = "2026-03-10T02:58:10.000Z"
    why = None if connected else "connection refused"
    return ChannelShape(connected=connected, since=since, why=why, unacked=7)


def health(
    *jobs: dict[str, Any],
    status: str = "ok",
    connected: bool = True,
    log: LogShape | None = None,
    differing: LeftShape | None = None,
    restored: str | None = None,
) -> dict[str, Any]:
    """GET /admin/health."""
    body = Health(
        status=status,
        verdict="The verdict.",
        version=__version__,
        tap_url=TAP,
        channel=channel(connected=connected),
        relays=["https://relay1.example"],
        records=1_900_000,
        dead_letters=0,
        log=log or VERIFIED,
        jobs=[],
        differing=differing,
        restored=restored,
    )
    return {**msgspec.to_builtins(body), "jobs": [listed(one) for one in jobs]}


def relay(**changes: Any) -> dict[str, Any]:
    """One of GET /admin/relay."""
    shape = RelayShape(
        url="https://relay1.example",
        configured=True,
        last_answer_at=None,
        cooling_down_until=None,
        waiting=[],
    )
    return {**msgspec.to_builtins(shape), **changes}


def relay_wait(**changes: Any) -> dict[str, Any]:
    """A job that waits for a relay."""
    shape = WaitShape(
        job_id=ID,
        kind="rate_limited",
        message="answered 429",
        attempt=2,
        since="2026-03-10T02:58:10.000Z",
        retry_at="2026-03-10T03:04:40.000Z",
    )
    return {**msgspec.to_builtins(shape), **changes}


def tap(state: str = "up", *, connected: bool = True, **changes: Any) -> dict[str, Any]:
    """GET /admin/tap."""
    shape = TapShape(
        url=TAP,
        health=TapHealth(state, "connection refused" if state == "down" else None),
        channel=channel(connected=connected),
        limits=TapLimits(1000, 3000, 50, 60.0),
        filters=TapFilters([], None, ""),
        stats=None,
    )
    filters = tap_filters(("net.example.b", "unseen"), (NSID, "sent"), ("a.b.c", "unasked"))
    return {
        **msgspec.to_builtins(shape),
        "filters": filters,
        "stats": tap_stats(),
        **changes,
    }


def tap_filters(*collections: tuple[str, str], actual: list[str] | None = None) -> dict[str, Any]:
    """The part of GET /admin/tap on the filter: collections with their states."""
    counts = {"sent": (42, 0, 0), "dropped": (0, 0, 41), "unasked": (0, 7, 0)}
    wanted = [nsid for nsid, state in collections if state != "unasked"]
    shape = TapFilters(
        wanted=wanted,
        actual=actual,
        sentence="Tap does not tell.",
        line=f"TAP_COLLECTION_FILTERS={','.join(wanted)}",
        collections=[
            FilterShape(nsid, state, *counts.get(state, (0, 0, 0))) for nsid, state in collections
        ],
    )
    body: dict[str, Any] = msgspec.to_builtins(shape)
    return body


def tap_child(state: str) -> dict[str, Any]:
    """The part of GET /admin/tap on the Tap that the daemon runs."""
    sentences = {
        "running": "We run Tap: process 77.",
        "waiting": "Tap ended by itself. Next try soon.",
        "idle": "Tap is not started: there is no record lexicon yet.",
    }
    shape = ChildShape(
        state=state,
        sentence=sentences[state],
        pid=77 if state == "running" else None,
        since="2026-03-10T02:58:10.000Z",
        again_at=None,
        memory_bytes=2**27 if state == "running" else None,
        cpu_s=1.5 if state == "running" else None,
        failures=0,
        last_words=None,
    )
    body: dict[str, Any] = msgspec.to_builtins(shape)
    return body


def tap_stats(*, connected: bool = True) -> dict[str, Any]:
    """GET /admin/tap/stats."""
    stats = TapStats(
        repo_count=52_346,
        record_count=1_900_000,
        outbox_buffer=5_120,
        resync_buffer=3,
        observed_at="2026-03-10T02:58:10.000Z",
        age_s=1.0,
        url=TAP,
        channel=channel(connected=connected),
        outbox_at="2026-03-10T02:58:11.000Z",
        cursors=CursorsShape(7, ""),
        trend=TrendShape(-12.0, 60.0),
    )
    body: dict[str, Any] = msgspec.to_builtins(stats)
    return body
