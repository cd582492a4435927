"""What a person takes out of the index is gone, counted, and comes back only as it should."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.given import LIKES, POSTS, did

from backfilld.deliveries import RecordDelivery
from backfilld.records.sqlite import SqliteStore
from backfilld.records.store import Group, Receipt, Removal
from backfilld_events.ids import Cid, Nsid, Rev, Rkey
from backfilld_events.log.file import APPLICATION_ID, open_reader

REVS = [Rev(f"3aaaaaaaaaa{c}2") for c in "abcdef"]
ALICE = "uid:1000"


def record(
    n: int = 0, rkey: str = "a", rev: int = 0, cid: str | None = "one", collection: Nsid = POSTS
) -> RecordDelivery:
    whole = None if cid is None else Cid("bafyrei" + cid)
    body = None if cid is None else b'{"n":1}'
    return RecordDelivery(1, did(n), collection, Rkey(rkey), REVS[rev], whole, body, False)


def group(*records: RecordDelivery) -> Group:
    return Group(list(records), [], [], [])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore.open(path, dead_letter_max=20)) as store:
        yield store


def uris(path: Path) -> list[str]:
    with closing(open_reader(path)) as db:
        return [uri for (uri,) in db.execute("SELECT uri FROM records_text ORDER BY uri")]


def counted(path: Path) -> dict[str, int]:
    with closing(open_reader(path)) as db:
        return dict(db.execute("SELECT nsid, records FROM collection"))


def removed(receipt: Receipt | None) -> list[tuple[str, int]]:
    assert receipt is not None
    return [(who, counts.deleted) for who, _, counts in receipt.counts]


def test_one_record_is_taken_out_with_a_receipt_that_says_for_whom(
    store: SqliteStore, path: Path
) -> None:
    store.commit(group(record(), record(rkey="b")), 1)
    receipt = store.remove(did(0), POSTS, Rkey("a"), ALICE, 2)
    assert receipt is not None
    assert (receipt.no, removed(receipt)) == (2, [(did(0), 1)])
    assert receipt.removal == Removal(ALICE, POSTS, f"at://{did(0)}/{POSTS}/a")
    assert uris(path) == [f"at://{did(0)}/{POSTS}/b"]
    assert counted(path) == {POSTS: 1}


@pytest.mark.parametrize("rkey", ["z", "gone"])
def test_what_is_not_there_is_not_taken_out_and_leaves_no_receipt(
    store: SqliteStore, rkey: str
) -> None:
    store.commit(group(record(), record(rkey="gone"), record(rkey="gone", rev=1, cid=None)), 1)
    assert store.remove(did(0), POSTS, Rkey(rkey), ALICE, 2) is None
    assert store.remove(did(5), POSTS, Rkey("a"), ALICE, 2) is None
    assert store.remove(did(0), LIKES, Rkey("a"), ALICE, 2) is None
    assert [receipt.no for receipt in store.receipts(0, 10)] == [1]


def test_a_record_that_was_taken_out_stays_away_when_tap_sends_it_again(
    store: SqliteStore, path: Path
) -> None:
    store.commit(group(record(rev=2)), 1)
    store.remove(did(0), POSTS, Rkey("a"), ALICE, 2)
    store.commit(group(record(rev=1, cid="zero"), record(rev=2)), 3)
    assert uris(path) == []
    store.commit(group(record(rev=3)), 4)
    assert len(uris(path)) == 1, "until there is news of it"


def test_a_collection_is_taken_out_in_portions_and_others_are_left(
    store: SqliteStore, path: Path
) -> None:
    some = [record(n, rkey) for n in range(3) for rkey in "abc"]
    store.commit(group(*some, record(collection=LIKES)), 1)
    removal, upto = Removal(ALICE, POSTS, id="r"), store.newest()
    portions = [store.remove_some(removal, upto, 4) for _ in range(3)]
    assert [sum(n for _, n in removed(one)) for one in portions] == [4, 4, 1]
    assert [one.removal is not None and one.removal.last for one in portions] == [
        False, False, True,
    ]  # fmt: skip
    assert uris(path) == [f"at://{did(0)}/{LIKES}/a"]
    assert counted(path) == {POSTS: 0, LIKES: 1}


def test_what_comes_while_a_collection_is_taken_out_stays(store: SqliteStore, path: Path) -> None:
    store.commit(group(record(0), record(1)), 1)
    upto = store.newest()
    store.commit(group(record(2)), 2)
    receipt = store.remove_some(Removal(ALICE, POSTS, id="r"), upto, 10)
    assert removed(receipt) == [(did(0), 1), (did(1), 1)]
    assert uris(path) == [f"at://{did(2)}/{POSTS}/a"]


def test_what_comes_after_another_collection_was_taken_out_stays_too(
    store: SqliteStore, path: Path
) -> None:
    likes = [record(rkey=rkey, collection=LIKES) for rkey in "abc"]
    store.commit(group(*likes, *(record(rkey=rkey) for rkey in "abc")), 1)
    upto = store.newest()  # both are asked for now, and done one after the other
    store.remove_some(Removal(ALICE, POSTS, id="r"), upto, 10)
    assert store.newest() == upto
    news = [record(rkey=rkey, collection=LIKES) for rkey in "de"]
    store.commit(group(*news), 2)
    store.commit(group(*news, record(rkey="f", collection=LIKES)), 2)
    receipt = store.remove_some(Removal(ALICE, LIKES, id="s"), upto, 10)
    assert removed(receipt) == [(did(0), 3)]
    assert uris(path) == [f"at://{did(0)}/{LIKES}/{rkey}" for rkey in "def"]


def test_a_number_is_never_given_again_whatever_comes_first_after_a_removal(
    path: Path,
) -> None:
    known = [record(n) for n in range(4)]
    with closing(SqliteStore.open(path, 20)) as store:
        store.commit(group(*known, record(rkey="b"), record(collection=LIKES)), 1)
        store.commit(group(*(record(9, rkey) for rkey in "abcd")), 1)
        upto = store.newest()
        store.remove_some(Removal(ALICE, POSTS, id="r"), upto, 3)
        store.remove_some(Removal(ALICE, POSTS, id="r"), upto, 10)
    with closing(SqliteStore.open(path, 20)) as store:
        store.commit(group(record(collection=LIKES)), 2)  # known: nothing is inserted
        store.commit(group(record(collection=LIKES), *known), 2)
        assert store.newest() == upto + 4
    with closing(open_reader(path)) as db:
        (new,) = db.execute("SELECT count(*) FROM record WHERE id > ?", (upto,)).fetchone()
    assert (new, len(uris(path))) == (4, 5)


def test_an_index_of_before_there_was_removal_is_opened(path: Path) -> None:
    script = resources.files("backfilld.records") / "migrations" / "0001_records.sql"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            f"{script.read_text()}; PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version=1;"
            f"INSERT INTO repo (did) VALUES ('{did(0)}');"
            f"INSERT INTO collection (nsid, records) VALUES ('{POSTS}', 1);"
            f"INSERT INTO record VALUES (7, 1, 1, 'a', '{REVS[0]}', 'bafyreione', x'7b7d', 1)"
        )
    with closing(SqliteStore.open(path, 20)) as store:
        assert store.newest() == 7
        store.commit(group(record(rkey="b")), 2)
        store.remove_some(Removal(ALICE, POSTS, id="r"), 7, 10)
    assert uris(path) == [f"at://{did(0)}/{POSTS}/b"]


def test_a_collection_that_was_taken_out_comes_back_whole_with_a_new_backfill(
    store: SqliteStore, path: Path
) -> None:
    gone = [record(rkey="x"), record(rkey="x", rev=1, cid=None)]
    store.commit(group(record(rev=1), record(1, rev=1), *gone), 1)
    store.remove_some(Removal(ALICE, POSTS, id="r"), store.newest(), 10)
    store.commit(group(record(rev=1), record(1, rev=1), record(rkey="x")), 2)
    assert len(uris(path)) == 2, "but not what was deleted on the network"


def test_a_record_that_was_taken_out_by_mistake_comes_back_with_its_whole_collection(
    store: SqliteStore, path: Path
) -> None:
    store.commit(group(*(record(rkey=rkey) for rkey in "abcde")), 1)
    for rkey in "abc":
        store.remove(did(0), POSTS, Rkey(rkey), ALICE, 2)
    removal, upto = Removal(ALICE, POSTS, id="r"), store.newest()
    portions = [store.remove_some(removal, upto, 2) for _ in range(3)]
    assert [removed(one) for one in portions] == [[(did(0), 2)], [], []], "counted once"
    assert [one.removal is not None and one.removal.last for one in portions] == [
        False, False, True,
    ]  # fmt: skip
    store.commit(group(*(record(rkey=rkey) for rkey in "abcde")), 3)
    assert len(uris(path)) == 5


def test_what_the_network_deletes_after_it_was_taken_out_stays_away_for_good(
    store: SqliteStore, path: Path
) -> None:
    store.commit(group(record()), 1)
    store.remove(did(0), POSTS, Rkey("a"), ALICE, 2)
    store.commit(group(record(rev=1, cid=None)), 3)
    store.remove_some(Removal(ALICE, POSTS, id="r"), store.newest(), 10)
    store.commit(group(record()), 4)
    assert uris(path) == []


def test_an_empty_collection_is_done_at_once(store: SqliteStore) -> None:
    receipt = store.remove_some(Removal(ALICE, POSTS, id="r"), store.newest(), 10)
    assert (receipt.counts, receipt.removal is not None and receipt.removal.last) == ([], True)


deliveries = st.builds(
    record,
    n=st.integers(0, 2),
    rkey=st.sampled_from("ab"),
    rev=st.integers(0, 5),
    cid=st.sampled_from(["one", "two", None]),
)
takings = st.one_of(st.tuples(st.integers(0, 2), st.sampled_from("ab")), st.integers(1, 4))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.lists(deliveries, max_size=6), takings), max_size=6))
def test_receipts_sum_up_to_the_rows_whatever_is_taken_out(
    steps: list[tuple[list[RecordDelivery], tuple[int, str] | int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.db"
        with closing(SqliteStore.open(path, 20)) as store:
            for records, taking in steps:
                store.commit(group(*records), 1)
                if isinstance(taking, int):
                    store.remove_some(Removal(ALICE, POSTS, id="r"), store.newest(), taking)
                else:
                    store.remove(did(taking[0]), POSTS, Rkey(taking[1]), ALICE, 2)
            receipts = store.receipts(0, 100)
        assert [receipt.no for receipt in receipts] == list(range(1, len(receipts) + 1))
        sums: dict[str, int] = {}
        for receipt in receipts:
            for who, _, counts in receipt.counts:
                sums[who] = sums.get(who, 0) + counts.inserted - counts.deleted
        with closing(open_reader(path)) as db:
            held = dict(db.execute("SELECT did, count(*) FROM records_text GROUP BY did"))
            counted = db.execute("SELECT coalesce(sum(records), 0) FROM collection").fetchone()
        assert {who: n for who, n in sums.items() if n} == held
        assert counted == (sum(held.values()),)


def test_a_taking_out_that_fails_leaves_all_as_it_was(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.commit(group(record()), 1)

    def broken(*_: object, **__: object) -> Receipt:
        raise MemoryError

    monkeypatch.setattr(store, "_written", broken)
    with pytest.raises(MemoryError):
        store.remove_some(Removal(ALICE, POSTS, id="r"), store.newest(), 10)
    assert (len(uris(path)), counted(path)) == (1, {POSTS: 1})


def test_receipts_of_before_there_was_removal_can_be_read(store: SqliteStore) -> None:
    store._db.execute("INSERT INTO receipt VALUES (1, x'9401909000')")
    assert store.receipts(0, 1) == [Receipt(1, [], [], 0)]
