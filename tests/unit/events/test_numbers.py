"""A DID keeps the number it was given first, however many there are and whatever is restarted."""

import random
import sqlite3
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backfilld_events.log.file import open_writer
from backfilld_events.projections import make, numbers
from backfilld_events.projections.numbers import ENTRY_BYTES, KEY_BYTES, SECRET_BYTES, Mark, Numbers

# few prefixes, so that slices and nodes fill; longer keys are DIDs that are no did:plc
KEYS = st.one_of(
    st.binary(min_size=1, max_size=1).map(lambda end: b"the same prefix"[:14] + end),
    st.binary(min_size=2, max_size=2).map(lambda start: start + b"-------------"),
    st.integers(0, 300).map(lambda n: f"did:web:host{n}.example.com".encode()),
)
PAGES = st.lists(st.lists(KEYS, max_size=40), max_size=12)


class Life:
    """The index with the pages it can be read again from."""

    def __init__(self, db: sqlite3.Connection, secret: bytes = b"") -> None:
        self.db, self.pages, self.following = db, list[tuple[list[bytes], int]](), 1
        self.numbers = Numbers(db, secret)

    def name(self, keys: list[bytes]) -> list[int]:
        base, self.following = self.following, self.following + len(keys)
        found = self.numbers.intern(keys, base)
        self.pages.append((keys, base))
        self.numbers.settle(self.following)
        return found

    def restart(self) -> None:
        mark = Mark(**{f: getattr(self.numbers.mark, f) for f in Mark.__struct_fields__})
        self.numbers = Numbers(self.db)
        self.numbers.load(mark, self.since)

    def since(self, number: int) -> Iterator[tuple[list[bytes], int]]:
        return (page for page in self.pages if page[1] + len(page[0]) > number)


def as_it_is(key: bytes, secret: bytes) -> bytes:
    """The worst that could be: keys that begin alike stay alike, and fill slices and nodes."""
    return key if len(key) == KEY_BYTES else blake2b(key, digest_size=KEY_BYTES).digest()


def memory() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    make(db)
    return db


@settings(max_examples=150, deadline=None)
@given(
    PAGES,
    st.sampled_from([0, 5, 60]),
    st.integers(1, 5),
    st.booleans(),
    st.data(),
)
def test_a_did_keeps_its_first_number(
    pages: list[list[bytes]], waiting: int, fan_bits: int, mixed: bool, data: st.DataObject
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numbers, "WAITING_MAX", waiting)
        patch.setattr(numbers, "FAN_BITS", fan_bits)
        if not mixed:
            patch.setattr(numbers, "_mixed", as_it_is)
        life, model = Life(memory(), b"a secret"), dict[bytes, int]()
        for keys in pages:
            expected = [model.setdefault(key, life.following + at) for at, key in enumerate(keys)]
            assert life.name(keys) == expected
            if data.draw(st.booleans()):
                life.restart()
            assert life.numbers.find([*model, b"never named....", b"did:web:never.named"]) == [
                *model.values(), None, None,
            ]  # fmt: skip


def test_each_entry_is_written_once_however_often_all_is_restarted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(numbers, "WAITING_MAX", 500)
    life = Life(memory())
    for page in range(60):
        life.name([(page * 1000 + n).to_bytes(15, "little") for n in range(100)])
        life.restart()
    stored = [
        entries[at : at + ENTRY_BYTES]
        for (entries,) in life.db.execute("SELECT entries FROM drawer")
        for at in range(0, len(entries), ENTRY_BYTES)
    ]
    assert len(stored) == len(set(stored)) > 5000


def test_what_a_rollback_took_back_is_forgotten(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "n.db", "backfilld_events.log")
    db.execute("BEGIN")
    make(db)
    db.execute("COMMIT")
    life = Life(db)
    life.name([b"a" * 15])
    life.numbers.intern([b"b" * 15], 90)
    life.restart()
    assert life.numbers.find([b"a" * 15, b"b" * 15]) == [1, None]


ALIKE = {
    "that begin alike": lambda n: n.to_bytes(KEY_BYTES, "big"),
    "that end alike": lambda n: n.to_bytes(4, "big").ljust(KEY_BYTES, b"-"),
    "alike at both ends": lambda n: b"------" + n.to_bytes(4, "big") + b"-----",
}


@pytest.mark.parametrize("key", ALIKE.values(), ids=ALIKE.keys())
def test_dids_that_somebody_chose_alike_are_found_with_no_more_work_than_any_others(
    key: Callable[[int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither when they come first nor when they come again."""
    monkeypatch.setattr(numbers, "WAITING_MAX", 5_000)
    looked = 0
    look = numbers._look

    def counted(entries: bytes | bytearray, key: bytes) -> int | None:
        nonlocal looked
        looked += len(entries) // ENTRY_BYTES
        return look(entries, key)

    monkeypatch.setattr(numbers, "_look", counted)

    def work(keys: list[bytes]) -> int:
        nonlocal looked
        looked = 0
        life = Life(memory(), random.Random(3).randbytes(SECRET_BYTES))
        for start in [*range(0, len(keys), 1000)] * 2:
            life.name(keys[start : start + 1000])
        return looked

    any_others = work([random.Random(n).randbytes(KEY_BYTES) for n in range(20_000)])
    assert work([key(n) for n in range(20_000)]) < 1.1 * any_others
