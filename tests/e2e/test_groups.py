"""On the socket the kernel says who asks: one group may act, one may only look."""

import grp
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.machine import Machine, until
from support.web import refusals

ACT, LOOK, OTHER = sorted(one for one in grp.getgrall() if one.gr_gid not in (0, os.getgid()))[:3]
ALICE = 54_321  # a user nobody else is

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can ask as somebody else")


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    folder = Path(tempfile.mkdtemp(prefix="groups"))
    folder.chmod(0o755)
    control = f'socket_mode = "0666"\nsocket_group = "{ACT.gr_name}"\nread_group = "{LOOK.gr_name}"'
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        machine = Machine(folder, stack, faults=0, control=control)
        until(lambda: machine.control.get("/admin/whoami"))
        yield machine


def ask_as(machine: Machine, gid: int, groups: list[int], method: str, path: str) -> Any:
    """What a user of these groups is answered: status and body."""
    heard, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(groups)
            os.setgid(gid)
            os.setuid(ALICE)
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(machine.folder / "control.sock"))
                head = f"{method} {path} HTTP/1.0\r\nhost: d\r\n\r\n"
                sock.sendall(head.encode())
                while part := sock.recv(65_536):
                    os.write(told, part)
        finally:
            os._exit(0)
    os.close(told)
    with os.fdopen(heard, "rb") as pipe:
        head, _, body = pipe.read().partition(b"\r\n\r\n")
    os.waitpid(child, 0)
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize(("gid", "groups"), [(ACT.gr_gid, []), (OTHER.gr_gid, [ACT.gr_gid])])
def test_members_of_the_sockets_group_may_act(
    machine: Machine, gid: int, groups: list[int]
) -> None:
    status, me = ask_as(machine, gid, groups, "GET", "/admin/whoami")
    assert (status, me["actor"]) == (200, f"uid:{ALICE}")
    assert "backfill:create" in me["permissions"]
    status, body = ask_as(machine, gid, groups, "POST", "/admin/backfill/none/pause")
    assert (status, body["code"]) == (404, "job-not-found")


@pytest.mark.parametrize(("gid", "groups"), [(LOOK.gr_gid, []), (OTHER.gr_gid, [7, LOOK.gr_gid])])
def test_members_of_the_read_group_may_only_look(
    machine: Machine, gid: int, groups: list[int]
) -> None:
    assert ask_as(machine, gid, groups, "GET", "/admin/backfill/status") == (200, [])
    before = len(refusals(machine))
    for method, path, word in (
        ("POST", "/admin/backfill/none/pause", "backfill:create"),
        ("DELETE", "/admin/lexicons/a.b.c", "lexicons:delete"),
    ):
        status, body = ask_as(machine, gid, groups, method, path)
        assert (status, body["message"]) == (403, f"Missing permission: {word}")
        assert "control.socket_group" in body["hint"]
    assert [actor for actor, *_ in refusals(machine)[before:]] == [f"uid:{ALICE}"] * 2


def test_anybody_else_may_nothing_even_where_the_mode_lets_them_in(machine: Machine) -> None:
    status, body = ask_as(machine, OTHER.gr_gid, [], "GET", "/admin/backfill/status")
    assert (status, body["message"]) == (403, "Missing permission: backfill:read")
    status, me = ask_as(machine, OTHER.gr_gid, [], "GET", "/admin/whoami")
    assert (status, me["permissions"]) == (200, [])


def test_the_socket_has_the_group_and_mode_that_were_configured(machine: Machine) -> None:
    found = (machine.folder / "control.sock").stat()
    assert (found.st_gid, found.st_mode & 0o777) == (ACT.gr_gid, 0o666)
