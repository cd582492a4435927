"""Keys: made and shown once, bound to their words, of no use when revoked or past their end."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.machine import Machine, until
from support.web import Heard, ask, new_key, refusals

from backfilld.control.caller.client import Refusal
from backfilld.control.serving.refusals import PER_MINUTE
from backfilld_events.log import read

ME = f"uid:{os.getuid()}"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, module_port: int) -> Iterator[Machine]:
    with ExitStack() as stack:
        machine = Machine(tmp_path_factory.mktemp("keys"), stack, faults=0, port=module_port)
        until(lambda: machine.control.get("/admin/health"))
        yield machine


def make(machine: Machine, key: str, name: str, *permissions: str, **more: Any) -> Heard:
    body = json.dumps({"name": name, "permissions": list(permissions), **more}).encode()
    return ask(machine, "POST", "/admin/api-keys", key=key, body=body)


def in_future(**more: float) -> str:
    return (datetime.now(UTC) + timedelta(**more)).isoformat()


def test_a_key_is_shown_once_and_kept_as_its_digest(machine: Machine) -> None:
    body = b'{"name":"ci","permissions":["backfill:create","backfill:read"]}'
    answer = machine.control.post("/admin/api-keys", body)
    assert (answer.status, answer.headers["cache-control"]) == (201, "no-store")
    made = answer.body
    assert made["key"].startswith(made["key_prefix"])
    assert (len(made["key"]), len(made["key_prefix"])) == (35, 11)
    assert made["permissions"] == ["backfill:create", "backfill:read"]
    assert (made["warnings"], made["expires_at"]) == ([], None)
    (listed,) = [one for one in machine.control.get("/admin/api-keys") if one["id"] == made["id"]]
    assert "key" not in listed
    assert (listed["name"], listed["last_used_at"], listed["revoked_at"]) == ("ci", None, None)
    assert listed["created_by"] == ME
    with machine.reader("events.db") as db:
        payloads = b"".join(row.payload for row in read.rows(db))
    assert made["key_prefix"].encode() in payloads
    assert made["key"].encode() not in payloads


def test_who_asks_can_see_who_they_are(machine: Machine) -> None:
    me = machine.control.get("/admin/whoami")
    assert (me["actor"], me["key"]) == (ME, None)
    assert "records:delete-collection" in me["permissions"]
    end = in_future(days=1)
    key = new_key(machine, "who", "stats:read", expires_at=end)
    me = ask(machine, "GET", "/admin/whoami", key=key).body
    assert (me["actor"], me["permissions"]) == ("key:who", ["stats:read"])
    assert me["key"]["name"] == "who"
    assert datetime.fromisoformat(me["key"]["expires_at"]) - datetime.fromisoformat(
        end
    ) < timedelta(seconds=1)


def test_a_use_is_remembered(machine: Machine) -> None:
    key = new_key(machine, "used", "stats:read")
    assert ask(machine, "GET", "/admin/stats", key=key).status == 200
    (listed,) = [one for one in machine.control.get("/admin/api-keys") if one["name"] == "used"]
    assert listed["last_used_at"] >= listed["created_at"]


def test_keys_are_listed_newest_first(machine: Machine) -> None:
    for name in ("first", "second", "third"):
        new_key(machine, name)
    names = [one["name"] for one in machine.control.get("/admin/api-keys")]
    assert names[:3] == ["third", "second", "first"]


def test_a_key_may_what_it_was_given_and_nothing_else(machine: Machine) -> None:
    key = new_key(machine, "looker", "backfill:read")
    assert ask(machine, "GET", "/admin/backfill/status", key=key).status == 200
    before = len(refusals(machine))
    for method, path, word in (
        ("GET", "/admin/records?collection=a.b.c", "records:read"),
        ("POST", "/admin/backfill", "backfill:create"),
        ("DELETE", "/admin/lexicons/a.b.c", "lexicons:delete"),
        ("POST", "/admin/api-keys", "api-keys:create"),
    ):
        heard = ask(machine, method, path, key=key, body=b"{}" if method == "POST" else None)
        assert heard.status == 403
        assert heard.body["error"] == "InsufficientPermissions"
        assert heard.body["message"] == f"Missing permission: {word}"
        assert heard.body["code"]
        assert heard.body["hint"]
    assert refusals(machine)[before:] == [
        ("key:looker", command, "permission-denied", f"Missing permission: {word}")
        for command, word in (
            ("POST /admin/backfill", "backfill:create"),
            ("DELETE /admin/lexicons/a.b.c", "lexicons:delete"),
            ("POST /admin/api-keys", "api-keys:create"),
        )
    ]


def test_whoever_lacks_one_of_two_words_lacks_the_permission(machine: Machine) -> None:
    key = new_key(machine, "half", "records:delete-collection")
    heard = ask(machine, "DELETE", "/admin/records/collection?collection=a.b.c", key=key)
    assert heard.body["message"] == "Missing permission: records:delete"


def test_nobody_gives_what_they_have_not(machine: Machine) -> None:
    key = new_key(machine, "maker", "api-keys:create", "stats:read")
    heard = make(machine, key, "child", "stats:read", "backfill:create")
    assert (heard.status, heard.body["field"]) == (403, "permissions")
    assert heard.body["error"] == "Cannot grant API key permission you don't have: backfill:create"
    assert make(machine, key, "child", "stats:read").status == 201


def test_nobody_gives_a_key_that_outlives_theirs(machine: Machine) -> None:
    end = in_future(hours=1)
    key = new_key(machine, "brief", "api-keys:create", "stats:read", expires_at=end)
    for more in ({}, {"expires_at": in_future(hours=2)}):
        heard = make(machine, key, "longer", "stats:read", **more)
        assert (heard.status, heard.body["field"]) == (403, "expires_at")
    assert make(machine, key, "shorter", "stats:read", expires_at=end).status == 201


def test_only_ones_own_keys_are_seen_and_revoked(machine: Machine) -> None:
    words = ("api-keys:create", "api-keys:read", "api-keys:delete")
    alice, bob = (new_key(machine, name, *words) for name in ("alice", "bob"))
    made = make(machine, alice, "of alice", *words).body
    assert [one["id"] for one in ask(machine, "GET", "/admin/api-keys", key=alice).body] == [
        made["id"]
    ]
    assert ask(machine, "GET", "/admin/api-keys", key=bob).body == []
    path = f"/admin/api-keys/{made['id']}"
    heard = ask(machine, "DELETE", path, key=bob)
    assert (heard.status, heard.body["error"]) == (404, f"api key '{made['id']}' not found")
    assert ask(machine, "DELETE", path, key=alice).status == 204
    assert machine.control.delete(path).status == 204
    assert ask(machine, "GET", "/admin/whoami", key=made["key"]).status == 401


def test_what_a_revoked_key_made_is_of_no_use_and_its_owner_sees_it(machine: Machine) -> None:
    words = ("api-keys:create", "api-keys:read", "api-keys:delete")
    ops = new_key(machine, "ops", *words)
    child = make(machine, ops, "nightly", *words).body
    grandchild = make(machine, child["key"], "of nightly", *words).body
    seen = [one["id"] for one in ask(machine, "GET", "/admin/api-keys", key=ops).body]
    assert seen == [grandchild["id"], child["id"]]
    other = make(machine, child["key"], "another of nightly").body
    assert ask(machine, "DELETE", f"/admin/api-keys/{other['id']}", key=ops).status == 204
    assert ask(machine, "DELETE", f"/admin/api-keys/{child['id']}", key=ops).status == 204
    for gone in (child, grandchild):
        assert ask(machine, "GET", "/admin/whoami", key=gone["key"]).status == 401
    assert ask(machine, "GET", "/admin/whoami", key=ops).status == 200


def test_of_two_who_want_one_name_at_once_one_gets_it(machine: Machine) -> None:
    dave, erin = (new_key(machine, name, "api-keys:create") for name in ("dave", "erin"))
    with ThreadPoolExecutor(2) as threads:
        for number in range(5):
            both = threads.map(
                lambda key, name=f"both {number}": make(machine, key, name).status, (dave, erin)
            )
            assert sorted(both) == [201, 409]


def test_refusals_that_come_too_fast_are_counted_in_the_log(machine: Machine) -> None:
    key = new_key(machine, "flood")
    for _ in range(PER_MINUTE + 5):
        assert ask(machine, "POST", "/admin/backfill", key=key, body=b"{}").status == 403
    mine = [one for one in refusals(machine) if one[0] == "key:flood"]
    assert len(mine) == PER_MINUTE


def test_a_name_stays_with_who_gave_it(machine: Machine) -> None:
    """Else a key could be made that passes for another in the log, and sees its keys."""
    carol = new_key(machine, "carol", "api-keys:create")
    heard = make(machine, carol, "ci")
    assert (heard.status, heard.body["code"]) == (409, "name-taken")
    assert make(machine, carol, "own").status == make(machine, carol, "own").status == 201


def test_happyviews_other_words_are_taken_and_grant_nothing(machine: Machine) -> None:
    body = b'{"name":"old","permissions":["users:create","stats:read","spaces:manage-members"]}'
    made = machine.control.post("/admin/api-keys", body).body
    assert made["permissions"] == ["stats:read"]
    assert [text.split()[0] for text in made["warnings"]] == [
        "users:create", "spaces:manage-members",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"name": "x", "permissions": ["backfill:creat"]}, 400, "permissions"),
        ({"name": "x", "permissions": ["\x1b[31m" * 50]}, 400, "permissions"),
        ({"name": " ", "permissions": []}, 400, "name"),
        ({"name": "a\nb", "permissions": []}, 400, "name"),
        ({"name": "x" * 101, "permissions": []}, 422, "name"),
        ({"name": "x"}, 422, "permissions"),
        ({"permissions": []}, 422, "name"),
        ({"name": "x", "permissions": "backfill:read"}, 422, "permissions"),
        ({"name": "x", "permissions": [], "expires_at": "tomorrow"}, 422, "expires_at"),
        ({"name": "x", "permissions": [], "expires_at": "2999-01-01T00:00:00"}, 422, "expires_at"),
        ({"name": "x", "permissions": [], "expires_at": "2020-01-01T00:00:00Z"}, 400, "expires_at"),
        ({"name": "x", "permissions": [], "expires_at": "9000-01-01T00:00:00Z"}, 400, "expires_at"),
        (
            {"name": "x", "permissions": [], "expires_at": "9999-12-31T23:59:59.999999-23:59"},
            400,
            "expires_at",
        ),
        ({"name": "x", "permissions": [], "scope": "all"}, 422, "scope"),
    ],
)
def test_a_key_that_cannot_be_made_says_why(
    machine: Machine, body: dict[str, Any], status: int, field: str
) -> None:
    with pytest.raises(Refusal) as refusal:
        machine.control.post("/admin/api-keys", json.dumps(body).encode())
    assert (refusal.value.status, refusal.value.field) == (status, field)
    assert refusal.value.hint
    assert str(refusal.value).isprintable()


def test_a_revoked_key_is_of_no_use_at_once_and_stays_in_the_list(machine: Machine) -> None:
    key = new_key(machine, "gone", "stats:read")
    assert ask(machine, "GET", "/admin/stats", key=key).status == 200
    (one,) = [one for one in machine.control.get("/admin/api-keys") if one["name"] == "gone"]
    assert machine.control.delete(f"/admin/api-keys/{one['id']}").status == 204
    heard = ask(machine, "GET", "/admin/stats", key=key)
    assert (heard.status, heard.body["error"]) == (401, "invalid or revoked API key")
    (one,) = [one for one in machine.control.get("/admin/api-keys") if one["name"] == "gone"]
    assert one["revoked_at"]
    with pytest.raises(Refusal, match="not found"):
        machine.control.delete("/admin/api-keys/none-such")


def test_a_key_ends_when_it_was_to_end(machine: Machine) -> None:
    key = new_key(machine, "short", "stats:read", expires_at=in_future(seconds=1.5))
    assert ask(machine, "GET", "/admin/stats", key=key).status == 200
    until(lambda: ask(machine, "GET", "/admin/stats", key=key).status == 401)


def test_keys_outlive_a_crash(tmp_path: Path, unused_port: int) -> None:
    with ExitStack() as stack:
        machine = Machine(tmp_path, stack, faults=0, port=unused_port)
        until(lambda: machine.control.get("/admin/health"))
        kept, gone = new_key(machine, "kept", "stats:read"), new_key(machine, "gone", "stats:read")
        one = machine.control.get("/admin/api-keys")[0]
        machine.control.delete(f"/admin/api-keys/{one['id']}")
        machine.kill()
        machine.start()
        until(lambda: machine.control.get("/admin/health"))
        assert ask(machine, "GET", "/admin/stats", key=kept).status == 200
        assert ask(machine, "GET", "/admin/stats", key=gone).status == 401
