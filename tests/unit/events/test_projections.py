"""Projections made anew from the log equal the live ones, whatever happened."""

import sqlite3
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from support.given import LIKES, POSTS, did, dids, handed_off, page, started

from backfilld_events import ids
from backfilld_events.audit.replay import replay
from backfilld_events.catalog import Event
from backfilld_events.catalog.child import ChildStarted
from backfilld_events.catalog.index import (
    Account,
    GhostsRemoved,
    IndexLost,
    IndexRestored,
    RecordsCommitted,
    RecordsRemoved,
    RemovalAsked,
    Removed,
    RowsRecounted,
    Tally,
)
from backfilld_events.catalog.job import (
    JobCancelAsked,
    JobCancelled,
    JobCompleted,
    JobEvent,
    JobPickedUp,
    PageDiscovered,
)
from backfilld_events.catalog.lexicon import LexiconDeleted, LexiconUploaded
from backfilld_events.catalog.reconcile import Difference, ReconcileAsked, ReposCompared
from backfilld_events.catalog.source import (
    Differing,
    Observation,
    ReposDiffer,
    ReposLeaving,
    ReposLeft,
    ReposObserved,
    ReposReturned,
    TapConnected,
)
from backfilld_events.eventlog import EventLog
from backfilld_events.folds.job import SCHEDULE
from backfilld_events.ids import Did, Rev, pack_one
from backfilld_events.log import read
from backfilld_events.log.append import Append
from backfilld_events.log.file import open_writer
from backfilld_events.projections import Projections, listing, numbers, pages, repos, targets
from backfilld_events.projections.classes import Ask, Class, Need, for_job
from backfilld_events.projections.numbers import SECRET_BYTES, Mark
from backfilld_events.projections.repo import counters_of
from backfilld_events.projections.tally import ALL, FOUND, fault_in
from backfilld_events.row import NewEvent

TABLES = (
    "folded", "job", "lexicon", "page", "repo", "seen", "member", "target", "tally", "delivered",
    "emptied", "drawer", "filter", "host", "collection", "outing", "zone", "retried", "lost",
)  # fmt: skip
STATES = ("pending", "resyncing", "active", "error", "desynchronized", "unknown")


def tables(db: sqlite3.Connection) -> dict[str, list[Any]]:
    return {name: sorted(db.execute(f"SELECT * FROM {name}"), key=repr) for name in TABLES}


def members(db: sqlite3.Connection) -> dict[int, set[Did]]:
    """The DIDs of each job, read from the log itself."""
    found: dict[int, set[Did]] = {}
    numbers = dict(db.execute("SELECT 'job/' || id, number FROM job"))
    for row in read.rows(db, type_name="job.page-discovered"):
        event = row.event
        assert isinstance(event, PageDiscovered)
        found.setdefault(numbers[row.stream], set()).update(ids.unpack(event.dids))
    return found


def recounted(db: sqlite3.Connection, job: int, found: set[Did]) -> dict[Class, int]:
    """The classes of the job's repositories, one by one."""
    kinds = dict(db.execute("SELECT id, class FROM repo"))
    held = dict(db.execute("SELECT repo, held FROM member WHERE job = ?", (job,)))
    dids = pages.named(db, sorted(kinds))
    return dict(
        Counter(
            Class(for_job(kinds[number], held.get(number, 0)))
            for number, did in zip(sorted(kinds), dids, strict=True)
            if did in found
        )
    )


def counted_by(db: sqlite3.Connection, job: int) -> set[Did]:
    """The repositories that the job counts: that came with it first, or that it is a member of."""
    numbers = [number for (number,) in db.execute("SELECT id FROM repo ORDER BY id")]
    jobs = counters_of(db, numbers)
    mine = [number for number in numbers if job in dict(jobs[number])]
    return set(pages.named(db, mine))


def looked_through(db: sqlite3.Connection, counter: int, code: int) -> list[Did]:
    """All repositories behind a number, in pages of three."""
    found: list[Did] = []
    after = 0
    while some := listing.page(db, counter, [code], after, 3):
        found += [one.did for one in some]
        after = some[-1].id
    return found


def check_ranks(db: sqlite3.Connection, counter: int, codes: set[Class]) -> None:
    """Each repository is at one rank, in the order in which a listing has them."""
    behind = [one.did for one in listing.page(db, counter, codes, 0, 1000)]
    ranks = range(len(behind) + 2)
    assert listing.ranked(db, counter, codes, ranks) == behind
    assert [one for rank in ranks for one in listing.ranked(db, counter, codes, [rank])] == behind


def is_look(db: sqlite3.Connection, job: int) -> bool:
    (name,) = db.execute("SELECT id FROM job WHERE number = ?", (job,)).fetchone()
    return str(name).startswith("look")


class History:
    """Draws events that could happen, and keeps what the next ones depend on."""

    def __init__(self) -> None:
        self.jobs: dict[str, tuple[int, int]] = {}
        self.receipts = 0
        self.live: dict[int, int] = {}
        self.uploads = 0
        self.position = 0
        self.out: list[tuple[int, bool, bool]] = []

    def draw(self, data: st.DataObject) -> list[NewEvent]:
        kinds = [self.start, self.page, self.batch, self.observe, self.commit, self.remove]
        kinds += [self.look, self.cancel, self.leave, self.end_outing, self.sweep, self.restart]
        kinds += [self.compare, self.recount, self.lose, self.restore]
        return data.draw(st.sampled_from([*kinds, self.other]))(data)

    def start(self, data: st.DataObject) -> list[NewEvent]:
        job = f"j{len(self.jobs)}"
        self.jobs[job] = (0, 0)
        return [NewEvent(f"job/{job}", started(POSTS, LIKES), "uid:1")]

    def look(self, data: st.DataObject) -> list[NewEvent]:
        job = f"look{len(self.jobs)}"
        self.jobs[job] = (0, 0)
        nsid = data.draw(st.sampled_from([POSTS, LIKES]))
        return [NewEvent(f"job/{job}", started(nsid), SCHEDULE)]

    def cancel(self, data: st.DataObject) -> list[NewEvent]:
        if not self.jobs:
            return self.start(data)
        job = data.draw(st.sampled_from(sorted(self.jobs)))
        found, handed = self.jobs.pop(job)
        self.jobs[f"after-{job}"] = (0, 0)
        ends = [JobCancelAsked(""), JobCancelled(found, handed)]
        new = [NewEvent(f"job/{job}", event, "uid:1") for event in ends]
        return [*new, NewEvent(f"job/after-{job}", started(POSTS), "uid:1")]

    def page(self, data: st.DataObject) -> list[NewEvent]:
        if not self.jobs:
            return self.start(data)
        job = data.draw(st.sampled_from(sorted(self.jobs)))
        found, handed = self.jobs[job]
        count = data.draw(st.integers(0, 6))
        some = dids(data.draw(st.integers(0, 8)), count)
        event = replace(page(found, count), dids=ids.pack(some))
        self.jobs[job] = (found + count, handed)
        return [NewEvent(f"job/{job}", event, "system")]

    def batch(self, data: st.DataObject) -> list[NewEvent]:
        open_ = sorted(job for job, (found, handed) in self.jobs.items() if handed < found)
        if not open_:
            return self.page(data)
        job = data.draw(st.sampled_from(open_))
        found, handed = self.jobs[job]
        upto = data.draw(st.integers(handed + 1, found))
        self.jobs[job] = (found, upto)
        return [NewEvent(f"job/{job}", handed_off(first=handed, upto=upto), "system")]

    def observe(self, data: st.DataObject) -> list[NewEvent]:
        seen = [
            Observation(
                pack_one(did(n)),
                data.draw(st.sampled_from(STATES)),
                data.draw(st.sampled_from(["", "failed to get repo"])),
                None,
                data.draw(st.integers(0, 3)),
            )
            for n in data.draw(st.lists(st.integers(0, 12), max_size=4, unique=True))
        ]
        return [
            NewEvent(
                "tap",
                ReposObserved(tap="t", drained=data.draw(st.booleans()), observations=seen),
                "system",
            )
        ]

    def commit(self, data: st.DataObject) -> list[NewEvent]:
        first, self.receipts = self.receipts + 1, self.receipts + data.draw(st.integers(1, 3))
        tallies = [
            Tally(pack_one(did(n)), 0, inserted=data.draw(st.integers(0, 3)), ignored=n % 2)
            for n in data.draw(st.lists(st.integers(0, 12), max_size=4, unique=True))
        ]
        for tally in tallies:
            n = int.from_bytes(tally.repo, "big")
            self.live[n] = self.live.get(n, 0) + tally.inserted
        accounts = [
            Account(pack_one(did(n)), data.draw(st.sampled_from(["active", "deleted"])), "h.test")
            for n in data.draw(st.lists(st.integers(0, 12), max_size=2, unique=True))
        ]
        event = RecordsCommitted(first, self.receipts, [POSTS], tallies, accounts, 0)
        return [NewEvent("index", event, "system")]

    def remove(self, data: st.DataObject) -> list[NewEvent]:
        self.receipts += 1
        taken = []
        for n in sorted(n for n, live in self.live.items() if live):
            count = data.draw(st.integers(0, self.live[n]))
            self.live[n] -= count
            taken.append(Removed(pack_one(did(n)), count))
        asked, last = f"r{self.receipts}", data.draw(st.booleans())
        event = RecordsRemoved(self.receipts, POSTS, None, asked, last, taken)
        return [
            NewEvent(f"removal/{asked}", RemovalAsked(asked, POSTS, 7), "uid:1"),
            NewEvent("index", event, "uid:1"),
        ]

    def leave(self, data: st.DataObject) -> list[NewEvent]:
        some = [did(n) for n in data.draw(st.lists(st.integers(0, 12), max_size=4, unique=True))]
        again = data.draw(st.booleans())
        self.out.append((self.position + 1, again, False))
        why = "lacks" if again else "final"
        return [NewEvent("tap", ReposLeaving(why, again, len(some), ids.pack(some)), "system")]

    def end_outing(self, data: st.DataObject) -> list[NewEvent]:
        if not self.out:
            return self.leave(data)
        position, again, away = self.out.pop(0)
        if not away:
            if again:
                self.out.append((position, again, True))
            return [NewEvent("tap", ReposLeft(position), "system")]
        return [NewEvent("tap", ReposReturned(position, "t"), "system")]

    def sweep(self, data: st.DataObject) -> list[NewEvent]:
        held = sorted(n for n, live in self.live.items() if live)
        if not held:
            return self.commit(data)
        n = data.draw(st.sampled_from(held))
        self.receipts += 1
        self.live[n] -= 1
        event = GhostsRemoved(
            self.receipts, pack_one(did(n)), Rev("3aaaaaaaaaaa2"), 0, [(POSTS, 1)]
        )
        why = [Differing(pack_one(did(data.draw(st.integers(0, 12)))), "a block is missing", True)]
        return [
            NewEvent("index", event, "system"),
            NewEvent("tap", ReposDiffer(why), "system"),
        ]

    def compare(self, data: st.DataObject) -> list[NewEvent]:
        nsid, repair = data.draw(st.sampled_from([POSTS, LIKES])), data.draw(st.booleans())
        some = data.draw(st.lists(st.integers(0, 12), max_size=4, unique=True))
        keys = [pack_one(did(n)) for n in some]
        differing = [
            Difference(key, nsid, 1, 0, 2, ["-a"], 0, Rev("3aaaaaaaaaaa2"), None)
            for key in keys[::2]
        ]
        again = ids.pack([did(n) for n in some[1::2]])
        run = f"reconcile/r{self.position}"
        return [
            NewEvent(run, ReconcileAsked("all", [nsid], "list", None, b"", None, repair), "uid:1"),
            NewEvent(run, ReposCompared(len(some), 9, 4, differing, [], again), "system"),
        ]

    def recount(self, data: st.DataObject) -> list[NewEvent]:
        n, rows = data.draw(st.integers(0, 12)), data.draw(st.integers(0, 4))
        self.receipts += 1
        self.live[n] = rows
        event = RowsRecounted(
            self.receipts, pack_one(did(n)), Rev("3aaaaaaaaaaa2"), [(POSTS, rows, 1)]
        )
        return [NewEvent("index", event, "system")]

    def lose(self, _: st.DataObject) -> list[NewEvent]:
        event = IndexLost(self.receipts, "the disk")
        self.receipts, self.live = 0, {}
        return [NewEvent("index", event, "uid:7")]

    def restore(self, _: st.DataObject) -> list[NewEvent]:
        return [NewEvent("service", IndexRestored(1.7e9), "system")]

    def restart(self, data: st.DataObject) -> list[NewEvent]:
        filters = data.draw(st.sampled_from([[POSTS], [LIKES], [POSTS, LIKES]]))
        return [NewEvent("tap-child", ChildStarted(["tap"], filters), "system")]

    def other(self, data: st.DataObject) -> list[NewEvent]:
        self.uploads += 1
        upload = LexiconUploaded(POSTS, self.uploads, "record", True, None, b"{}")
        events = [
            NewEvent("lexicon/" + POSTS, upload, "uid:1"),
            NewEvent("tap", TapConnected("t"), "s"),
        ]
        if data.draw(st.booleans()):
            events.append(NewEvent("lexicon/" + POSTS, LexiconDeleted(POSTS), "uid:1"))
        done = sorted(job for job, (found, handed) in self.jobs.items() if handed == found)
        last: JobEvent = JobPickedUp()
        if done:
            found, handed = self.jobs.pop(done[0])
            last = JobCompleted(found, handed, 0, [])
            events.append(NewEvent(f"job/{done[0]}", last, "system"))
            self.jobs[f"over{len(self.jobs)}-{self.uploads}"] = (0, 0)
            events.append(
                NewEvent(f"job/over{len(self.jobs) - 1}-{self.uploads}", started(LIKES), "uid:1")
            )
        return events


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_rebuilt_projections_equal_live_ones(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        db = open_writer(Path(folder) / "events.db", "backfilld_events.log")
        log, history = EventLog(db), History()
        for _ in range(data.draw(st.integers(1, 14))):
            history.position = log.state.position
            log.append([Append(history.draw(data))], 1_800_000_000_000_000)
        live, state = tables(db), log.state
        again = Projections(db)
        again.take_up()
        assert not again.rebuilt
        assert again.state == state, "what is read back is what was folded"
        again.rebuild()
        assert tables(db) == live
        assert again.state == state
        for number, found in members(db).items():
            counts = repos.counts(db, number)
            mine = counted_by(db, number)
            assert mine <= found
            assert is_look(db, number) or mine == found
            assert sum(counts.values()) == len(mine), "one class per repository"
            assert counts == recounted(db, number, mine)
            for kind in Class:
                behind = looked_through(db, number, kind)
                assert len(behind) == counts.get(kind, 0), "a page for every number"
                assert mine.issuperset(behind)
        for counter in {counter for (counter,) in db.execute("SELECT job FROM zone")}:
            check_ranks(db, counter, data.draw(st.sets(st.sampled_from(Class))))
        check_zones(db)
        db.close()


def check_zones(db: sqlite3.Connection) -> None:
    """Counts by block add up to the counts, and none is left that has nothing."""
    zones: Counter[tuple[int, int]] = Counter()
    for counter, code, n in db.execute("SELECT job, class, n FROM zone"):
        assert n > 0
        zones[counter, code] += n
    tally = {(job, code): n for job, code, n in db.execute("SELECT job, class, n FROM tally") if n}
    found = {job: n for (job, code), n in tally.items() if code == FOUND}
    tally = {key: n for key, n in tally.items() if key[1] != FOUND}
    assert zones == tally
    for counter in {counter for counter, _ in tally}:
        explained = sum(repos.counts(db, counter).values())
        assert found[counter] == repos.found(db, counter) == explained, "each is explained"
    assert (
        sum(repos.counts(db, ALL).values()) == db.execute("SELECT count(*) FROM repo").fetchone()[0]
    )
    for counter in {counter for counter, _ in tally}:
        failed = tally.get((counter, Class.FAILED), 0)
        by_fault = [
            n for (one, code), n in tally.items() if one == counter and fault_in(code) is not None
        ]
        assert sum(by_fault) == failed, "each failed one has a kind"


def test_a_collection_over_all_jobs_counts_each_repository_once(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "events.db", "backfilld_events.log")
    log = EventLog(db)
    for job, found in (("a", [0, 1]), ("b", [1, 2]), ("c", [0, 1, 2])):
        listed = replace(page(0, len(found), None), dids=ids.pack([did(n) for n in found]))
        log.append([Append([NewEvent(f"job/{job}", started(POSTS), "x")])], 1)
        log.append([Append([NewEvent(f"job/{job}", listed, "x")])], 1)
    log.append([Append([NewEvent("job/b", handed_off(2), "x")])], 1)
    (counter,) = targets.counters(db, [POSTS])
    assert repos.counts(db, counter) == {Class.DISCOVERED: 1, Class.HANDED_OFF: 2}
    assert looked_through(db, counter, Class.HANDED_OFF) == [did(1), did(2)]


def test_tables_of_another_version_are_made_anew(tmp_path: Path) -> None:
    log = EventLog.open(tmp_path / "events.db")
    log.append(
        [Append([NewEvent("job/a", started(POSTS), "x"), NewEvent("job/a", page(0, 3), "x")])], 1
    )
    log.close()
    db = sqlite3.connect(tmp_path / "events.db")
    db.execute("UPDATE folded SET value = x'00' WHERE name = 'version'")
    db.execute("DELETE FROM member")
    db.commit()
    db.close()
    log = EventLog.open(tmp_path / "events.db")
    assert log.rebuilt
    assert log.state.jobs["a"].discovered == 3


def test_nobody_can_tell_beforehand_where_a_did_falls(tmp_path: Path) -> None:
    """The secret is made for each log, and kept."""
    secrets = set()
    for name in ("a.db", "b.db"):
        for _ in range(2):
            db = open_writer(tmp_path / name, "backfilld_events.log")
            EventLog(db).append([Append([NewEvent("tap", TapConnected("http://t"), "x")])], 1)
            (value,) = db.execute("SELECT value FROM folded WHERE name = 'numbers'").fetchone()
            secrets.add(msgspec.msgpack.decode(value, type=Mark).secret)
            db.close()
    assert [len(secret) for secret in secrets] == [SECRET_BYTES, SECRET_BYTES]


def test_a_batch_is_read_back_from_the_pages_it_spans(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "events.db", "backfilld_events.log")
    log = EventLog(db)
    found = [page(0, 3), page(3, 4), page(7, 0), page(7, 2)]
    events = [NewEvent("job/a", started(POSTS), "x"), *(NewEvent("job/a", p, "x") for p in found)]
    log.append([Append(events)], 1)
    assert pages.dids(db, 1, 2, 8) == dids(2, 6)
    assert pages.dids(db, 1, 0, 9) == dids(0, 9)


def test_a_repository_is_synced_when_as_many_records_came_as_tap_knows(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "events.db", "backfilld_events.log")
    log = EventLog(db)

    def happens(*events: object) -> dict[Class, int]:
        streams = {"ReposObserved": "tap", "RecordsCommitted": "index"}
        log.append(
            [
                Append(
                    [
                        NewEvent(streams.get(type(event).__name__, "job/a"), event, "x")  # type: ignore[arg-type]
                        for event in events
                    ]
                )
            ],
            1,
        )
        return repos.counts(db, 1)

    def active(n: int, records: int, *, drained: bool = False) -> ReposObserved:
        return ReposObserved(
            "t", drained, [Observation(pack_one(did(n)), "active", "", None, records)]
        )

    assert happens(started(POSTS), page(0, 2, cursor=None)) == {Class.DISCOVERED: 2}
    assert happens(handed_off(2)) == {Class.HANDED_OFF: 2}
    assert happens(active(0, 3), active(1, 0)) == {Class.HANDED_OFF: 1, Class.EMPTY: 1}
    two = RecordsCommitted(1, 1, [POSTS], [Tally(pack_one(did(0)), 0, inserted=2)], [], 0)
    assert happens(two) == {Class.ARRIVING: 1, Class.EMPTY: 1}
    # what came and was not kept may come again: it is no measure of what is here
    other = RecordsCommitted(2, 2, [POSTS], [Tally(pack_one(did(0)), 0, dead=1, ignored=9)], [], 0)
    assert happens(other) == {Class.ARRIVING: 1, Class.EMPTY: 1}
    assert happens(active(0, 3, drained=True)) == {Class.SYNCED: 1, Class.EMPTY: 1}
    assert happens(active(0, 4)) == {Class.ARRIVING: 1, Class.EMPTY: 1}
    third = RecordsCommitted(3, 3, [POSTS], [Tally(pack_one(did(0)), 0, inserted=2)], [], 0)
    assert happens(third) == {Class.SYNCED: 1, Class.EMPTY: 1}


def test_what_a_person_removed_from_the_index_is_not_waited_for(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "events.db", "backfilld_events.log")
    log = EventLog(db)

    def happens(stream: str, event: Event) -> dict[Class, int]:
        log.append([Append([NewEvent(stream, event, "x")])], 1)
        return repos.counts(db, 1)

    def active(records: int) -> ReposObserved:
        seen = Observation(pack_one(did(0)), "active", "", None, records)
        return ReposObserved("t", False, [seen])

    def came(receipt: int, count: int) -> RecordsCommitted:
        tally = Tally(pack_one(did(0)), 0, inserted=count)
        return RecordsCommitted(receipt, receipt, [POSTS], [tally], [], 0)

    def removed(receipt: int, count: int) -> RecordsRemoved:
        return RecordsRemoved(receipt, POSTS, None, "r", True, [Removed(pack_one(did(0)), count)])

    happens("job/a", started(POSTS))
    happens("job/a", page(0, 1, cursor=None))
    happens("job/a", handed_off(1))
    happens("index", came(1, 3))
    assert happens("tap", active(3)) == {Class.SYNCED: 1}
    assert happens("index", removed(2, 2)) == {Class.SYNCED: 1}
    assert happens("index", removed(3, 1)) == {Class.EMPTY: 1}, "nothing of it is here any more"
    assert happens("tap", active(4)) == {Class.ARRIVING: 1}, "there is one that never came"
    assert happens("index", came(4, 1)) == {Class.SYNCED: 1}, "Tap sends none of the three again"
    db.close()


def test_what_tap_has_forgotten_is_to_be_handed_over_again(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "events.db", "backfilld_events.log")
    log = EventLog(db)

    def seen(state: str) -> dict[Class, int]:
        event = ReposObserved("t", False, [Observation(pack_one(did(0)), state, "", None, 0)])
        log.append([Append([NewEvent("tap", event, "x")])], 1)
        return repos.counts(db, 1)

    events = [started(POSTS), page(0, 1, cursor=None), handed_off(1)]
    log.append([Append([NewEvent("job/a", event, "x") for event in events])], 1)
    assert seen("unknown") == {Class.FAILED: 1}
    assert [one.did for one in repos.needy(db, Need.FORGOTTEN, 1e9, 9)] == [did(0)]
    assert seen("active") == {Class.EMPTY: 1}


def test_what_tap_does_not_know_any_more_is_held_for_no_job(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "events.db", "backfilld_events.log")
    log = EventLog(db)

    def happens(stream: str, *events: object) -> None:
        new = [NewEvent(stream, event, "x") for event in events]  # type: ignore[arg-type]
        log.append([Append(new)], 1)

    def seen(state: str) -> None:
        happens(
            "tap", ReposObserved("t", True, [Observation(pack_one(did(0)), state, "", None, 0)])
        )

    happens("job/a", started(POSTS), page(0, 1, cursor=None), handed_off(1))
    seen("active")
    happens("job/b", started(LIKES), page(0, 1, None, LIKES), handed_off(1))
    second = log.state.jobs["b"].position
    assert repos.counts(db, second) == {Class.HELD: 1}
    assert [one.did for one in repos.to_ask(db, repos.due(db, Ask.HELD, 1e9, 9))] == [did(0)]
    seen("unknown")
    assert repos.counts(db, second) == {Class.FAILED: 1}
    happens("job/c", started(LIKES), page(0, 1, None, LIKES), handed_off(1))
    third = log.state.jobs["c"].position
    assert repos.counts(db, third) == repos.counts(db, second) == {Class.HANDED_OFF: 1}
    seen("active")
    assert repos.counts(db, third) == repos.counts(db, second) == {Class.EMPTY: 1}


def test_what_is_handed_over_while_it_is_out_of_tap_for_a_moment_is_counted_once(
    tmp_path: Path,
) -> None:
    db = open_writer(tmp_path / "events.db", "backfilld_events.log")
    log = EventLog(db)

    def happens(stream: str, *events: object) -> None:
        new = [NewEvent(stream, event, "x") for event in events]  # type: ignore[arg-type]
        log.append([Append(new)], 1)

    happens("job/a", started(POSTS), page(0, 1, cursor=None), handed_off(1))
    leaving = log.state.position + 1
    happens("tap", ReposLeaving("restless", True, 1, ids.pack([did(0)])), ReposLeft(leaving))
    happens("job/b", started(POSTS), page(0, 1, cursor=None), handed_off(1))
    assert repos.counts(db, ALL) == {Class.DISCOVERED: 1}
    check_zones(db)
    happens("tap", ReposReturned(leaving, "t"))
    for counter in (ALL, 1, log.state.jobs["b"].position):
        assert repos.counts(db, counter) == {Class.HANDED_OFF: 1}
    check_zones(db)
    db.close()


@settings(max_examples=30)
@given(st.data())
def test_after_every_step_and_restart_a_replay_elsewhere_gives_the_live_tables(
    data: st.DataObject,
) -> None:
    """`backfill-audit replay` beside a writer; the index of DIDs is written often here."""
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(numbers, "WAITING_MAX", 6):
        path = Path(folder) / "events.db"
        log, history = EventLog.open(path), History()
        for _ in range(data.draw(st.integers(1, 8))):
            history.position = log.state.position
            log.append([Append(history.draw(data))], 1_800_000_000_000_000)
            if data.draw(st.booleans()):
                log.close()
                log = EventLog.open(path)
                assert not log.rebuilt
            done = replay(path, ":memory:")
            assert done.differences == []
            assert (done.position, done.is_compared) == (log.state.position, True)
        log.close()
