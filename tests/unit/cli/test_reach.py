"""Which daemon is meant: what is said first wins, a key goes only where it is safe, and each way
in which nobody is reached has its own words."""

import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.certificate import certified
from unit.cli.fake_daemon import FakeDaemon, health, problem, running, running_tcp
from unit.cli.ran import Ran

from backfilld.cli.ctl import run
from backfilld.control.caller import absent

HEALTH = "GET /admin/health"
KEY = "hv_0123456789abcdef0123456789abcdef"


@pytest.fixture
def afar() -> Iterator[FakeDaemon]:
    """A daemon with an address."""
    with running_tcp() as fake:
        fake.answers(HEALTH, health(), {**health(), "status": "afar"})
        yield fake


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(KEY + "\n")
    path.chmod(0o600)
    return path


def ctl(capsys: pytest.CaptureFixture[str], *args: str | Path) -> Ran:
    code = run([*map(str, args)])
    out, err = capsys.readouterr()
    return Ran(code, out, err)


def test_over_tcp_each_request_carries_the_key(
    afar: FakeDaemon, token: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = ctl(capsys, "status", "--json", "--url", f"http://{afar.address}", "--token-file", token)
    assert (ran.code, ran.err) == (0, "")
    assert afar.headers[0]["authorization"] == f"Bearer {KEY}"
    assert afar.headers[0]["host"] == afar.address


def test_a_path_before_the_api_is_that_of_a_proxy(
    afar: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    afar.answers("GET /backfill/admin/health", health())
    assert ctl(capsys, "status", "--json", "--url", f"http://{afar.address}/backfill/").code == 0


def test_an_option_wins_over_the_environment_and_an_address_over_a_socket(
    afar: FakeDaemon,
    daemon: FakeDaemon,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    daemon.answers(HEALTH, health())
    monkeypatch.setenv("BACKFILLD_SOCKET", str(daemon.path))
    assert ctl(capsys, "status", "--json").code == 0
    monkeypatch.setenv("BACKFILLD_URL", f"http://{afar.address}")
    assert ctl(capsys, "status", "--json").code == 0
    assert (len(daemon.asked), len(afar.asked)) == (1, 1)
    assert ctl(capsys, "status", "--json", "--socket", daemon.path).code == 0
    assert (len(daemon.asked), len(afar.asked)) == (2, 1)
    monkeypatch.setenv("BACKFILLD_URL", "http://127.0.0.1:1")
    assert ctl(capsys, "status", "--json", "--url", f"http://{afar.address}").code == 0
    assert len(afar.asked) == 2


def test_the_file_of_the_key_may_be_named_by_the_environment(
    afar: FakeDaemon,
    token: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BACKFILLD_TOKEN_FILE", str(token))
    ctl(capsys, "status", "--json", "--url", f"http://{afar.address}")
    assert afar.headers[0]["authorization"] == f"Bearer {KEY}"


def test_at_the_socket_no_key_is_sent(
    daemon: FakeDaemon,
    token: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BACKFILLD_TOKEN_FILE", str(token))
    daemon.answers(HEALTH, health())
    ctl(capsys, "status", "--json", "--socket", daemon.path)
    assert daemon.headers[0]["authorization"] is None


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--url", "http://127.0.0.1:1", "--socket", "/x"], "name two daemons"),
        (["--token-file", "/x"], "--token-file goes with --url"),
        (["--url", "127.0.0.1:8410"], "is no address: write http://"),
        (["--url", "ftp://127.0.0.1"], "is no address"),
        (["--url", "http://127.0.0.1:x"], "is no address"),
        (["--url", "http://u:p@127.0.0.1:1"], "the key comes from --token-file"),
        (["--url", "http://127.0.0.1:1", "--token-file", "/nope"], "the token file /nope"),
    ],
)
def test_an_address_that_cannot_be_is_wrong_usage(
    capsys: pytest.CaptureFixture[str], args: list[str], says: str
) -> None:
    ran = ctl(capsys, "jobs", *args)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err


def test_a_key_never_crosses_a_network_in_plain(
    token: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("it was dialled")

    monkeypatch.setattr(socket, "create_connection", never)
    for url in ("http://backfill.example", "http://192.0.2.1:8410", "http://[2001:db8::1]"):
        ran = ctl(capsys, "jobs", "--url", url, "--token-file", token)
        assert ran.code == 2
        assert "unencrypted" in ran.err
        assert KEY not in ran.err


@pytest.mark.parametrize("content", ["", "\n", "two words\n", "hv_ü\n", "x" * 600])
def test_a_file_without_a_key_is_told_and_not_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    path = tmp_path / "key"
    path.write_text(content)
    ran = ctl(capsys, "jobs", "-q", "--url", "http://127.0.0.1:1", "--token-file", path)
    assert ran.code == 2
    assert "is empty" in ran.err or "holds no key" in ran.err


def test_a_key_that_others_can_read_is_warned_of(
    afar: FakeDaemon, token: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token.chmod(0o644)
    args = ["status", "--json", "--url", f"http://{afar.address}", "--token-file", str(token)]
    ran = ctl(capsys, *args)
    assert ran.code == 0
    assert ran.err == f"warning: others can read the key in {token}: chmod 600 {token}\n"
    assert ctl(capsys, *args, "-q").err == ""


def test_nobody_at_an_address_exits_3(unused_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    ran = ctl(capsys, "jobs", "--url", f"http://127.0.0.1:{unused_port}", "--json")
    assert ran.code == 3
    assert ran.fault["code"] == "not-running"
    assert "connection refused" in ran.fault["error"]
    assert "control.listen" in ran.fault["hint"]


def test_without_a_key_the_fix_is_to_name_one_and_a_wrong_one_is_told(
    afar: FakeDaemon, token: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = problem("invalid or revoked API key", "unauthorized", "make a key")
    afar.answers("GET /admin/backfill/status", said, status=401)
    ran = ctl(capsys, "jobs", "--url", f"http://{afar.address}")
    assert ran.code == 4
    assert "wants a key, and none was given\n  fix: name the file that holds it" in ran.err
    ran = ctl(capsys, "jobs", "--url", f"http://{afar.address}", "--token-file", token)
    assert (ran.code, ran.err) == (4, "error: invalid or revoked API key\n  fix: make a key\n")


def test_a_permission_that_is_missing_is_named(
    afar: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    body = {
        "error": "InsufficientPermissions",
        "message": "Missing permission: backfill:read",
        "code": "permission-denied",
    }
    afar.answers("GET /admin/backfill/status", body, status=403)
    ran = ctl(capsys, "jobs", "--url", f"http://{afar.address}")
    assert (ran.code, ran.err) == (4, "error: Missing permission: backfill:read\n")


def test_tls_spoken_to_a_plain_daemon_says_so(
    afar: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = ctl(capsys, "jobs", "--url", f"https://{afar.address}", "--json")
    assert ran.code == 3
    assert ran.fault["code"] == "tls"
    assert "it speaks plain HTTP, not TLS" in ran.fault["error"]
    assert ran.fault["hint"] == f"--url http://{afar.address}"


def test_plain_http_spoken_to_tls_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server, _ = certified("localhost", tmp_path)
    with running_tcp(server) as fake:
        ran = ctl(capsys, "jobs", "--url", f"http://{fake.address}", "--json")
    assert ran.code == 3
    assert ran.fault["code"] == "tls"
    assert ran.fault["hint"] == f"--url https://{fake.address}"


def test_a_proxy_that_answers_plain_http_with_a_400_says_so_too(
    afar: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    afar.answers(
        "GET /admin/backfill/status",
        "The plain HTTP request was sent to HTTPS port",
        status=400,
    )
    ran = ctl(capsys, "jobs", "--url", f"http://{afar.address}", "--json")
    assert (ran.code, ran.fault["code"]) == (3, "tls")


def test_a_certificate_that_nobody_vouches_for_is_refused_and_a_named_one_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _ = certified("localhost", tmp_path)
    with running_tcp(server) as fake:
        fake.answers(HEALTH, health())
        url = f"https://localhost:{fake.address.partition(':')[2]}"
        ran = ctl(capsys, "status", "--json", "--url", url)
        assert (ran.code, ran.fault["code"]) == (3, "tls")
        assert "its certificate is not trusted" in ran.fault["error"]
        assert "SSL_CERT_FILE" in ran.fault["hint"]
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
        assert ctl(capsys, "status", "--json", "--url", url).code == 0


def test_a_daemon_that_runs_and_is_not_ready_is_not_called_dead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "control.sock"
    words = [
        b"/opt/backfilld/bin/python",
        b"/opt/backfilld/bin/backfilld",
        b"run",
        b"--config",
        b"x",
    ]
    process = absent.PROC / "4242"
    process.mkdir(parents=True)
    (process / "cmdline").write_bytes(b"\0".join(words) + b"\0")
    (absent.PROC / "self").mkdir()
    ran = ctl(capsys, "jobs", "--socket", path, "--json")
    assert ran.code == 3
    assert ran.fault["code"] == "not-ready"
    assert ran.fault["error"] == (
        f"cannot reach backfilld: there is no socket {path}; one runs here (process 4242)"
    )
    assert "wait a moment: it reads its log before it answers" in ran.fault["hint"]
    (process / "cmdline").write_bytes(b"/usr/bin/backfilld\0check-config\0")
    assert ctl(capsys, "jobs", "--socket", path, "--json").fault["code"] == "not-running"


def test_a_503_is_a_daemon_that_is_not_ready_either(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers(HEALTH, problem("Back in a moment", "not-ready", "wait"), status=503)
    assert ctl(capsys, "status", "--socket", daemon.path).code == 3


def test_a_folder_that_stands_where_the_socket_should_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(tmp_path / "s") as fake:
        assert stat.S_ISSOCK(fake.path.stat().st_mode)
    ran = ctl(capsys, "jobs", "--socket", tmp_path)
    assert ran.code == 3
    assert "nobody answers at" in ran.err
