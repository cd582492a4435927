"""What is done with the records of accounts that are gone, as the operator chose; and how they come
back."""

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

from backfilld.deliveries import AccountDelivery, RecordDelivery
from backfilld.records import sqlite
from backfilld.records.accounts import Hidden, Policies
from backfilld.records.sqlite import SqliteStore
from backfilld.records.store import Counts, Group, Receipt, Removal
from backfilld_events.ids import Cid, Nsid, Rev, Rkey
from backfilld_events.log.file import APPLICATION_ID, open_reader

REVS = [Rev(f"3aaaaaaaaaa{c}2") for c in "abcdef"]


def record(
    n: int = 0, rkey: str = "a", rev: int = 0, cid: str | None = "one", collection: Nsid = POSTS
) -> RecordDelivery:
    whole = None if cid is None else Cid("bafyrei" + cid)
    body = None if cid is None else b"{}"
    return RecordDelivery(1, did(n), collection, Rkey(rkey), REVS[rev], whole, body, False)


def group(*deliveries: RecordDelivery | AccountDelivery) -> Group:
    return Group(
        [one for one in deliveries if isinstance(one, RecordDelivery)],
        [one for one in deliveries if isinstance(one, AccountDelivery)],
        [],
        [],
    )


def account(status: str, n: int = 0) -> AccountDelivery:
    return AccountDelivery(1, did(n), "a.test", status)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore.open(path, 20)) as store:
        yield store


def shown(path: Path) -> list[str]:
    with closing(open_reader(path)) as db:
        rows = db.execute("SELECT did || ' ' || rkey FROM records_text ORDER BY 1")
        return [row for (row,) in rows]


def counters(path: Path) -> dict[str, tuple[int, int]]:
    """Records of a collection, and how many of them are not shown."""
    with closing(open_reader(path)) as db:
        rows = db.execute("SELECT nsid, records, hidden FROM collection")
        return {nsid: (records, hidden) for nsid, records, hidden in rows}


def counts(receipt: Receipt) -> dict[tuple[str, str], Counts]:
    return {(who, what): of_one for who, what, of_one in receipt.counts}


def test_a_deleted_account_takes_its_records_with_it_and_the_receipt_counts_them(
    store: SqliteStore, path: Path
) -> None:
    store.commit(group(record(), record(rkey="b"), record(collection=LIKES), record(1)), 1)
    receipt = store.commit(group(account("deleted")), 2)
    assert counts(receipt) == {
        (did(0), POSTS): Counts(deleted=2),
        (did(0), LIKES): Counts(deleted=1),
    }
    assert shown(path) == [f"{did(1)} a"]
    assert counters(path) == {POSTS: (1, 0), LIKES: (0, 0)}


def test_a_record_that_comes_after_the_news_of_the_deletion_is_not_taken_in(
    store: SqliteStore, path: Path
) -> None:
    """Tap keeps no order between the two."""
    first = store.commit(group(record(), account("deleted")), 1)
    later = store.commit(group(record(rkey="b"), record(1)), 2)
    assert counts(first) == {(did(0), POSTS): Counts(ignored=1)}
    assert counts(later)[did(0), POSTS] == Counts(ignored=1)
    assert shown(path) == [f"{did(1)} a"]


@pytest.mark.parametrize("status", ["takendown", "suspended", "deactivated"])
def test_who_is_hidden_is_shown_again_at_once_with_all_that_came_meanwhile(
    store: SqliteStore, path: Path, status: str
) -> None:
    store.commit(group(record(), record(1)), 1)
    store.commit(group(account(status)), 2)
    store.commit(group(record(rkey="b")), 3)
    assert shown(path) == [f"{did(1)} a"]
    assert counters(path) == {POSTS: (3, 2)}
    receipt = store.commit(group(account("active")), 4)
    assert receipt.counts == []
    assert shown(path) == [f"{did(0)} a", f"{did(0)} b", f"{did(1)} a"]
    assert counters(path) == {POSTS: (3, 0)}


def test_a_deleted_account_that_is_back_has_its_records_taken_in_again(
    store: SqliteStore, path: Path
) -> None:
    gone = record(rkey="x", cid=None)
    store.commit(group(record(rev=3), record(rkey="x"), gone), 1)
    store.commit(group(account("deleted")), 2)
    store.commit(group(account("active"), record(rev=2), record(rkey="x", rev=2)), 3)
    assert shown(path) == [f"{did(0)} a", f"{did(0)} x"]


def test_kept_accounts_stay_as_they_are(path: Path) -> None:
    with closing(SqliteStore.open(path, 20, policies=Policies("keep", "keep", "keep"))) as store:
        store.commit(group(record()), 1)
        for status in ("deleted", "takendown", "suspended", "deactivated", "active"):
            assert store.commit(group(account(status)), 2).counts == []
            assert shown(path) == [f"{did(0)} a"]


def test_a_status_that_nobody_knows_costs_nobody_their_records() -> None:
    strict = Policies("delete", "delete", "delete")
    assert strict.hidden("throttled") is Hidden.HIDDEN
    assert Policies("delete", "delete", "keep").hidden("inactive") is Hidden.SHOWN
    assert strict.hidden("suspended") is Hidden.BARRED


def test_the_last_word_about_an_account_counts(store: SqliteStore, path: Path) -> None:
    store.commit(group(record()), 1)
    receipt = store.commit(group(account("deleted"), account("active")), 2)
    assert [status for _, status, _ in receipt.accounts] == ["deleted", "active"]
    assert shown(path) == [f"{did(0)} a"]


def test_a_large_repository_is_hidden_at_once_and_goes_in_portions_over_a_crash(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "LEFT_AT_ONCE", 4)
    with closing(SqliteStore.open(path, 20)) as store:
        store.commit(group(*(record(rkey=f"k{n}") for n in range(10)), record(1)), 1)
        receipt = store.commit(group(account("deleted")), 2)
        assert counts(receipt)[did(0), POSTS].deleted == 4
        assert shown(path) == [f"{did(1)} a"]
        assert counters(path) == {POSTS: (7, 6)}
        assert store.purge(4)
    with closing(SqliteStore.open(path, 20)) as store:
        assert store.purge(4)
        assert not store.purge(4)
        deleted = [one.deleted for r in store.receipts(1, 10) for _, _, one in r.counts]
    assert deleted == [4, 4, 2]
    assert counters(path) == {POSTS: (1, 0)}


def test_who_is_back_before_all_was_deleted_keeps_the_rest(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "LEFT_AT_ONCE", 4)
    store.commit(group(*(record(rkey=f"k{n}") for n in range(10))), 1)
    store.commit(group(account("deleted")), 2)
    store.commit(group(account("active")), 3)
    assert not store.purge(4)
    assert (len(shown(path)), counters(path)) == (6, {POSTS: (6, 0)})


def test_a_policy_that_was_changed_is_in_force_after_the_next_start(path: Path) -> None:
    with closing(SqliteStore.open(path, 20)) as store:
        store.commit(group(record(), record(1), account("deactivated")), 1)
    with closing(SqliteStore.open(path, 20, policies=Policies(deactivated="keep"))):
        assert len(shown(path)) == 2
        assert counters(path) == {POSTS: (2, 0)}
    with closing(SqliteStore.open(path, 20, policies=Policies(deactivated="delete"))) as store:
        assert (shown(path), counters(path)) == ([f"{did(1)} a"], {POSTS: (2, 1)})
        assert store.purge(10)
        assert counters(path) == {POSTS: (1, 0)}
        assert counts(store.commit(group(record()), 2)) == {(did(0), POSTS): Counts(ignored=1)}


def test_an_index_of_before_there_were_policies_is_brought_under_them(path: Path) -> None:
    folder = resources.files("backfilld.records") / "migrations"
    scripts = [(folder / name).read_text() for name in ("0001_records.sql", "0002_removed.sql")]
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            f"{';'.join(scripts)}; PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version=2;"
            f"INSERT INTO repo (did, status) VALUES ('{did(0)}', 'takendown'),"
            f" ('{did(1)}', 'deleted'), ('{did(2)}', 'active'), ('{did(3)}', NULL);"
            f"INSERT INTO collection (nsid, records) VALUES ('{POSTS}', 4);"
            "INSERT INTO record (repo, collection, rkey, rev, cid, body, indexed_at)"
            f" SELECT id, 1, 'a', '{REVS[0]}', 'bafyreione', x'7b7d', 1 FROM repo;"
            "INSERT INTO dead_letter (at, why, did, collection, rkey, raw, raw_bytes)"
            f" VALUES (1, 'no body', '{did(0)}', '{POSTS}', 'z', x'7b', 1)"
        )
    with closing(SqliteStore.open(path, 20)) as store:
        assert shown(path) == [f"{did(2)} a", f"{did(3)} a"]
        assert counters(path) == {POSTS: (4, 2)}
        assert store.purge(10)
        assert counters(path) == {POSTS: (3, 1)}
        assert store.open_letters(None, 0, 10) == [1]


def test_a_group_that_fails_hides_nobody(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.commit(group(record()), 1)

    def broken(*_: object, **__: object) -> Receipt:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(store, "_written", broken)
        with pytest.raises(MemoryError):
            store.commit(group(account("deleted")), 2)
    assert counts(store.commit(group(record(rkey="b")), 3))[did(0), POSTS] == Counts(inserted=1)
    assert (len(shown(path)), counters(path)) == (2, {POSTS: (2, 0)})


deliveries = st.one_of(
    st.builds(
        record,
        n=st.integers(0, 2),
        rkey=st.sampled_from("ab"),
        rev=st.integers(0, 5),
        cid=st.sampled_from(["one", "two", None]),
        collection=st.sampled_from([POSTS, LIKES]),
    ),
    st.builds(account, st.sampled_from(["active", "deleted", "takendown"]), st.integers(0, 2)),
)
takings = st.one_of(
    st.none(), st.integers(1, 3), st.tuples(st.integers(0, 2), st.sampled_from("ab"))
)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.lists(deliveries, max_size=8), takings), max_size=6))
def test_receipts_and_counters_agree_with_the_rows_whoever_goes_and_comes(
    steps: list[tuple[list[RecordDelivery | AccountDelivery], int | tuple[int, str] | None]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.db"
        status: dict[str, str] = {}
        with closing(SqliteStore.open(path, 20)) as store:
            for came, taking in steps:
                store.commit(group(*came), 1)
                said = [one for one in came if isinstance(one, AccountDelivery)]
                status |= {one.did: one.status for one in said}
                if isinstance(taking, int):
                    store.remove_some(Removal("uid:1", POSTS, id="r"), store.newest(), taking)
                elif taking is not None:
                    store.remove(did(taking[0]), POSTS, Rkey(taking[1]), "uid:1", 2)
            receipts = store.receipts(0, 100)
        sums: dict[tuple[str, str], int] = {}
        for receipt in receipts:
            for who, what, one in receipt.counts:
                sums[who, what] = sums.get((who, what), 0) + one.inserted - one.deleted
        with closing(open_reader(path)) as db:
            rows = db.execute(
                "SELECT did, nsid, count(*) FROM record JOIN repo ON repo.id = repo"
                " JOIN collection ON collection.id = collection WHERE cid IS NOT NULL GROUP BY 1, 2"
            ).fetchall()
        assert {key: n for key, n in sums.items() if n} == {(a, b): n for a, b, n in rows}
        for nsid, (records, hidden) in counters(path).items():
            mine = [(who, n) for who, what, n in rows if what == nsid]
            assert records == sum(n for _, n in mine)
            away = {who for who, word in status.items() if word != "active"}
            assert hidden == sum(n for who, n in mine if who in away)
        assert not any(status.get(who) == "deleted" for who, _, _ in rows)
