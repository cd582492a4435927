"""What the index promises: rows, counters and receipts agree to the row."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from support.given import LIKES, POSTS, did

from backfilld.deliveries import AccountDelivery, DeadDelivery, RecordDelivery
from backfilld.records.sqlite import SqliteStore
from backfilld.records.store import Group
from backfilld_events.ids import Cid, Rev, Rkey
from backfilld_events.log.file import open_reader

REVS = [Rev(f"3aaaaaaaaaa{c}2") for c in "abcdef"]


def record(
    n: int = 0, rkey: str = "a", rev: int = 0, cid: str | None = "one", body: bytes = b'{"n":1}'
) -> RecordDelivery:
    whole = None if cid is None else Cid("bafyrei" + cid)
    return RecordDelivery(
        1, did(n), POSTS, Rkey(rkey), REVS[rev], whole, None if cid is None else body, False
    )


def group(*records: RecordDelivery) -> Group:
    return Group(list(records), [], [], [])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore.open(path, dead_letter_max=20)) as store:
        yield store


def rows(path: Path) -> list[tuple[object, ...]]:
    with closing(open_reader(path)) as db:
        return db.execute("SELECT uri, rev, cid, record FROM records_text ORDER BY uri").fetchall()


def test_the_view_shows_what_a_person_needs(store: SqliteStore, path: Path) -> None:
    store.commit(group(record(body='{"text":"🐢\\u0000"}'.encode())), 1_800_000_000_123_000)
    uri = f"at://{did(0)}/{POSTS}/a"
    assert rows(path) == [(uri, REVS[0], "bafyreione", '{"text":"🐢\\u0000"}')]
    with closing(open_reader(path)) as db:
        found = db.execute("SELECT did, collection, rkey, indexed_at FROM records_text").fetchall()
    assert found == [(did(0), POSTS, "a", "2027-01-15T08:00:00.123Z")]


def test_a_record_that_changes_twice_in_a_group_ends_as_the_last(
    store: SqliteStore, path: Path
) -> None:
    receipt = store.commit(
        group(record(rev=0), record(rev=1, cid="two"), record(rev=2, cid=None)), 1
    )
    ((_, _, counts),) = receipt.counts
    assert (counts.inserted, counts.updated, counts.deleted) == (1, 1, 1)
    assert rows(path) == []
    store.commit(group(record(rev=0)), 2)
    assert rows(path) == [], "the past does not come back"


def test_redelivered_records_rewrite_no_row(store: SqliteStore, path: Path) -> None:
    store.commit(group(record(), record(rkey="b")), 1)
    receipt = store.commit(group(record(), record(rkey="b")), 2)
    ((_, _, counts),) = receipt.counts
    assert counts.unchanged == 2
    with closing(open_reader(path)) as db:
        assert db.execute("SELECT DISTINCT indexed_at FROM record").fetchall() == [(1,)]


def test_a_message_that_cannot_be_used_is_kept_cut_and_counted(
    store: SqliteStore, path: Path
) -> None:
    known = DeadDelivery(5, "no body", b"x" * 50, did(3), POSTS, Rkey("a"))
    unknown = DeadDelivery(None, "not JSON", b"\xff", None, None, None)
    receipt = store.commit(Group([], [], [known, unknown], []), 1)
    ((who, what, counts),) = receipt.counts
    assert (who, what, counts.dead, receipt.unreadable) == (did(3), POSTS, 1, 1)
    with closing(open_reader(path)) as db:
        letters = db.execute("SELECT why, raw, raw_bytes, did FROM dead_letter").fetchall()
    assert letters == [("no body", b"x" * 20, 50, did(3)), ("not JSON", b"\xff", 1, None)]


def test_an_account_is_what_was_last_said_of_it(store: SqliteStore, path: Path) -> None:
    said = [AccountDelivery(1, did(0), "a.test", s) for s in ("active", "deactivated")]
    receipt = store.commit(Group([], said, [], []), 1)
    assert [status for _, status, _ in receipt.accounts] == ["active", "deactivated"]
    with closing(open_reader(path)) as db:
        assert db.execute("SELECT did, status, handle FROM repo").fetchall() == [
            (did(0), "deactivated", "a.test")
        ]


def test_records_nobody_asked_for_are_counted_and_not_kept(store: SqliteStore, path: Path) -> None:
    other = replace(record(), collection=LIKES)
    ((_, what, counts),) = store.commit(Group([], [], [], [other]), 1).counts
    assert (what, counts.ignored) == (LIKES, 1)
    assert rows(path) == []


def test_receipts_have_no_gap_and_survive_being_opened_again(path: Path) -> None:
    for no in (1, 2, 3):
        with closing(SqliteStore.open(path, 20)) as store:
            assert store.commit(group(record(rev=no)), no).no == no
    with closing(SqliteStore.open(path, 20)) as store:
        assert [receipt.no for receipt in store.receipts(1, 10)] == [2, 3]
        store.forget_receipts(2)
        assert [receipt.no for receipt in store.receipts(0, 10)] == [3]
        assert store.commit(group(record()), 9).no == 4


def test_a_group_that_fails_leaves_nothing_behind(store: SqliteStore, path: Path) -> None:
    store.commit(group(record()), 1)
    broken = replace(record(n=1, rkey="b"), body="no bytes")  # type: ignore[arg-type]
    with pytest.raises(sqlite3.IntegrityError):
        store.commit(group(record(n=1, rkey="a"), broken), 2)
    assert len(rows(path)) == 1
    assert store.commit(group(record(n=1, rkey="a")), 3).no == 2
    assert len(rows(path)) == 2


deliveries = st.builds(
    record,
    n=st.integers(0, 2),
    rkey=st.sampled_from("ab"),
    rev=st.integers(0, 5),
    cid=st.sampled_from(["one", "two", None]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(deliveries, max_size=8), max_size=6))
def test_receipts_sum_up_to_the_rows(groups: list[list[RecordDelivery]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.db"
        with closing(SqliteStore.open(path, 20)) as store:
            for one in groups:
                store.commit(group(*one), 1)
            sums: dict[str, int] = {}
            for receipt in store.receipts(0, 100):
                for who, _, counts in receipt.counts:
                    sums[who] = sums.get(who, 0) + counts.inserted - counts.deleted
        with closing(open_reader(path)) as db:
            held = dict(db.execute("SELECT did, count(*) FROM records_text GROUP BY did"))
            counted = db.execute("SELECT coalesce(sum(records), 0) FROM collection").fetchone()
        assert {who: n for who, n in sums.items() if n} == held
        assert counted == (sum(held.values()),)
