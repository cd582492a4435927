"""Dead letters on the command line: what they are, what came, and what is done about them."""

import base64
from typing import Any

import msgspec
import pytest
from unit.cli.fake_daemon import NSID, FakeDaemon, problem
from unit.cli.ran import Ctl

from backfilld.control.shapes.dead_letters import (
    BulkDone,
    LetterDetail,
    Letters,
    LetterShape,
    NotDone,
)

PATH = "/admin/dead-letters"
URI = f"at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/{NSID}/3jzfcijpj2z2a"
AT = "2026-03-10T03:00:00.000Z"


def letter(**changes: Any) -> LetterShape:
    fields: dict[str, Any] = {
        "id": "17", "lexicon_id": NSID, "uri": URI, "did": "did:plc:ewvi7nxzyoun6zhxrhs64oiz",
        "collection": NSID, "rkey": "3jzfcijpj2z2a", "action": "create",
        "error": "the record has no body", "attempts": 2, "created_at": AT,
        "raw_bytes": 10, "kept_bytes": 10,
    }  # fmt: skip
    return LetterShape(**fields | changes)


def detail(raw: bytes, **changes: Any) -> Any:
    fields = msgspec.to_builtins(letter(**changes))
    encoded = base64.b64encode(raw).decode()
    return msgspec.to_builtins(LetterDetail(**fields, record=None, raw_base64=encoded))


def page(*letters: LetterShape, **more: Any) -> Any:
    return msgspec.to_builtins(Letters([*letters], **more))


def done(count: int, *failed: NotDone, **more: Any) -> Any:
    return msgspec.to_builtins(BulkDone(True, count, [*failed], **more))


def test_open_ones_are_listed_with_why_they_cannot_be_read(daemon: FakeDaemon, ctl: Ctl) -> None:
    settled = letter(id="16", uri=None, did=None, resolved_at=AT, resolution="dismiss")
    daemon.answers(f"GET {PATH}", page(letter(), settled, cursor="16"))
    ran = ctl("dead-letters", "ls")
    head, first, second = ran.out.splitlines()
    assert head.split("  ")[0] == "ID"
    assert first.split()[0::2] == ["17", URI, "the", "has", "body"]
    assert "not known which" in second
    assert "(dismiss)" in second
    assert "--cursor 16" in ran.err
    assert daemon.asked[-1][2] == {"resolved": ["false"], "limit": ["50"]}
    ctl("dead-letters", "ls", "-c", NSID, "--all", "--limit", "7", "--cursor", "16")
    assert daemon.asked[-1][2] == {
        "collection": [NSID], "resolved": ["all"], "limit": ["7"], "cursor": ["16"],
    }  # fmt: skip
    assert ctl("dead-letters", "ls", "--json").data["cursor"] == "16"
    assert len(ctl("dead-letters", "ls", "--jsonl").out.splitlines()) == 2
    daemon.answers(f"GET {PATH}", page())
    assert ctl("dead-letters", "ls").out == "No open dead letters.\n"


def test_what_came_is_shown_and_cannot_move_the_cursor(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(f"GET {PATH}/17", detail(b"\x1b[2J\xff", raw_bytes=5000, kept_bytes=5))
    ran = ctl("dead-letters", "show", "17")
    assert "the record has no body" in ran.out
    assert "5,000 bytes, 5 of them kept" in ran.out
    assert "\\x1b[2J\\xff" in ran.out
    assert "\x1b" not in ran.out
    assert ctl("dead-letters", "show", "17", "--json").data["raw_bytes"] == 5000


@pytest.mark.parametrize("action", ["retry", "reindex", "dismiss"])
def test_some_are_handled_by_their_ids(daemon: FakeDaemon, ctl: Ctl, action: str) -> None:
    daemon.answers(f"POST {PATH}/bulk/{action}", done(2))
    ran = ctl("dead-letters", action, "17", "18")
    assert (ran.code, daemon.bodies[-1]) == (0, {"ids": ["17", "18"]})
    assert ": 2. Not: 0." in ran.out


def test_all_are_handled_part_by_part(daemon: FakeDaemon, ctl: Ctl) -> None:
    no = NotDone("9", "it could not be fetched: timeout", "try again later")
    daemon.answers(f"POST {PATH}/bulk/reindex", done(3, no, cursor="9"), done(1))
    ran = ctl("dead-letters", "reindex", "--all", "-c", NSID)
    asked = {"all": True, "collection": NSID}
    assert daemon.bodies == [asked, {**asked, "cursor": "9"}]
    assert ran.out.splitlines() == [
        "Fetched again: 4. Not: 1.",
        "  9  it could not be fetched: timeout; try again later",
    ]
    assert ran.code == 7, "an honest no"
    assert ctl("dead-letters", "reindex", "--all", "--json").data == {
        "ok": True, "done": 1, "failed": [],
    }  # fmt: skip


def test_all_are_not_put_away_without_a_yes(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(f"POST {PATH}/bulk/dismiss", done(5))
    ran = ctl("dead-letters", "dismiss", "--all", "--no-input")
    assert (ran.code, daemon.bodies) == (2, [])
    assert "--yes" in ran.err
    assert ctl("dead-letters", "dismiss", "--all", "--yes").out == "Put away: 5. Not: 0.\n"


@pytest.mark.parametrize("words", [[], ["17", "--all"], ["17", "-c", NSID]])
def test_either_ids_or_all_are_named(daemon: FakeDaemon, ctl: Ctl, words: list[str]) -> None:
    ran = ctl("dead-letters", "retry", *words)
    assert (ran.code, daemon.bodies) == (2, [])
    assert "--all" in ran.err


def test_a_letter_that_is_not_there_is_said_to_be(daemon: FakeDaemon, ctl: Ctl) -> None:
    text = "dead letter '99' not found"
    body = problem(text, "dead-letter-not-found", "backfillctl dead-letters ls")
    daemon.answers(f"GET {PATH}/99", body, status=404)
    ran = ctl("dead-letters", "show", "99")
    assert ran.code == 5
    assert text in ran.err


@pytest.mark.parametrize("name", ["count", "", "../events", "x"])
def test_what_is_no_number_is_no_letter_and_not_asked_for(ctl: Ctl, name: str) -> None:
    ran = ctl("dead-letters", "show", name)
    assert (ran.code, "no dead letter" in ran.err) == (5, True)
