"""The table of repositories: whose turn it is, and how long failures wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfilld.sandbox.naming import DidMap
from backfilld.sandbox.tap.repos import RepoTable, Untouched

NAMES = DidMap(1)
STRANGER = "did:web:elsewhere.example"
LAST = 1000


def table() -> RepoTable:
    def ordinal(did: str) -> int | None:
        found = NAMES.ordinal(did)
        return found if found is not None and found < LAST else None

    return RepoTable(ordinal, NAMES.did)


def did(n: int) -> str:
    return NAMES.did(n)


def claims(repos: RepoTable, now: float) -> list[str]:
    """All that can be claimed now."""
    found = []
    while (one := repos.claim(now)) is not None:
        found.append(one)
    return found


def fail(repos: RepoTable, which: str, error: str | None, now: float) -> int:
    """Fails it; how long it waits."""
    row = repos.change(which)
    assert row is not None
    repos.fail(row, error, now)
    return row.retry_after - int(now)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 200))))
def test_a_bit_is_as_good_as_a_row(steps: list[tuple[bool, int]]) -> None:
    bits, model = Untouched(), dict[int, None]()
    for add, ordinal in steps:
        if add and ordinal not in model:
            bits.add(ordinal)
            model[ordinal] = None
        elif not add:
            assert bits.discard(ordinal) == (ordinal in model)
            model.pop(ordinal, None)
        assert len(bits) == len(model)
        assert [n in bits for n in range(201)] == [n in model for n in range(201)]
    popped = []
    while (ordinal := bits.pop()) is not None:
        popped.append(ordinal)
    assert sorted(popped) == sorted(model)


def test_pending_repositories_are_claimed_in_the_order_they_were_added() -> None:
    repos = table()
    for n in (5, 3, 9):
        repos.add(did(n))
    assert claims(repos, 0) == [did(5), did(3), did(9)]


def test_pending_goes_before_desynchronized_and_that_before_error() -> None:
    repos = table()
    for n in range(2):
        repos.add(did(n))
    claims(repos, 0)
    fail(repos, did(0), "broken", 0)
    fail(repos, did(1), None, 0)
    repos.add(STRANGER)
    assert claims(repos, 1000) == [STRANGER, did(1), did(0)]


def test_a_row_is_added_once_and_what_is_removed_is_gone() -> None:
    repos = table()
    for _ in range(2):
        repos.add(did(1))
        repos.add(STRANGER)
        repos.add("")
    assert len(repos) == 3
    for one in (did(1), STRANGER, "", did(2)):
        repos.remove(one)
        assert repos.get(one) is None
    assert len(repos) == 0
    assert claims(repos, 0) == []


def test_adding_again_does_not_shorten_a_wait_but_removing_does() -> None:
    repos = table()
    repos.add(did(1))
    claims(repos, 0)
    fail(repos, did(1), "broken", 0)
    repos.add(did(1))
    assert claims(repos, 30) == []
    repos.remove(did(1))
    repos.add(did(1))
    assert claims(repos, 30) == [did(1)]
    assert claims(repos, 1000) == []


@pytest.mark.parametrize("error", ["broken", None])
def test_a_failure_waits_one_minute_then_two_then_four_up_to_sixty(error: str | None) -> None:
    repos = table()
    repos.add(did(1))
    waits = []
    now = 0.0
    for _ in range(9):
        assert claims(repos, now) == [did(1)]
        waits.append(fail(repos, did(1), error, now))
        assert claims(repos, now + waits[-1]) == []
        now += waits[-1] + 1
    for wait, minutes in zip(waits, (1, 2, 4, 8, 16, 32, 60, 60, 60), strict=True):
        assert minutes * 60 <= wait <= minutes * 60 + 60


def test_from_the_64th_failure_on_there_is_a_minute_at_most_for_ever() -> None:
    """Go's shift has run over: hopeless repositories become a constant load."""
    repos = table()
    repos.add(did(1))
    claims(repos, 0)
    waits = [fail(repos, did(1), "hopeless", 0) for _ in range(70)]
    assert all(3600 <= wait <= 3660 for wait in waits[6:63])
    assert all(0 <= wait <= 60 for wait in waits[63:])


def test_the_error_stays_while_the_next_try_runs() -> None:
    repos = table()
    repos.add(did(1))
    claims(repos, 0)
    fail(repos, did(1), "broken", 0)
    claims(repos, 1000)
    row = repos.get(did(1))
    assert row is not None
    assert (row.state, row.error, row.retries) == ("resyncing", "broken", 1)


def test_what_was_being_fetched_when_the_process_died_is_claimed_at_once() -> None:
    repos = table()
    for n in range(2):
        repos.add(did(n))
    claims(repos, 0)
    fail(repos, did(1), "broken", 0)
    repos.restart()
    assert claims(repos, 1) == [did(0)]
    row = repos.get(did(0))
    assert row is not None
    assert row.state == "resyncing"


def test_changing_a_pending_row_keeps_it_pending() -> None:
    repos = table()
    repos.add(did(1))
    row = repos.change(did(1))
    assert row is not None
    row.status = "deactivated"
    assert len(repos) == 1
    assert claims(repos, 0) == [did(1)]
