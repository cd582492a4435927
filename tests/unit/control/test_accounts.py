"""Accounts by DID or handle: all of them, or one refusal that names every bad one."""

import threading
from collections.abc import Sequence
from unittest.mock import Mock

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from support.given import did, dids

from backfilld.backfill.commands import Accounts, packed
from backfilld.control.jobs.accounts import AT_ONCE, accounts
from backfilld.control.problems import BadRequest
from backfilld.control.routes import backfill
from backfilld.control.shapes import StartBody
from backfilld.failures import Busy
from backfilld_events.ids import Did


class Directory:
    """A network on which these handles are known."""

    def __init__(self, **known: Did) -> None:
        self._known = {f"{name}.example.com": did for name, did in known.items()}
        self.asked: list[str] = []

    async def resolve_all(self, names: Sequence[str]) -> tuple[dict[str, Did], list[str]]:
        self.asked += names
        found = {name: self._known[name] for name in names if name in self._known}
        return found, [f"{name}: no such handle" for name in names if name not in found]


async def refusal(directory: Directory, did: str | None, dids: list[str] | None) -> BadRequest:
    with pytest.raises(BadRequest) as refused:
        await accounts(directory, did, dids)
    assert refused.value.status == 400
    return refused.value


async def test_dids_and_handles_go_together_in_the_order_given_each_account_once() -> None:
    directory = Directory(alice=did(1), bob=did(2))
    found = await accounts(
        directory,
        "bob.example.com",
        [did(3), "alice.example.com", " ", did(2), "bob.example.com", f" {did(3)}\n"],
    )
    assert found == (did(2), did(3), did(1))
    assert directory.asked == ["bob.example.com", "alice.example.com"]


async def test_plain_dids_ask_nobody() -> None:
    directory = Directory()
    assert await accounts(directory, None, list(dids(0, 1000))) == tuple(dids(0, 1000))
    assert directory.asked == []


async def test_a_long_list_holds_nobody_up() -> None:
    """However long, others have their turn after a piece of it."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    named = list(dids(0, 4 * AT_ONCE))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(others)
        assert await accounts(Directory(), None, [*named]) == tuple(named)
        nursery.cancel_scope.cancel()
    assert turns >= 2


async def test_a_list_is_packed_away_from_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    packers: list[int] = []

    def packs(some: Sequence[Did]) -> Accounts:
        packers.append(threading.get_ident())
        return packed(some)

    monkeypatch.setattr(backfill, "packed", packs)
    body = StartBody(dids=[*dids(0, 9)])
    command = await backfill.command_of(Mock(handles=Directory()), body, None)
    assert command.accounts == packed(dids(0, 9))
    assert len(packers) == 1
    assert packers[0] != threading.get_ident()


async def test_no_account_named_is_no_account() -> None:
    assert await accounts(Directory(), None, None) == ()


async def test_one_refusal_names_the_unknown_handle_and_what_is_no_name_at_all() -> None:
    given = [did(1), "alice.example.com", "nobody.example.com", "did:plc", "no dots"]
    error = await refusal(Directory(alice=did(1)), None, given)
    assert str(error) == (
        "could not resolve 3 account(s): 'did:plc': neither a DID nor a handle; "
        "'no dots': neither a DID nor a handle; nobody.example.com: no such handle"
    )
    assert error.problem.field == "dids"


async def test_no_more_handles_are_looked_up_than_five_hundred() -> None:
    directory = Directory()
    error = await refusal(directory, "a.example.com", [f"h{n}.example.com" for n in range(500)])
    assert str(error) == "a backfill can target at most 500 accounts, got 501"
    assert directory.asked == []


@given(st.lists(st.text(max_size=30), max_size=30), st.text(max_size=30))
async def test_whatever_is_given_a_refusal_is_one_printable_line(
    given: list[str], one: str
) -> None:
    error = await refusal(Directory(), one, [*given, "no dots"])
    assert str(error).isprintable()
    assert len(str(error)) < 5000


async def test_whoever_finds_all_look_ups_taken_is_told_to_come_again() -> None:
    class Taken(Directory):
        async def resolve_all(self, names: Sequence[str]) -> tuple[dict[str, Did], list[str]]:
            raise Busy

    with pytest.raises(BadRequest) as refused:
        await accounts(Taken(), "alice.example.com", None)
    problem = refused.value.problem
    assert (refused.value.status, problem.code) == (503, "network-busy")
    assert problem.hint == "nothing was done; try again later"
