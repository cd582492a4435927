"""Ghosts leave the index with a receipt, and nothing else does."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.given import LIKES, POSTS, did

from backfilld.deliveries import AccountDelivery, DeadDelivery, RecordDelivery
from backfilld.records.ghosts import Evidence, Verdict
from backfilld.records.sqlite import SqliteStore
from backfilld.records.store import Counts, Ghosts, Group, Handled, Outcome
from backfilld_events.ids import Cid, Nsid, Rev, Rkey
from backfilld_events.log.file import open_reader

OLD, FETCH, LIVE = (Rev(f"3aaaaaaaaaa{c}2") for c in "abc")


def record(rkey: str, rev: Rev = OLD, collection: Nsid = POSTS, n: int = 0) -> RecordDelivery:
    return RecordDelivery(1, did(n), collection, Rkey(rkey), rev, Cid("bafyreione"), b"{}", False)


def group(*records: RecordDelivery) -> Group:
    return Group(list(records), [], [], [])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore.open(path, 20)) as store:
        yield store


def uris(path: Path) -> list[str]:
    with closing(open_reader(path)) as db:
        return [rkey for (rkey,) in db.execute("SELECT rkey FROM records_text ORDER BY did, rkey")]


def counted(path: Path) -> list[tuple[str, int, int]]:
    with closing(open_reader(path)) as db:
        return db.execute("SELECT nsid, records, hidden FROM collection ORDER BY 1").fetchall()


def test_what_vanished_between_two_fetches_is_removed_and_its_receipt_says_by_which(
    store: SqliteStore, path: Path
) -> None:
    store.commit(
        group(record("a"), record("b"), record("c", collection=LIKES), record("z", n=1)), 1
    )
    store.commit(group(record("a", FETCH)), 2)
    verdict, receipt = store.sweep(did(0), [POSTS, LIKES], Evidence(1, FETCH), 3)
    assert verdict is Verdict.GHOSTS
    assert receipt is not None
    assert (receipt.no, receipt.ghosts) == (3, Ghosts(FETCH, 1))
    assert sorted(receipt.counts, key=lambda one: one[1]) == [
        (did(0), LIKES, Counts(deleted=1)),
        (did(0), POSTS, Counts(deleted=1)),
    ]
    assert uris(path) == ["a", "z"]
    assert counted(path) == [(LIKES, 0, 0), (POSTS, 2, 0)]


def test_a_collection_that_tap_is_not_known_to_send_is_not_touched(
    store: SqliteStore, path: Path
) -> None:
    store.commit(group(record("a"), record("b"), record("c", collection=LIKES)), 1)
    store.commit(group(record("a", FETCH)), 2)
    store.sweep(did(0), [POSTS, Nsid("net.example.none")], Evidence(1, FETCH), 3)
    assert uris(path) == ["a", "c"]


def test_without_a_sure_verdict_nothing_is_written(store: SqliteStore, path: Path) -> None:
    store.commit(group(record("a"), record("b"), record("c", FETCH)), 1)
    assert store.sweep(did(0), [POSTS], Evidence(2, FETCH), 3) == (Verdict.MIXED, None)
    assert store.sweep(did(0), [POSTS], Evidence(4, FETCH), 3) == (Verdict.FEWER, None)
    assert store.sweep(did(7), [POSTS], Evidence(0, FETCH), 3) == (Verdict.NONE, None)
    assert uris(path) == ["a", "b", "c"]
    assert len(store.receipts(0, 10)) == 1


def test_sweeping_twice_is_sweeping_once(store: SqliteStore) -> None:
    store.commit(group(record("a"), record("b")), 1)
    store.commit(group(record("a", FETCH)), 2)
    assert store.sweep(did(0), [POSTS], Evidence(1, FETCH), 3).receipt is not None
    assert store.sweep(did(0), [POSTS], Evidence(1, FETCH), 4) == (Verdict.NONE, None)


def test_a_ghost_does_not_come_back_with_what_was_sent_before_and_does_with_news(
    store: SqliteStore, path: Path
) -> None:
    store.commit(group(record("a"), record("b")), 1)
    store.commit(group(record("a", FETCH)), 2)
    store.sweep(did(0), [POSTS], Evidence(1, FETCH), 3)
    store.commit(group(record("b")), 4)
    assert uris(path) == ["a"]
    store.commit(group(record("b", LIVE)), 5)
    assert uris(path) == ["a", "b"]


def test_ghosts_of_an_account_that_is_hidden_are_not_counted_as_shown(
    store: SqliteStore, path: Path
) -> None:
    store.commit(group(record("a"), record("b")), 1)
    hidden = AccountDelivery(1, did(0), "", "deactivated")
    store.commit(Group([record("a", FETCH)], [hidden], [], []), 2)
    assert store.sweep(did(0), [POSTS], Evidence(1, FETCH), 3).verdict is Verdict.GHOSTS
    assert counted(path) == [(POSTS, 1, 1)]


@pytest.mark.parametrize("nsid", [POSTS, None])
def test_as_long_as_a_message_of_the_repository_is_unread_nothing_is_removed(
    store: SqliteStore, nsid: Nsid | None
) -> None:
    dead = DeadDelivery(1, "no body", b"{}", did(0), nsid, None if nsid is None else Rkey("b"))
    store.commit(group(record("a"), record("b")), 1)
    store.commit(Group([record("a", FETCH)], [], [dead], []), 2)
    assert store.sweep(did(0), [POSTS], Evidence(1, FETCH), 3).verdict is Verdict.UNREAD
    (letter,) = store.open_letters(None, 0, 10)
    store.settle(Handled("uid:1", "dismiss", [letter], []), [Outcome(letter, "dismiss")],
                 group(), 4)  # fmt: skip
    assert store.sweep(did(0), [POSTS], Evidence(1, FETCH), 5).verdict is Verdict.UNREAD, (
        "put away, not read"
    )
    store.settle(Handled("uid:1", "reindex", [letter], []), [Outcome(letter, "gone")],
                 group(), 6)  # fmt: skip
    assert store.sweep(did(0), [POSTS], Evidence(1, FETCH), 7).verdict is Verdict.GHOSTS
