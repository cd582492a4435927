"""Receipts in the log sum up to the index, to the row, whatever happens; and whoever changes a row
behind their back is found."""

import json
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.given import LIKES, POSTS, did

from backfilld.deliveries import AccountDelivery, DeadDelivery, RecordDelivery
from backfilld.delivery import ledger
from backfilld.records.accounts import Policies
from backfilld.records.ghosts import Evidence
from backfilld.records.sqlite import SqliteStore
from backfilld.records.store import Group, Handled, Removal
from backfilld_events.audit import reconcile as audit
from backfilld_events.audit.reconcile import Reconciled, reconcile
from backfilld_events.audit.source import LogFile
from backfilld_events.audit.verify import Broken
from backfilld_events.catalog import Event
from backfilld_events.catalog.index import IndexLost, RecordsCommitted, RowsRecounted, Tally
from backfilld_events.catalog.service import ServiceStarted
from backfilld_events.cli import main, say
from backfilld_events.ids import Cid, Did, Nsid, Rev, Rkey, pack_one
from backfilld_events.log.append import Append, append
from backfilld_events.log.file import BadFile, open_writer
from backfilld_events.row import NewEvent

WHO = [did(1), did(2), Did("did:web:a.example")]
NSIDS = [POSTS, LIKES]
REVS = [Rev(f"3aaaaaaaaaa{c}2") for c in "abcdef"]
STATUSES = ["active", "deleted", "takendown", "deactivated"]


@cache
def empty(package: str) -> bytes:
    """A new file of this schema: to make one takes longer than all the rest."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "new.db"
        open_writer(path, package).close()
        return path.read_bytes()


def opened(path: Path, package: str) -> sqlite3.Connection:
    if not path.exists():
        path.write_bytes(empty(package))
    db = open_writer(path, package)
    db.execute("PRAGMA synchronous=OFF")
    return db


class Pair:
    """A log and an index, and the ledger between them as the daemon has it."""

    def __init__(self, folder: Path, policies: Policies | None = None) -> None:
        self.events, self.records = folder / "events.db", folder / "records.db"
        self._policies = policies
        self._log = opened(self.events, "backfilld_events.log")
        self._times = count(1)
        self.logged = 0
        self._open()

    def _open(self) -> None:
        db = opened(self.records, "backfilld.records")
        self.store = SqliteStore(db, 20, policies=self._policies)

    def close(self) -> None:
        self.store.close()
        self._log.close()

    def append(self, *events: NewEvent) -> None:
        self._log.execute("BEGIN IMMEDIATE")
        append(self._log, [Append(list(events))], next(self._times), lambda row, event: None)
        self._log.execute("COMMIT")

    def take_in(self, upto: int | None = None) -> None:
        """Receipts go to the log: all, or as many events."""
        for _ in count() if upto is None else range(upto):
            some = ledger._some(self.store.receipts(self.logged, ledger.RECEIPTS_MAX))
            if not some:
                return
            self.append(*ledger._events(some))
            self.logged = some[-1].no

    def lose(self) -> None:
        """records.db is gone, and a new one begins."""
        self.store.close()
        for path in self.records.parent.glob("records.db*"):
            path.unlink()
        self.append(NewEvent("index", IndexLost(self.logged, "the disk"), "uid:7"))
        self.logged = 0
        self._open()

    def reconcile(self) -> Reconciled:
        with LogFile(self.events) as source:
            return reconcile(source, self.records)


def record(
    who: Did = WHO[0], nsid: Nsid = POSTS, rkey: str = "a", rev: Rev = REVS[0], cid: str | None = ""
) -> RecordDelivery:
    whole = None if cid is None else Cid("bafyreione" + cid)
    body = None if cid is None else b"{}"
    return RecordDelivery(1, who, nsid, Rkey(rkey), rev, whole, body, False)


def group(*some: RecordDelivery | AccountDelivery, dead: int = 0, ignored: int = 0) -> Group:
    return Group(
        [one for one in some if isinstance(one, RecordDelivery)],
        [one for one in some if isinstance(one, AccountDelivery)],
        [DeadDelivery(1, "bad", b"x", WHO[0], POSTS, Rkey("a"))] * dead,
        [record()] * ignored,
    )


# --- the law -------------------------------------------------------------------------------


def commits(pair: Pair, chance: random.Random) -> None:
    some: list[RecordDelivery | AccountDelivery] = [
        record(
            chance.choice(WHO), chance.choice(NSIDS), chance.choice("abc"), chance.choice(REVS),
            chance.choice(["", "two", None]),
        )
        for _ in range(chance.randrange(8))
    ]  # fmt: skip
    if chance.random() < 0.2:
        some.append(AccountDelivery(1, chance.choice(WHO), "", chance.choice(STATUSES)))
    pair.store.commit(group(*some, dead=chance.randrange(2), ignored=chance.randrange(2)), 1)


def settles(pair: Pair, chance: random.Random) -> None:
    handled = Handled("uid:7", "retry", [1], [])
    pair.store.settle(handled, [], group(record(chance.choice(WHO), rkey="d")), 1)


def removes(pair: Pair, chance: random.Random) -> None:
    pair.store.remove(
        chance.choice(WHO), chance.choice(NSIDS), Rkey(chance.choice("abc")), "uid:7", 1
    )


def removes_all(pair: Pair, chance: random.Random) -> None:
    removal = Removal("uid:7", chance.choice(NSIDS), id="r")
    pair.store.remove_some(removal, pair.store.newest(), chance.choice([1, 2, 9]))


def sweeps(pair: Pair, chance: random.Random) -> None:
    who, rev = chance.choice(WHO), chance.choice(REVS)
    seen = Evidence(chance.randrange(3), rev, chance.choice([None, REVS[0]]))
    pair.store.sweep(who, NSIDS, seen, 1)


def recounts(pair: Pair, chance: random.Random) -> None:
    differing = {chance.choice(NSIDS): {Rkey(rkey): Cid("bafyreione") for rkey in "ab"}}
    pair.store.recount(chance.choice(WHO), chance.choice(REVS), differing)


def purges(pair: Pair, chance: random.Random) -> None:
    pair.store.purge(chance.choice([1, 9]))


def logs(pair: Pair, chance: random.Random) -> None:
    pair.append(NewEvent("service", ServiceStarted("1"), "system"))
    pair.take_in(chance.choice([1, 2, 9]))


def loses(pair: Pair, chance: random.Random) -> None:
    pair.lose()


STEPS = [commits] * 6 + [
    settles, removes, removes_all, sweeps, recounts, purges, logs, logs, logs, loses
]  # fmt: skip


@settings(max_examples=25)
@given(st.integers(), st.tuples(*[st.sampled_from(["delete", "hide", "keep"])] * 3))
def test_after_every_step_of_every_history_log_and_index_agree_to_the_row(
    seed: int, policies: tuple[str, str, str]
) -> None:
    chance = random.Random(seed)
    with (
        TemporaryDirectory() as folder,
        closing(Pair(Path(folder), Policies(*policies))) as pair,  # type: ignore[arg-type]
    ):
        for _ in range(20):
            chance.choice(STEPS)(pair, chance)
            done = pair.reconcile()
            assert done.agrees, (done.wrong, done.differences)
        pair.take_in()
        done = pair.reconcile()
        assert done.agrees, (done.wrong, done.differences)
        with closing(sqlite3.connect(pair.records)) as db:
            rows = db.execute("SELECT count(*) FROM record WHERE cid IS NOT NULL").fetchone()
        assert (done.rows,) == rows


# --- what breaks it ------------------------------------------------------------------------


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Receipts 1 to 4, of which the log has three; 7 rows of three repositories."""
    with closing(Pair(tmp_path)) as pair:
        store = pair.store
        store.commit(group(record(), record(rkey="b"), record(nsid=LIKES), record(WHO[1])), 1)
        store.commit(group(record(WHO[2]), record(WHO[2], rkey="x", cid=None)), 2)
        store.commit(group(record(WHO[1], rkey="b"), AccountDelivery(1, WHO[1], "", "x")), 3)
        pair.append(NewEvent("service", ServiceStarted("1"), "system"))
        pair.take_in()
        store.commit(group(record(WHO[2], LIKES)), 4)
        yield pair


def edited(pair: Pair, *statements: str) -> Reconciled:
    with closing(sqlite3.connect(pair.records)) as db:
        for statement in statements:
            assert db.execute(statement).rowcount, statement
        db.commit()
    return pair.reconcile()


def test_it_says_what_agrees_and_of_how_much(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["reconcile", "--records", str(pair.records), str(pair.events)])
    assert capsys.readouterr().out == (
        "index  OK  receipts 1..4 sum up to 7 rows of 3 repositories in 2 collections: "
        "agrees to the row\n"
    )
    main(["reconcile", "--json", "--records", str(pair.records), str(pair.events)])
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is True
    assert (said["receipts"], said["rows"]) == ({"log": 3, "index": 4}, 7)


FIRST = "(SELECT min(id) FROM record WHERE cid IS NOT NULL)"
EDITS = {
    "a row deleted": [f"DELETE FROM record WHERE id = {FIRST}"],
    "a row made a tombstone": [f"UPDATE record SET cid = NULL, body = NULL WHERE id = {FIRST}"],
    "a row added": ["INSERT INTO record VALUES (99, 1, 1, 'z', 'r', 'c', x'7b7d', 1)"],
    "a row added to no repository": [
        "INSERT INTO record VALUES (99, 77, 1, 'z', 'r', 'c', x'7b7d', 1)"
    ],
    "a tombstone raised": ["UPDATE record SET cid = 'c', body = x'7b7d' WHERE cid IS NULL"],
    "a row moved to another repository": [
        f"UPDATE record SET repo = 3, rkey = 'q' WHERE id = {FIRST}"
    ],
    "a row moved to another collection": [
        f"UPDATE record SET collection = 3 - collection, rkey = 'q' WHERE id = {FIRST}"
    ],
    "a row moved to no repository": [f"UPDATE record SET repo = 77 WHERE id = {FIRST}"],
    "a row moved to no collection": [f"UPDATE record SET collection = 77 WHERE id = {FIRST}"],
    "a repository renamed": ["UPDATE repo SET did = 'did:web:b.example' WHERE id = 1"],
    "a repository renamed at length": [
        "UPDATE repo SET did = hex(zeroblob(70000)) WHERE id = 1"
    ],
    "two repositories renamed": [
        "UPDATE repo SET did = 'x' WHERE id = 2", "UPDATE repo SET did = 'y' WHERE id = 1",
        f"UPDATE repo SET did = '{WHO[0]}' WHERE id = 2",
        f"UPDATE repo SET did = '{WHO[1]}' WHERE id = 1",
    ],
    "a collection renamed": ["UPDATE collection SET nsid = 'net.example.other' WHERE id = 1"],
    "everything deleted": ["DELETE FROM record"],
    "the first receipt dropped": ["DELETE FROM receipt WHERE no = 1"],
    "a receipt dropped": ["DELETE FROM receipt WHERE no = 2"],
    "the log's last receipt dropped": ["DELETE FROM receipt WHERE no = 3"],
    "the last receipt dropped": ["DELETE FROM receipt WHERE no = 4"],
    "the last receipts dropped": ["DELETE FROM receipt WHERE no > 2"],
    "all receipts dropped": ["DELETE FROM receipt"],
    "a receipt added": ["INSERT INTO receipt SELECT 5, content FROM receipt WHERE no = 4"],
    "a receipt that is none": ["UPDATE receipt SET content = x'93' WHERE no = 4"],
    "the counter of rows": ["UPDATE collection SET records = records + 1 WHERE id = 1"],
    "the counter of hidden rows": ["UPDATE collection SET hidden = hidden + 1 WHERE id = 2"],
    "an account hidden": ["UPDATE repo SET hidden = 1 - hidden WHERE id = 1"],
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
def test_each_single_edit_of_the_index_is_found(pair: Pair, edit: str) -> None:
    assert pair.reconcile().agrees
    assert not edited(pair, *EDITS[edit]).agrees


def test_a_difference_names_account_collection_both_numbers_and_the_last_event(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    edited(
        pair,
        "DELETE FROM record WHERE rkey = 'b' AND repo = 1",
        "INSERT INTO record VALUES (99, 2, 1, 'z', 'r', 'c', x'7b7d', 1)",
        "DELETE FROM record WHERE repo = 3 AND collection = 1",
        f"UPDATE collection SET records = records - 1 WHERE nsid = '{POSTS}'",
        f"UPDATE collection SET hidden = hidden + 1 WHERE nsid = '{LIKES}'",
    )
    with pytest.raises(SystemExit) as ended:
        main(["reconcile", "--records", str(pair.records), str(pair.events)])
    assert ended.value.code == say.BROKEN
    assert capsys.readouterr().out.splitlines() == [
        "index  BROKEN  receipts 1..4 do not sum up to the 6 rows of 3 repositories in 2 "
        "collections: 3 numbers differ",
        f"  {did(1)} {POSTS}: the log says 2, last by #2; the index has 1",
        f"  {did(2)} {LIKES}: the log says 0, which no event names; the index has 1",
        f"  {WHO[2]} {LIKES}: the log says 1, last by receipt 4, which the log has not; "
        "the index has 0",
    ]


def test_only_the_first_differences_are_told_and_all_are_counted(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    pair.store.commit(group(*(record(did(n)) for n in range(100, 130))), 5)
    done = edited(pair, "DELETE FROM record")
    assert (done.differ, len(done.differences)) == (35, audit.DIFFERENCES_MAX)
    with pytest.raises(SystemExit):
        main(["reconcile", "--records", str(pair.records), str(pair.events)])
    assert capsys.readouterr().out.splitlines()[-1] == "  and 15 more"


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (["DELETE FROM receipt WHERE no > 1"], "the first that the index misses is 2"),
        (["DELETE FROM receipt"], "the first that the index misses is 1"),
        (
            [
                "UPDATE receipt SET no = 6 WHERE no = 4",
                "INSERT INTO receipt SELECT 5, content FROM receipt WHERE no = 6",
            ],
            "receipt 4 is missing: the log ends with 3",
        ),
        (["UPDATE receipt SET content = x'93' WHERE no = 4"], "receipt 4 of the index cannot be"),
    ],
)
def test_without_the_receipts_in_between_no_rows_are_compared_and_the_first_is_named(
    pair: Pair, statements: list[str], said: str
) -> None:
    done = edited(pair, *statements)
    assert not done.is_compared
    assert said in done.wrong[0]
    assert "rows were not compared" in done.sentence


def test_receipts_that_the_daemon_forgets_are_not_missed(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert audit.KEPT_RECEIPTS == ledger.KEPT_RECEIPTS
    monkeypatch.setattr(audit, "KEPT_RECEIPTS", 2)
    pair.store.forget_receipts(2)
    assert pair.reconcile().agrees
    pair.store.forget_receipts(3)
    assert "receipt 3 is missing" in pair.reconcile().wrong[0]


def test_a_daemon_that_goes_on_meanwhile_changes_nothing(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the log's moment and the index's, records come and receipts go to the log."""
    real = audit.Index

    def busy(path: Path) -> audit.Index:
        pair.store.commit(group(record(rkey="y"), record(did(9))), 5)
        pair.take_in()
        pair.store.recount(WHO[0], REVS[0], {})
        return real(path)

    monkeypatch.setattr(audit, "Index", busy)
    done = pair.reconcile()
    assert done.agrees
    assert (done.logged, done.written, done.rows) == (3, 6, 9)


def test_a_log_that_grows_fast_is_followed_before_the_index_is_looked_at(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "FEW", 0)
    assert pair.reconcile().position == 2


@pytest.mark.parametrize("other", ["events", "missing", "text", "old"])
def test_what_is_no_index_is_said_so(pair: Pair, tmp_path: Path, other: str) -> None:
    path = {"events": pair.events}.get(other, tmp_path / "other.db")
    if other == "text":
        path.write_text("no database at all, and long enough to be seen as none")
    if other == "old":
        path.write_bytes(b"")
        with closing(sqlite3.connect(path)) as db:
            for table in ("record", "repo", "collection", "receipt"):
                db.execute(f"CREATE TABLE {table} (id)")
            db.execute("PRAGMA user_version = 2")
    with LogFile(pair.events) as source, pytest.raises(BadFile, match=str(path)):
        reconcile(source, path)


NOTHING: list[Callable[[], Event]] = [
    lambda: RecordsCommitted(5, 5, [], [], [], 0),
    lambda: RecordsCommitted(3, 3, [], [], [], 0),
    lambda: RecordsCommitted(4, 3, [], [], [], 0),
    lambda: RowsRecounted(7, pack_one(WHO[0]), REVS[0], []),
]


@pytest.mark.parametrize("event", NOTHING)
def test_a_gap_among_the_receipts_of_the_log_is_found_at_its_event(
    pair: Pair, event: Callable[[], Event]
) -> None:
    pair.append(NewEvent("index", event(), "system"))
    with LogFile(pair.events) as source, pytest.raises(Broken, match="do not follow") as broken:
        reconcile(source, pair.records)
    assert broken.value.position == 3


def test_a_log_that_says_more_than_was_ever_committed_is_found(pair: Pair) -> None:
    pair.take_in()
    tally = Tally(pack_one(WHO[0]), 0, inserted=5, deleted=4)
    pair.store.commit(group(), 5)
    pair.append(NewEvent("index", RecordsCommitted(5, 5, [POSTS], [tally], [], 0), "system"))
    (one,) = pair.reconcile().differences
    assert (one.did, one.said, one.has, one.position) == (WHO[0], 3, 2, 4)


def test_a_recount_sets_right_what_left_no_receipt(pair: Pair) -> None:
    edits = ["DELETE FROM record WHERE rkey = 'b' AND repo = 1"]
    edits += [f"UPDATE collection SET records = records - 1 WHERE nsid = '{POSTS}'"]
    assert edited(pair, *edits).differ == 1
    pair.store.recount(WHO[0], REVS[0], {})
    assert pair.reconcile().agrees, "it stands in the index alone"
    pair.store.commit(group(record(rkey="e")), 5)
    pair.take_in()
    assert pair.reconcile().agrees


def test_an_empty_log_and_an_empty_index_agree(tmp_path: Path) -> None:
    with closing(Pair(tmp_path)) as pair:
        assert pair.reconcile().sentence == (
            "no receipts and 0 rows of 0 repositories in 0 collections: agrees to the row"
        )


def test_after_a_loss_what_was_before_counts_no_more(pair: Pair) -> None:
    pair.take_in()
    pair.lose()
    pair.store.commit(group(record()), 5)
    pair.take_in()
    done = pair.reconcile()
    assert done.agrees
    assert done.sentence == (
        "receipts 1..1, since the index was lost (#4), sum up to 1 row of 1 repository in "
        "1 collection: agrees to the row"
    )
