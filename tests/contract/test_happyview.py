"""A script written for HappyView's admin API works here unchanged: every row, over both doors."""

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from contract.doors import Door, key
from contract.rows import NOT_OURS, PERMISSIONS, ROWS, SCORE, Row
from support.machine import Machine, until

from backfilld.control.caller.client import Refusal

BOTH = {"records:delete-collection": ["records:delete"]}  # the contract asks for two there


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, module_port: int) -> Iterator[Machine]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("contract")
        machine = Machine(folder, stack, faults=0, port=module_port)
        until(lambda: machine.control.get("/admin/health")["channel"]["connected"])
        yield machine


def filled(machine: Machine, path: str) -> str:
    if "{job}" not in path:
        return path
    (job, *_) = machine.control.get("/admin/backfill/status")
    return path.replace("{job}", job["id"])


def check(row: Row, status: int, text: bytes) -> None:
    assert status == row.status, text[:500]
    if row.text is not None:
        assert text.decode() == row.text
        return
    if not row.fields and not row.is_list:
        return
    answer = json.loads(text)
    if row.is_list:
        assert isinstance(answer, list)
        if not row.fields:
            return
        answer = answer[0]
    for name, kinds in row.fields.items():
        assert isinstance(answer[name], kinds), (name, answer[name])


def test_every_row_answers_as_happyview_does(machine: Machine) -> None:
    door = Door(machine.port, key(machine, *PERMISSIONS))
    for row in ROWS:
        check(row, *door.ask(row.method, filled(machine, row.path), row.body))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_is_refused_without_a_key_and_with_a_key_for_everything_else(
    machine: Machine, row: Row
) -> None:
    if row.name == "GET /health":
        assert Door(machine.port).ask(row.method, row.path)[0] == 200
        return
    path = row.path.replace("{job}", "00000000-0000-4000-8000-000000000000")
    status, text = Door(machine.port).ask(row.method, path, row.body)
    assert (status, "error" in json.loads(text)) == (401, True)
    if row.permission is None:
        return
    others = [one for one in PERMISSIONS if one != row.permission]
    status, text = Door(machine.port, key(machine, *others)).ask(row.method, path, row.body)
    answer = json.loads(text)
    assert status == 403
    assert answer["error"] == "InsufficientPermissions"
    assert answer["message"] == f"Missing permission: {row.permission}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_one_permission_of_a_row_is_enough(machine: Machine, row: Row) -> None:
    if row.permission is None:
        return
    only = Door(machine.port, key(machine, row.permission, *BOTH.get(row.permission, ())))
    path = row.path.replace("{job}", "00000000-0000-4000-8000-000000000000")
    assert only.ask(row.method, path, row.body)[0] not in (401, 403)


@pytest.mark.parametrize("name", NOT_OURS)
def test_what_is_happyviews_alone_says_why_it_is_not_here(machine: Machine, name: str) -> None:
    with pytest.raises(Refusal) as refused:
        machine.control.get(f"/admin/{name}")
    assert (refused.value.status, str(refused.value)) == (404, "not part of backfilld")
    assert refused.value.hint


def test_a_script_that_polls_for_the_end_of_its_job_finds_it(machine: Machine) -> None:
    door = Door(machine.port, key(machine, "backfill:create", "backfill:read", "lexicons:create"))
    lexicon = next(row for row in ROWS if row.name == "POST /admin/lexicons").body
    door.ask("POST", "/admin/lexicons", {**lexicon, "backfill": False})
    status, text = door.ask("POST", "/admin/backfill", {"collection": SCORE})
    job = json.loads(text)["id"]
    assert status == 201

    def ended() -> str | None:
        jobs = json.loads(door.ask("GET", "/admin/backfill/status")[1])
        (mine,) = (one for one in jobs if one["id"] == job)
        return mine["status"] if mine["status"] in ("completed", "failed") else None

    assert until(ended) == "completed"
