"""Lists of accounts: of any length, in parts that one request can carry, nothing left out."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.cli.fake_daemon import ID, NSID, FakeDaemon
from unit.cli.ran import Ctl

from backfilld.cli.ctl import accounts

START = "POST /admin/backfill"


def did(n: int) -> str:
    return f"did:web:{n}.example"


def started(n: int = 0) -> dict[str, Any]:
    return {
        "id": f"{n:08d}{ID[8:]}", "status": "pending", "state": "pending", "collections": [NSID],
        "position": 9,
    }  # fmt: skip


def written(folder: Path, *lines: str) -> str:
    path = folder / "list.txt"
    path.write_text("\n".join(lines))
    return str(path)


def test_comments_blanks_and_at_signs_are_no_accounts(
    daemon: FakeDaemon, ctl: Ctl, tmp_path: Path
) -> None:
    lines = ["\ufeff# of March", "", f"  {did(1)}  # the first", "@alice.example", "   ", did(2)]
    daemon.answers(START, started(), status=201)
    ran = ctl("start", NSID, "--from", written(tmp_path, *lines), "--did", did(0))
    assert ran.code == 0
    assert daemon.bodies == [
        {"collection": NSID, "dids": [did(0), did(1), "alice.example", did(2)]}
    ]
    assert "hands 4 accounts to Tap, for" in ran.out


def test_a_list_may_come_from_stdin(
    daemon: FakeDaemon, ctl: Ctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.answers(START, started(), status=201)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{did(1)}\r\n".encode())))
    assert ctl("start", "--from", "-").code == 0
    assert daemon.bodies == [{"did": did(1)}]


@pytest.mark.parametrize("lines", [[], ["", "  "], ["# nobody"]])
def test_a_blank_list_is_never_everything(
    daemon: FakeDaemon, ctl: Ctl, tmp_path: Path, lines: list[str]
) -> None:
    ran = ctl("start", NSID, "--from", written(tmp_path, *lines))
    assert (ran.code, daemon.asked) == (2, [])
    assert "names no account" in ran.err


def test_bad_lines_are_named_by_number_before_anything_is_started(
    daemon: FakeDaemon, ctl: Ctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "PART_DIDS_MAX", 1)
    lines = [did(1), did(2), "not\x1ban account", did(3), "at://x"]
    ran = ctl("start", NSID, "--from", written(tmp_path, *lines))
    assert (ran.code, daemon.asked) == (2, [])
    assert r"line 3: 'not\\x1ban account', line 5: 'at://x'" in ran.err


def test_a_long_list_becomes_several_jobs_each_with_a_key_of_its_own(
    daemon: FakeDaemon, ctl: Ctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "PART_DIDS_MAX", 2)
    daemon.answers(START, *map(started, range(3)), status=201)
    path = written(tmp_path, *map(did, range(5)))
    ran = ctl("start", NSID, "--from", path, "--idempotency-key", "k")
    assert ran.code == 0
    assert [body.get("dids") or [body["did"]] for body in daemon.bodies] == [
        [did(0), did(1)], [did(2), did(3)], [did(4)],
    ]  # fmt: skip
    assert [headers["idempotency-key"] for headers in daemon.headers] == ["k", "k/2", "k/3"]
    assert ran.out.endswith("Watch: backfillctl watch 00000000 00000001 00000002\n")


def test_collections_and_parts_have_keys_that_never_meet(
    daemon: FakeDaemon, ctl: Ctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "PART_DIDS_MAX", 1)
    daemon.answers(START, started(), status=201)
    path = written(tmp_path, did(0), did(1))
    ctl("start", "net.example.a", "net.example.b", "--from", path, "--idempotency-key", "k" * 250)
    keys = [headers["idempotency-key"] for headers in daemon.headers]
    assert len(set(keys)) == 4
    assert all(len(key) <= 255 for key in keys)
    daemon.headers.clear()
    ctl("start", "net.example.a", "--did", did(0))
    assert daemon.headers[0]["idempotency-key"] is None


def test_what_was_started_before_an_error_is_told(
    daemon: FakeDaemon, ctl: Ctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "PART_DIDS_MAX", 1)
    daemon.answers(START, started(7), None, status=201)
    ran = ctl("start", NSID, "--from", written(tmp_path, did(0), did(1)))
    assert ran.code == 1
    assert "1 job was started before this: 00000007\n" in ran.err


def test_handles_are_few_in_a_part_since_each_costs_a_look_up(tmp_path: Path) -> None:
    names = [f"h{n}.example" for n in range(accounts.PART_HANDLES_MAX)]
    named = [*names, did(0), "one-more.example", did(1)]
    first, second = accounts.parts(named, None)
    assert first == [*names, did(0)]
    assert second == ["one-more.example", did(1)]


def test_a_part_is_never_larger_than_a_body_may_be() -> None:
    long = [f"did:web:{'x' * 1900}{n:04d}" for n in range(8_000)]
    found = list(accounts.parts(long, None))
    assert [one for part in found for one in part] == long
    assert all(sum(len(one) + 3 for one in part) < 8 * 2**20 for part in found)


@given(
    st.lists(st.one_of(st.integers(0, 99).map(did), st.just("a.example"), st.just("#"))),
    st.integers(1, 7),
    st.integers(1, 3),
)
def test_every_account_is_in_one_part_in_order(
    lines: list[str], dids_max: int, handles_max: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "PART_DIDS_MAX", dids_max)
        patch.setattr(accounts, "PART_HANDLES_MAX", handles_max)
        found = list(accounts.parts([], io.BytesIO("\n".join(lines).encode())))
    assert [one for part in found for one in part] == [line for line in lines if line != "#"]
    assert all(0 < len(part) <= dids_max for part in found)
    assert all(sum(one == "a.example" for one in part) <= handles_max for part in found)
