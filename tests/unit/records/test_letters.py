"""What cannot be used is kept, bounded, counted, and settled once."""

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.given import LIKES, POSTS, did

from backfilld.deliveries import DeadDelivery, RecordDelivery
from backfilld.records.sqlite import SqliteStore
from backfilld.records.store import Group, Handled, Outcome
from backfilld_events.ids import Cid, Nsid, Rev, Rkey
from backfilld_events.log.file import open_reader

ALICE = "uid:1000"


def dead(rkey: str = "a", raw: bytes = b"{}", why: str = "no body", nsid: Nsid = POSTS) -> Group:
    return Group([], [], [DeadDelivery(1, why, raw, did(0), nsid, Rkey(rkey), "create")], [])


def settled(store: SqliteStore, *outcomes: Outcome, group: Group | None = None) -> None:
    done = [one.id for one in outcomes if one.resolution is not None]
    failed = [one.id for one in outcomes if one.resolution is None]
    store.settle(Handled(ALICE, "retry", done, failed), outcomes, group or Group([], [], [], []), 9)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore.open(path, dead_letter_max=20, dead_letters_max=50)) as store:
        yield store


def counted(path: Path) -> dict[str, tuple[int, int, int]]:
    """Open ones, settled ones and bytes by collection."""
    with closing(open_reader(path)) as db:
        rows = db.execute("SELECT * FROM dead_count")
        return {nsid: (opened, resolved, kept) for nsid, opened, resolved, kept in rows}


def kept(path: Path) -> list[int]:
    """How many bytes of each are kept."""
    with closing(open_reader(path)) as db:
        return [n for (n,) in db.execute("SELECT length(raw) FROM dead_letter ORDER BY id")]


def test_what_comes_again_while_it_is_open_is_one_more_try(store: SqliteStore, path: Path) -> None:
    store.commit(dead(raw=b"first"), 1)
    store.commit(dead(raw=b"second", why="still none"), 2)
    (letter,) = store.letters([1, 2], with_raw=True)
    assert (letter.raw, letter.why, letter.is_open) == (b"second", "still none", True)
    with closing(open_reader(path)) as db:
        assert db.execute("SELECT at, attempts, action FROM dead_letter").fetchall() == [
            (1, 2, "create")
        ]
    settled(store, Outcome(1, "dismiss"))
    store.commit(dead(), 3)
    assert store.open_letters(None, 0, 10) == [2], "after it was settled it is a new one"
    assert counted(path) == {POSTS: (1, 1, 8)}


def test_messages_of_which_nothing_could_be_read_are_told_apart(store: SqliteStore) -> None:
    unknown = DeadDelivery(None, "not JSON", b"\xff", None, None, None)
    store.commit(Group([], [], [unknown, unknown], []), 1)
    assert len(store.open_letters(None, 0, 10)) == 2


def test_bytes_are_dropped_of_settled_ones_first_then_of_the_oldest(
    store: SqliteStore, path: Path
) -> None:
    for rkey in "abcde":
        store.commit(dead(rkey, raw=b"x" * 10), 1)
    settled(store, Outcome(4, "dismiss"))
    store.commit(dead("f", raw=b"x" * 10), 2)
    assert kept(path) == [10, 10, 10, 0, 10, 10]
    store.commit(dead("g", raw=b"x" * 15), 3)
    assert kept(path) == [0, 0, 10, 0, 10, 10, 15]
    (letter,) = store.letters([1], with_raw=True)
    assert (letter.raw, letter.raw_bytes, letter.why) == (b"", 10, "no body"), "the rest stays"


def test_a_message_that_comes_again_brings_its_bytes_back(store: SqliteStore, path: Path) -> None:
    for rkey in "abc":
        store.commit(dead(rkey, raw=b"x" * 20), 1)
    assert kept(path) == [0, 20, 20]
    store.commit(dead("a", raw=b"x" * 20), 2)
    assert sum(kept(path)) <= 50


def test_what_was_found_in_place_of_a_letter_is_committed_with_its_receipt(
    store: SqliteStore, path: Path
) -> None:
    store.commit(dead(), 1)
    found = RecordDelivery(
        0, did(0), POSTS, Rkey("a"), Rev("3aaaaaaaaaaa2"), Cid("bafyreione"), b"{}", False
    )
    settled(store, Outcome(1, "retry"), group=Group([found], [], [], []))
    receipt = store.receipts(1, 1)[0]
    assert receipt.handled == Handled(ALICE, "retry", [1], [])
    assert [counts.inserted for _, _, counts in receipt.counts] == [1]
    assert counted(path) == {POSTS: (0, 1, 2)}


def test_a_letter_that_could_not_be_settled_says_why_and_stays_open(store: SqliteStore) -> None:
    store.commit(dead(), 1)
    settled(store, Outcome(1, None, "the server is down"))
    (letter,) = store.letters([1], with_raw=False)
    assert (letter.why, letter.is_open, letter.raw) == ("the server is down", True, b"")


def test_open_ones_are_found_by_collection_and_in_order(store: SqliteStore) -> None:
    for nsid, rkey in ((POSTS, "a"), (LIKES, "a"), (POSTS, "b"), (POSTS, "c")):
        store.commit(dead(rkey, nsid=nsid), 1)
    assert store.open_letters(POSTS, 0, 2) == [1, 3]
    assert store.open_letters(POSTS, 3, 2) == [4]
    assert store.open_letters(None, 1, 10) == [2, 3, 4]


things = st.one_of(
    st.tuples(st.sampled_from("abc"), st.binary(max_size=30), st.sampled_from([POSTS, LIKES])),
    st.tuples(st.integers(1, 6), st.sampled_from(["retry", "gone", "dismiss", None])),
)


@settings(max_examples=80)
@given(st.lists(things, max_size=15))
def test_the_numbers_that_are_kept_are_those_of_the_rows(steps: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.db"
        with closing(SqliteStore.open(path, dead_letter_max=20, dead_letters_max=50)) as store:
            for step in steps:
                match step:
                    case (str() as rkey, bytes() as raw, str() as nsid):
                        store.commit(dead(rkey, raw, nsid=Nsid(nsid)), 1)
                    case (int() as number, "retry" | "gone" | "dismiss" | None as how):
                        settled(store, Outcome(number, how, "no"))
        with closing(open_reader(path)) as db:
            rows = db.execute(
                "SELECT collection, sum(open), sum(NOT open), sum(length(raw)) FROM dead_letter"
                " GROUP BY 1"
            )
            found = {nsid: tuple(numbers) for nsid, *numbers in rows}
        assert counted(path) == found
        assert sum(kept(path)) <= 50
