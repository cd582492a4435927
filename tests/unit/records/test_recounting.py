"""A repository that differs from its server is counted, and only what no fetch could bring right is
dropped: whatever the server has comes in afterwards, at the rev that the server had."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.given import LIKES, POSTS, did

from backfilld.deliveries import AccountDelivery, RecordDelivery
from backfilld.records.accounts import Policies
from backfilld.records.sqlite import SqliteStore
from backfilld.records.store import Counts, Group, Recount
from backfilld_events.ids import Cid, Nsid, Rev, Rkey
from backfilld_events.log.file import open_reader

OLD, THEIRS, NEW = (Rev(f"3aaaaaaaaaa{c}2") for c in "abc")
ONE, TWO = Cid("bafyreione"), Cid("bafyreitwo")


def record(
    rkey: str, rev: Rev, cid: Cid | None = ONE, collection: Nsid = POSTS, n: int = 0
) -> RecordDelivery:
    body = None if cid is None else b"{}"
    return RecordDelivery(1, did(n), collection, Rkey(rkey), rev, cid, body, False)


def group(*records: RecordDelivery) -> Group:
    return Group(list(records), [], [], [])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore.open(path, 20)) as store:
        yield store


def rows(path: Path) -> list[tuple[str, str | None]]:
    with closing(open_reader(path)) as db:
        return db.execute("SELECT rkey, cid FROM record ORDER BY repo, collection, rkey").fetchall()


def counted(path: Path) -> dict[str, int]:
    with closing(open_reader(path)) as db:
        return dict(db.execute("SELECT nsid, records FROM collection"))


@pytest.mark.parametrize("rev", [OLD, THEIRS, NEW])
@pytest.mark.parametrize("held", [ONE, None], ids=["a row", "a tombstone"])
def test_whatever_differs_a_fetch_at_the_servers_rev_wins_over_it(
    store: SqliteStore, path: Path, rev: Rev, held: Cid | None
) -> None:
    store.commit(group(record("a", rev, held)), 1)
    store.recount(did(0), THEIRS, {POSTS: {Rkey("a"): held}})
    store.commit(group(record("a", THEIRS, TWO)), 2)
    assert rows(path) == [("a", TWO)]


def test_what_is_dropped_and_what_is_left_is_counted_in_every_collection(
    store: SqliteStore, path: Path
) -> None:
    store.commit(
        group(
            record("old", OLD), record("same", THEIRS), record("new", NEW), record("x", NEW),
            record("x", OLD, collection=LIKES), record("x", NEW, n=1),
        ), 1,
    )  # fmt: skip
    differing = {POSTS: {Rkey("old"): ONE, Rkey("same"): ONE, Rkey("new"): ONE}}
    receipt = store.recount(did(0), THEIRS, differing)
    assert receipt.no == 2
    assert receipt.counts == [(did(0), POSTS, Counts(deleted=2))]
    assert receipt.recount == Recount(did(0), THEIRS, [(LIKES, 1), (POSTS, 2)])
    assert sorted(rkey for rkey, _ in rows(path)) == ["old", "x", "x", "x"]
    assert counted(path) == {POSTS: 3, LIKES: 1}
    assert store.receipts(1, 9) == [receipt]


def test_rows_are_counted_as_they_are_and_not_as_receipts_say(
    store: SqliteStore, path: Path
) -> None:
    store.commit(group(record("a", OLD), record("b", OLD)), 1)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM record WHERE rkey = 'a'")
    assert store.recount(did(0), THEIRS, {}).recount == Recount(did(0), THEIRS, [(POSTS, 1)])
    assert store.recount(did(7), THEIRS, {}).recount == Recount(did(7), THEIRS, [])


def test_after_a_recount_collections_count_what_is_there_whoever_took_rows_away(
    path: Path,
) -> None:
    keep = Policies("keep", "keep", "hide")
    with closing(SqliteStore.open(path, 20, policies=keep)) as store:
        store.commit(group(*(record(str(n), OLD, n=n) for n in range(4))), 1)
        away = AccountDelivery(2, did(1), "away.example", "deactivated")
        store.commit(Group([], [away], [], []), 1)
        with closing(sqlite3.connect(path)) as other:
            other.execute("DELETE FROM record WHERE rkey = '0'")
            other.execute("UPDATE collection SET hidden = 7")
            other.commit()
        store.recount(did(0), THEIRS, {})
        assert counted(path) == {POSTS: 4}, "what went took no receipt with it"
        store.count_anew()
    assert counted(path) == {POSTS: 3}
    with closing(open_reader(path)) as db:
        assert db.execute("SELECT hidden FROM collection").fetchall() == [(1,)]


def test_what_has_changed_since_it_was_seen_stays(store: SqliteStore, path: Path) -> None:
    store.commit(group(record("a", NEW, TWO), record("b", NEW), record("c", NEW, None)), 1)
    seen = {POSTS: {Rkey("a"): ONE, Rkey("b"): None, Rkey("c"): ONE}}
    store.recount(did(0), THEIRS, seen)
    assert rows(path) == [("a", TWO), ("b", ONE), ("c", None)]


def test_what_a_person_took_out_stays_out(store: SqliteStore, path: Path) -> None:
    store.commit(group(record("a", THEIRS)), 1)
    store.remove(did(0), POSTS, Rkey("a"), "uid:1000", 2)
    store.recount(did(0), THEIRS, {POSTS: {Rkey("a"): None}})
    assert rows(path) == [("a", None)]


def test_a_number_that_was_dropped_is_not_given_again(store: SqliteStore, path: Path) -> None:
    store.commit(group(record("a", NEW)), 1)
    newest = store.newest()
    store.recount(did(0), THEIRS, {POSTS: {Rkey("a"): ONE}})
    store.commit(group(record("b", NEW)), 2)
    assert store.newest() > newest
