"""Keys: shown once, alone on stdout; listed without themselves; revoked by any name of one."""

from typing import Any

import msgspec
import pytest
from unit.cli.fake_daemon import ID, OTHER_ID, FakeDaemon, problem
from unit.cli.ran import Ctl

from backfilld.control.shapes.keys import KeyMade, KeyShape

KEYS = "/admin/api-keys"
SECRET = "hv_0123456789abcdef0123456789abcdef"


def made(**changes: Any) -> dict[str, Any]:
    shape = KeyMade(
        id=ID, name="ci", key=SECRET, key_prefix=SECRET[:11], permissions=["backfill:create"],
        created_at="2026-03-10T03:00:00.000Z", expires_at=None, warnings=[],
    )  # fmt: skip
    return {**msgspec.to_builtins(shape), **changes}


def listed(**changes: Any) -> dict[str, Any]:
    shape = KeyShape(
        id=ID, name="ci", key_prefix=SECRET[:11], permissions=["backfill:create"],
        created_at="2026-03-10T03:00:00.000Z", last_used_at=None, revoked_at=None,
        expires_at=None, created_by="uid:1000",
    )  # fmt: skip
    return {**msgspec.to_builtins(shape), **changes}


def test_the_key_goes_to_stdout_alone_and_all_else_to_stderr(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(f"POST {KEYS}", made(warnings=["users:read is HappyView's"]), status=201)
    ran = ctl("key", "create", "ci", "-p", "backfill:create", "-p", "users:read")
    assert (ran.code, ran.out) == (0, SECRET + "\n")
    assert "warning: users:read is HappyView's\n" in ran.err
    assert f"Made key {ID} for ci: backfill:create.\n" in ran.err
    assert SECRET not in ran.err
    assert daemon.bodies == [{"name": "ci", "permissions": ["backfill:create", "users:read"]}]
    ran = ctl("key", "create", "ci", "-q")
    assert (ran.out, ran.err) == (SECRET + "\n", "")
    assert ctl("key", "create", "ci", "--json").data["key"] == SECRET


def test_without_a_permission_it_may_look_and_not_act(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(f"POST {KEYS}", made(), status=201)
    ctl("key", "create", "board", "--expires", "90d")
    assert daemon.bodies[0]["permissions"]
    assert all(word.endswith(":read") for word in daemon.bodies[0]["permissions"])
    assert daemon.bodies[0]["expires_at"].endswith("Z")


def test_keys_are_listed_with_how_they_stand(daemon: FakeDaemon, ctl: Ctl) -> None:
    past = "2026-03-10T03:00:00.000Z"
    daemon.answers(
        f"GET {KEYS}",
        [listed(), listed(name="old", revoked_at=past), listed(name="gone", expires_at=past)],
    )
    head, good, revoked, ended = ctl("key", "ls").out.splitlines()
    assert head.split("  ")[0] == "KEY"
    assert good.split() == ["3b0d4f7e", "ci", "hv_01234567…", "good", "never", "backfill:create"]
    assert "revoked" in revoked
    assert "past its end" in ended
    daemon.answers(f"GET {KEYS}", [])
    assert "backfillctl key create NAME" in ctl("key", "ls").out
    assert ctl("key", "ls", "--json").data == []


@pytest.mark.parametrize("name", ["ci", ID, "3b0d", "hv_0123"])
def test_a_key_is_revoked_by_any_name_that_fits_one(
    daemon: FakeDaemon, ctl: Ctl, name: str
) -> None:
    other = listed(id=OTHER_ID, name="board", key_prefix="hv_ffffffff")
    old = listed(id="3b0d0000", revoked_at="2026-03-10T03:00:00.000Z")
    daemon.answers(f"GET {KEYS}", [other, listed(), old])
    daemon.answers(f"DELETE {KEYS}/{ID}", None, status=204)
    ran = ctl("key", "revoke", name)
    assert (ran.code, ran.out) == (0, "Revoked ci (hv_01234567…): it opens nothing any more.\n")
    assert ctl("key", "revoke", name, "--json").data == {"id": ID, "revoked": True}


def test_a_name_that_fits_none_or_two_revokes_nothing(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(f"GET {KEYS}", [listed(name="deploy"), listed(name="deploy", id=OTHER_ID)])
    ran = ctl("key", "revoke", "deploi")
    assert ran.code == 5
    assert "no key is named 'deploi'; did you mean deploy?" in ran.err
    assert "it fits more than one" in ctl("key", "revoke", "deploy").err
    assert ctl("key", "revoke", "").code == 5
    assert {method for method, _, _ in daemon.asked} == {"GET"}


def test_what_one_may_not_grant_exits_4(daemon: FakeDaemon, ctl: Ctl) -> None:
    said = problem("Cannot grant API key permission you don't have: x", "permission-denied")
    daemon.answers(f"POST {KEYS}", said, status=403)
    ran = ctl("key", "create", "ci", "-p", "x")
    assert (ran.code, ran.out) == (4, "")
