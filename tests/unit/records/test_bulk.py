"""Many rows a statement give what the law gives, one record after the other."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.given import LIKES, POSTS, did

from backfilld.deliveries import RecordDelivery
from backfilld.records import bulk, interned
from backfilld.records.rules import Held, judge
from backfilld.records.sqlite import SqliteStore
from backfilld.records.store import Group
from backfilld_events.ids import Cid, Nsid, Rev, Rkey
from backfilld_events.log.file import open_reader, open_writer

REVS = [Rev(f"3aaaaaaaaaa{c}2") for c in "abcd"]
Key = tuple[str, str, str]


def record(n: int, nsid: Nsid, rkey: str, rev: int, cid: str | None) -> RecordDelivery:
    whole = None if cid is None else Cid("bafyrei" + cid)
    body = None if cid is None else b'"%b"' % cid.encode()
    return RecordDelivery(1, did(n), nsid, Rkey(rkey), REVS[rev], whole, body, False)


deliveries = st.builds(
    record,
    st.integers(0, 3),
    st.sampled_from([POSTS, LIKES]),
    st.sampled_from("abcdef"),
    st.integers(0, 3),
    st.sampled_from(["one", "one", "two", None]),
)


@contextmanager
def opened(path: Path, parameters_max: int = 32_766) -> Iterator[SqliteStore]:
    """A store on a SQLite that takes so many parameters a statement."""
    db = open_writer(path, "backfilld.records")
    db.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, parameters_max)
    with closing(SqliteStore(db, 20)) as store:
        yield store


def held(path: Path) -> dict[Key, tuple[Rev, Cid | None, bytes | None]]:
    with closing(open_reader(path)) as db:
        rows = db.execute(
            "SELECT did, nsid, rkey, rev, cid, body FROM record JOIN repo ON repo.id = repo"
            " JOIN collection ON collection.id = collection"
        )
        return {tuple(row[:3]): tuple(row[3:]) for row in rows}


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(deliveries, max_size=25), max_size=6), st.sampled_from([7, 20, 999, 32_766])
)
def test_it_is_the_law_whatever_comes_together(
    groups: list[list[RecordDelivery]], parameters_max: int
) -> None:
    model: dict[Key, Held] = {}
    bodies: dict[Key, bytes | None] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.db"
        with opened(path, parameters_max) as store:
            for group in groups:
                expected: dict[tuple[str, str, str], int] = {}
                for one in group:
                    key = (one.did, one.collection, one.rkey)
                    verdict, after = judge(model.get(key), one.rev, one.cid)
                    if after is not None:
                        model[key], bodies[key] = after, one.body
                    word = (one.did, one.collection, verdict.value)
                    expected[word] = expected.get(word, 0) + 1
                receipt = store.commit(Group(list(group), [], [], []), 1)
                said = {
                    (who, what, word): getattr(counts, word)
                    for who, what, counts in receipt.counts
                    for word in counts.__struct_fields__
                    if getattr(counts, word)
                }
                assert said == expected
        assert held(path) == {key: (*one, bodies[key]) for key, one in model.items()}


@pytest.mark.parametrize("parameters_max", [999, 32_766])
def test_large_groups_new_known_and_changed(tmp_path: Path, parameters_max: int) -> None:
    path = tmp_path / "records.db"
    count = 2 * bulk.ROWS_MAX + 77
    new = [record(n % 9, POSTS, f"k{n}", 1, "one") for n in range(count)]
    raised = [record(n % 9, POSTS, f"k{n}", 2, "one") for n in range(count)]
    changed = [record(n % 9, POSTS, f"k{n}", 3, "two") for n in range(count)]
    with opened(path, parameters_max) as store:
        for group, word in (
            (new, "inserted"), (new, "unchanged"), (raised, "unchanged"), (changed, "updated"),
            (new, "stale"),
        ):  # fmt: skip
            receipt = store.commit(Group(group, [], [], []), 1)
            assert sum(getattr(counts, word) for _, _, counts in receipt.counts) == count
    assert set(held(path).values()) == {(REVS[3], "bafyreitwo", b'"two"')}


def test_a_record_that_comes_a_thousand_times_in_a_group_is_no_trouble(tmp_path: Path) -> None:
    with opened(tmp_path / "records.db") as store:
        same = [record(0, POSTS, "a", 0, "one")] * 1000 + [record(0, POSTS, "a", 1, "two")]
        ((_, _, counts),) = store.commit(Group(same, [], [], []), 1).counts
    assert (counts.inserted, counts.unchanged, counts.updated) == (1, 999, 1)


def test_more_repositories_than_are_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interned, "INTERNED_MAX", 5)
    path = tmp_path / "records.db"
    with opened(path) as store:
        for first in (0, 3, 6, 0, 9):
            group = [record(first + n, POSTS, "a", 0, "one") for n in range(4)]
            store.commit(Group(group, [], [], []), 1)
    assert len(held(path)) == 13
    with closing(open_reader(path)) as db:
        assert db.execute("SELECT count(*), max(id) FROM repo").fetchone() == (13, 13)


def test_parts_cover_all_rows_in_order_with_sizes_that_repeat() -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)
        for count in (0, 1, 2, 127, 128, 1000):
            parts = list(bulk.parts(db, range(count), 6))
            assert [n for _, part in parts for n in part] == list(range(count))
            assert all(part[0] == at for at, part in parts)
            assert {len(part) for _, part in parts} <= {1, 2, 4, 8, 16, 32, 64, 128}
