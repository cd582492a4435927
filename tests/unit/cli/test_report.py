"""A report for a bug holds what a maintainer needs, and no secret, whoever planted it where."""

import json
import tarfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from unit.cli.fake_daemon import ID, FakeDaemon, Lines, health, job, listed, problem
from unit.cli.ran import Ctl

from backfilld.cli.ctl.redact import Redactor

SECRET = "hunter2xyzzy"
KEY = "hv_0123456789abcdef0123456789abcdef"
DID = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"
HANDLE = "alice.example"


def event(position: int, name: str, /, **payload: Any) -> dict[str, Any]:
    return {
        "position": position, "stream": f"job/{ID}", "version": 1, "type": name, "schema": 1,
        "recorded_at": "2026-11-24T03:02:10.123Z", "actor": f"key:{SECRET}", "cause": 901,
        "payload": payload, "hash": "9f" * 32,
    }  # fmt: skip


def planted(daemon: FakeDaemon) -> None:
    """A daemon that tells secrets wherever a text may stand."""
    tap = f"http://admin:{SECRET}@127.0.0.1:2480?token={SECRET}"
    body = job(
        "paused", why=SECRET, sentence=f"Paused by alice: '{SECRET}'.", actor=f"key:{SECRET}",
        error=f"Authorization: Bearer {SECRET}",
    )  # fmt: skip
    daemon.answers(
        "GET /admin/health",
        {**health(body), "tap_url": tap, "verdict": f"password={SECRET}", "secret": SECRET},
    )
    daemon.answers("GET /admin/backfill/status", [listed(body)])
    daemon.answers(f"GET /admin/backfill/{ID}", body)
    daemon.answers("GET /admin/whoami", {"actor": f"key:{SECRET}", "permissions": ["stats:read"]})
    daemon.answers("GET /admin/tap", {"url": tap, "password": SECRET, "version": "v0.1.16"})
    daemon.answers("GET /admin/relay", problem(f"no: {KEY}", "relay-down"), status=502)
    daemon.answers(
        "GET /admin/log",
        Lines(
            [
                event(1, "job.paused", reason=SECRET),
                event(2, "key.created", name=SECRET, digest=SECRET, prefix=SECRET),
                event(3, "lexicon.uploaded", document=json.dumps({"x": SECRET}), nsid="a.b.c"),
                event(4, "job.dids-given", dids=[DID, DID, "did:web:b.example"], count=3),
                event(5, "job.attempt-failed", message=f"ticket: {SECRET}", kind="unreachable"),
                event(6, "record", body={SECRET: SECRET}, handle=HANDLE, uri=f"at://{DID}/x/y"),
            ]
        ),
    )


def files(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        members = archive.getmembers()
        found = {one.name.rpartition("/")[2]: archive.extractfile(one) for one in members}
        return {name: file.read() for name, file in found.items() if file is not None}


def test_a_planted_secret_never_appears(daemon: FakeDaemon, ctl: Ctl, tmp_path: Path) -> None:
    planted(daemon)
    config = tmp_path / "config.toml"
    (tmp_path / "password").write_text(SECRET)
    config.write_text(
        f'[tap]\npassword_file = "{tmp_path}/password"\nurl = "http://127.0.0.1:2480"\n'
        f'env = {{ TAP_X = "{SECRET}" }}\n'
        f'[[notify]]\non = ["job.failed"]\nexec = ["/bin/page", "--token={SECRET}"]\n'
    )
    path = tmp_path / "bug.tar.gz"
    ran = ctl("report", str(path), "--config", str(config))
    assert ran.code == 0
    found = files(path)
    whole = b"".join(found.values()) + ctl("report", "-", "--config", str(config)).out.encode()
    for secret in (SECRET, KEY, DID, HANDLE):
        assert secret.encode() not in whole
    assert path.stat().st_mode & 0o077 == 0, "nobody else reads it"


def test_what_a_maintainer_needs_is_there(daemon: FakeDaemon, ctl: Ctl, tmp_path: Path) -> None:
    planted(daemon)
    path = tmp_path / "bug.tar.gz"
    ran = ctl("report", str(path))
    assert ran.out == f"Wrote {path}.\n"
    assert ran.err == f"Look into it before you send it: tar -xzOf {path} | less\n"
    found = {name: json.loads(text) for name, text in files(path).items()}
    assert {"about.json", "doctor.json", "health.json", "jobs.json", "events.json"} <= set(found)
    assert {"python", "sqlite", "system", "version"} <= set(found["about.json"])
    (one,) = found["jobs.json"]
    assert (one["id"], one["state"], one["total_repos"]) == (ID, "paused", 34_112)
    assert one["why"] == f"({len(SECRET)} characters)"
    assert found["tap.json"]["url"] == "http://…@127.0.0.1:2480?…"
    assert found["relay.json"] == {"error": "no: hv_…", "code": "relay-down"}
    events = found["events.json"]
    assert [one["type"] for one in events][:2] == ["job.paused", "key.created"]
    assert events[0]["hash"] == "9f" * 32
    assert events[3]["payload"] == {
        "dids": ["did:plc:account-1", "did:plc:account-1", "did:web:account-2"], "count": 3,
    }  # fmt: skip
    assert events[4]["payload"]["message"] == "ticket: …"


def test_accounts_are_named_when_they_matter(daemon: FakeDaemon, ctl: Ctl) -> None:
    planted(daemon)
    assert DID in ctl("report", "-", "--accounts").out


def test_without_a_daemon_there_is_a_report_all_the_same(ctl: Ctl, tmp_path: Path) -> None:
    path = tmp_path / "bug.json"
    ran = ctl("--socket", "/nowhere", "report", str(path))
    assert ran.code == 0
    assert "there is no socket" in json.loads(path.read_text())["health"]["error"]


def test_a_file_that_is_there_is_never_replaced(
    daemon: FakeDaemon, ctl: Ctl, tmp_path: Path
) -> None:
    path = tmp_path / "bug.json"
    path.write_text("mine")
    ran = ctl("report", str(path))
    assert (ran.code, path.read_text()) == (2, "mine")
    assert "File exists" in ran.err


TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
PLANTED = st.tuples(TEXT, st.sampled_from([KEY, DID, ""]), TEXT).map("".join)
NAME = st.sampled_from(["error", "message", "url", "reason", "why", "id", "name", "did", "x y"])


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), PLANTED),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(st.one_of(NAME, PLANTED), inner, max_size=4),
        ),
    )
)
def test_wherever_a_key_or_an_account_stands_it_does_not_stay(value: Any) -> None:
    made = json.dumps(Redactor()(value))
    assert KEY not in made
    assert DID not in made
