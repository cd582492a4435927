"""Lexicons are taken in to the letter, and forgotten only when somebody says so."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from unit.cli.fake_daemon import ID, NSID, FakeDaemon, problem
from unit.cli.ran import Ctl

from backfilld.control.shapes.network import NetworkLexiconAdded

UPLOAD = "POST /admin/lexicons"


def uploaded(**changes: Any) -> dict[str, Any]:
    body = {"id": NSID, "revision": 1, "backfill_job_id": ID, "position": 9, "warnings": []}
    return {**body, **changes}


def lexicon(**changes: Any) -> dict[str, Any]:
    body = {
        "id": NSID, "revision": 2, "lexicon_type": "record", "backfill": True, "action": None,
        "target_collection": None, "source": "manual", "authority_did": None,
        "last_fetched_at": None, "created_at": "2026-03-10T03:00:00.000Z",
        "updated_at": "2026-03-10T04:00:00.000Z", "token_cost": None, "has_script": False,
        "has_index_hook": False, "record_schema": None,
    }  # fmt: skip
    return {**body, **changes}


@pytest.fixture
def document(tmp_path: Path) -> str:
    path = tmp_path / "score.json"
    path.write_text('\ufeff{"lexicon": 1,  "id": "net.example.score", "x": 1.0e2}\n')
    return str(path)


def test_taking_one_in_tells_its_revision_and_the_job_that_began(
    daemon: FakeDaemon, ctl: Ctl, document: str
) -> None:
    daemon.answers(UPLOAD, uploaded(), status=201)
    ran = ctl("lexicon", "add", document)
    assert (ran.code, ran.out) == (
        0,
        f"Took in {NSID}, revision 1.\nStarted job {ID}.\nWatch: backfillctl watch 3b0d4f7e\n",
    )
    assert ctl("lexicon", "add", document, "--json").data == uploaded()


def test_without_a_backfill_no_job_is_asked_for(
    daemon: FakeDaemon, ctl: Ctl, document: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.answers(UPLOAD, uploaded(backfill_job_id=None))
    stdin = io.TextIOWrapper(io.BytesIO(Path(document).read_bytes()))
    monkeypatch.setattr(sys, "stdin", stdin)
    ran = ctl("lexicon", "add", "--no-backfill", "-")
    assert ran.out == f"Took in {NSID}, revision 1.\n"
    sent = {"lexicon": 1, "id": NSID, "x": 100.0}
    assert daemon.bodies == [{"lexicon_json": sent, "backfill": False}]


def test_a_new_revision_that_starts_no_job_says_how_to_start_one(
    daemon: FakeDaemon, ctl: Ctl, document: str
) -> None:
    daemon.answers(UPLOAD, uploaded(revision=2, backfill_job_id=None))
    assert f"Another: backfillctl start {NSID}" in ctl("lexicon", "add", document).out
    daemon.answers(UPLOAD, uploaded(backfill_job_id=None, warnings=["no job was started: …"]))
    ran = ctl("lexicon", "add", document)
    assert (ran.out, ran.err) == (
        f"Took in {NSID}, revision 1.\n",
        "warning: no job was started: …\n",
    )


def test_a_refused_document_is_told_with_its_place_and_a_way_out(
    daemon: FakeDaemon, ctl: Ctl, document: str
) -> None:
    hint = "it is the string 'tidd'"
    refusal = problem(
        f"key is tid (at $.defs.main.key); {hint}", "bad-lexicon", hint, "$.defs.main.key"
    )
    daemon.answers(UPLOAD, refusal, status=400)
    ran = ctl("lexicon", "add", document)
    assert (ran.code, ran.err) == (
        2,
        f"error: key is tid (at $.defs.main.key)\n  fix: {hint}\n",
    )
    fault = ctl("lexicon", "add", document, "--json").fault
    assert fault == {**refusal, "error": "key is tid (at $.defs.main.key)"}


@pytest.mark.parametrize("text", [b"{", b"\xff\xfe", b'{} , "backfill": false', b"[" * 100_000])
def test_what_is_no_json_is_not_sent(
    daemon: FakeDaemon, ctl: Ctl, tmp_path: Path, text: bytes
) -> None:
    (tmp_path / "bad.json").write_bytes(text)
    ran = ctl("lexicon", "add", str(tmp_path / "bad.json"))
    assert ran.code == 2
    assert "bad.json is not JSON" in ran.err
    assert daemon.asked == []


def test_a_file_that_is_not_there_is_wrong_usage(ctl: Ctl) -> None:
    ran = ctl("lexicon", "add", "nope.json")
    assert ran.code == 2
    assert "nope.json" in ran.err


def test_lexicons_are_listed_and_shown(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("GET /admin/lexicons", [lexicon()])
    lines = ctl("lexicon", "ls").out.splitlines()
    assert lines[0].split() == ["LEXICON", "REVISION", "TYPE", "BACKFILL", "SOURCE", "UPDATED"]
    assert lines[1].split()[:5] == [NSID, "2", "record", "on", "manual"]
    assert lines[1].endswith("2026-03-10 09:30:00+05:30")
    body = lexicon(lexicon_json={"id": NSID, "description": "ü\x1b[2J"})
    daemon.answers(f"GET /admin/lexicons/{NSID}", body)
    ran = ctl("lexicon", "show", NSID)
    assert ran.out.startswith(f"{NSID}: record, revision 2, backfill on\n")
    shown = ran.out[ran.out.index("{") :]
    assert json.loads(shown) == body["lexicon_json"], "what is copied from here is the document"
    assert "\x1b" not in shown
    assert ctl("lexicon", "show", NSID, "--json").data == body


def test_no_lexicon_is_an_offer_to_take_one_in(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("GET /admin/lexicons", [])
    assert "backfillctl lexicon add FILE" in ctl("lexicon", "ls").out


def test_forgetting_needs_a_yes_and_says_what_it_does_not_undo(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    daemon.answers(f"DELETE /admin/lexicons/{NSID}", None, status=204)
    for args in ([], ["--no-input"], ["--json"]):
        ran = ctl("lexicon", "rm", NSID, *args)
        assert (ran.code, ran.out) == (2, "")
        assert "--yes" in ran.err
    assert daemon.asked == []
    ran = ctl("lexicon", "rm", NSID, "--yes")
    assert ran.code == 0
    assert f"Forgot {NSID}; its records stay in the index" in ran.out
    assert ctl("lexicon", "rm", NSID, "--yes", "--json").data == {"id": NSID, "deleted": True}


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("n\n", 130), ("\n", 130)])
def test_on_a_terminal_it_asks(
    daemon: FakeDaemon, ctl: Ctl, monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    daemon.answers(f"DELETE /admin/lexicons/{NSID}", None, status=204)
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    ran = ctl("lexicon", "rm", NSID)
    assert ran.code == code
    assert f"Forget {NSID}? its records stay" in ran.err
    assert len(daemon.asked) == (code == 0)


def test_forgetting_what_is_not_there_exits_5(daemon: FakeDaemon, ctl: Ctl) -> None:
    refusal = problem(f"lexicon '{NSID}' not found", "lexicon-not-found")
    daemon.answers(f"DELETE /admin/lexicons/{NSID}", refusal, status=404)
    assert ctl("lexicon", "rm", NSID, "--yes").code == 5


FETCH = "POST /admin/network-lexicons"
AUTHORITY = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"


def fetched(**changes: Any) -> dict[str, Any]:
    shape = NetworkLexiconAdded(
        nsid=NSID, authority_did=AUTHORITY, revision=1, backfill_job_id=None, position=9,
        uri=f"at://{AUTHORITY}/com.atproto.lexicon.schema/{NSID}", cid="bafy", warnings=[],
    )  # fmt: skip
    return {**msgspec.to_builtins(shape), **changes}


def test_one_from_the_network_tells_who_published_it(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(FETCH, fetched(), status=201)
    ran = ctl("lexicon", "fetch", NSID)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"Took in {NSID}, revision 1, from {AUTHORITY}.\n"
    assert daemon.bodies == [{"nsid": NSID, "backfill": False}]
    daemon.answers(FETCH, fetched(backfill_job_id=ID), status=201)
    assert f"Started job {ID}.\n" in ctl("lexicon", "fetch", NSID, "--backfill").out
    assert daemon.bodies[-1]["backfill"] is True
    assert ctl("lexicon", "fetch", NSID, "--json").data == fetched(backfill_job_id=ID)


def test_one_from_the_network_may_be_looked_at_and_not_taken_in(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    found = {
        "nsid": NSID, "authority_did": AUTHORITY, "type": "record", "lexicon_json": {"id": NSID},
        "uri": "at://x", "cid": "bafy",
    }  # fmt: skip
    daemon.answers(f"GET /admin/network-lexicons/resolve/{NSID}", found)
    ran = ctl("lexicon", "fetch", NSID, "--show")
    assert ran.out.startswith(f"{NSID}: record, published by {AUTHORITY}\n  at://x bafy\n{{\n")
    assert [method for method, _, _ in daemon.asked] == ["GET"]
    assert ctl("lexicon", "fetch", NSID, "--show", "--backfill").code == 2


def test_a_job_that_could_not_begin_is_told(daemon: FakeDaemon, ctl: Ctl, document: str) -> None:
    why = "Missing permission: backfill:create"
    daemon.answers(UPLOAD, uploaded(backfill_job_id=None, backfill_error=why), status=201)
    ran = ctl("lexicon", "add", document)
    assert (ran.code, ran.err) == (0, f"warning: no job was started: {why}\n")


def test_a_name_that_is_mistyped_gets_one_suggestion(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("GET /admin/lexicons", [lexicon(), lexicon(id="net.example.profile")])
    refusal = problem("lexicon 'net.example.scor' not found", "lexicon-not-found")
    daemon.answers("GET /admin/lexicons/net.example.scor", refusal, status=404)
    ran = ctl("lexicon", "show", "net.example.scor")
    assert ran.code == 5
    assert ran.err.startswith(f"error: lexicon 'net.example.scor' not found; did you mean {NSID}?")
