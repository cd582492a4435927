"""A key's name is one owner's, and what a key made ends with it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfilld.backfill import decide_keys
from backfilld.backfill.commands import CreateKey, RevokeKey
from backfilld.backfill.decide import Decision, Refused
from backfilld.backfill.decide_keys import GOOD_MAX
from backfilld_events.folds import INITIAL, State, evolve
from backfilld_events.row import Row

NOON = 1_000_000.0


def after(state: State, decision: Decision) -> State:
    for new in decision.events:
        place = state.position + 1
        row = Row(place, new.stream, 1, "", 1, place, new.actor, None, b"", b"")
        state = evolve(state, row, new.event)
    return state


def wanted(name: str, parent: str | None = None, expires_at: float | None = None) -> CreateKey:
    return CreateKey(name, "hv_1", b"\x07" * 32, (), NOON, expires_at, parent)


def made(
    state: State, key_id: str, parent: str | None = None, *, name: str = "", actor: str = "uid:1"
) -> State:
    command = wanted(name or key_id, parent)
    return after(state, decide_keys.create_key(state, command, key_id=key_id, actor=actor))


def revoked(state: State, key_id: str) -> State:
    return after(state, decide_keys.revoke_key(state, RevokeKey(key_id), actor="uid:1"))


def refused(state: State, command: CreateKey, actor: str) -> Refused:
    with pytest.raises(Refused) as refusal:
        decide_keys.create_key(state, command, key_id="new", actor=actor)
    return refusal.value


def in_force(state: State) -> set[str]:
    return {key.id for key in state.control.keys.values() if key.is_good(NOON)}


def test_what_a_key_made_ends_with_it_and_so_does_what_that_made() -> None:
    state = made(made(made(made(INITIAL, "a"), "b", "a"), "c", "b"), "d")
    assert in_force(revoked(state, "b")) == {"a", "d"}
    assert in_force(revoked(state, "a")) == {"d"}


def test_what_was_revoked_before_keeps_its_time() -> None:
    state = revoked(made(made(INITIAL, "a"), "b", "a"), "b")
    assert revoked(state, "a").control.keys["b"] == state.control.keys["b"]


def test_a_key_that_is_revoked_makes_none() -> None:
    state = revoked(made(INITIAL, "a"), "a")
    assert refused(state, wanted("b", "a"), "key:a").code == "key-revoked"


@given(st.lists(st.integers(0, 20), max_size=20), st.integers(0, 20))
def test_a_key_is_good_exactly_while_all_it_came_of_are(parents: list[int], first: int) -> None:
    """Key n + 1 is made by key `parents[n]`, or by nobody if that is not there yet."""
    state, of = made(INITIAL, "0"), {"0": ""}
    for number, parent in enumerate(parents, 1):
        of[str(number)] = str(parent) if parent < number else ""
        state = made(state, str(number), of[str(number)] or None)
    end = str(first % len(of))
    lost = {end}
    for key_id, parent_id in of.items():
        if parent_id in lost:
            lost.add(key_id)
    assert in_force(revoked(state, end)) == set(of) - lost


def test_a_name_stays_with_who_gave_it_even_when_the_key_is_revoked() -> None:
    state = revoked(made(INITIAL, "a", name="ci"), "a")
    other = refused(state, wanted("ci"), "uid:2")
    assert (other.code, other.field) == ("name-taken", "name")
    assert made(state, "b", name="ci").control.keys["b"].name == "ci"


def test_an_owner_has_so_many_keys_in_force_and_no_more() -> None:
    state = INITIAL
    for number in range(GOOD_MAX):
        command = wanted("ci", expires_at=NOON if number == 1 else None)
        state = after(
            state, decide_keys.create_key(state, command, key_id=f"{number}", actor="uid:1")
        )
    state = made(state, "last", name="ci")  # one had ended
    assert refused(state, wanted("ci"), "uid:1").code == "too-many-keys"
    assert "x" in made(state, "x", name="other", actor="uid:2").control.keys
    assert "x" in made(revoked(state, "0"), "x", name="ci").control.keys
