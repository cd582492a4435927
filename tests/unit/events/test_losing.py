"""After the index is lost all that Tap had sent is waited for, until it is here once more."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from support.given import POSTS, did, handed_off, page, started
from support.projected import Log
from support.tampering import tampered

from backfilld_events import ids
from backfilld_events.catalog.index import (
    Account,
    IndexLost,
    RecordsCommitted,
    RecordsRemoved,
    RemovalAsked,
    Removed,
)
from backfilld_events.catalog.reconcile import Difference, ReconcileAsked, ReposCompared
from backfilld_events.catalog.source import (
    ReposLeaving,
    ReposLeft,
    ReposReturned,
)
from backfilld_events.eventlog import EventLog
from backfilld_events.ids import Rev, pack_one
from backfilld_events.projections import jobs, listing, repos, targets
from backfilld_events.projections.classes import Class, Need
from backfilld_events.projections.tally import ALL

LOST = IndexLost(1, "the disk")
OLD, NEW = Rev("3aaaaaaaaaaa2"), Rev("3aaaaaaaaaab2")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """One whose job has handed over three repositories, each with three records here."""
    log = Log(tmp_path / "events.db")
    log.happens("job/a", started(POSTS), page(0, 3, cursor=None), handed_off(3))
    log.came(1, 3, 3, 3)
    assert log.answers("active", "active", "active", rev=OLD) == {Class.SYNCED: 3}
    yield log
    log.db.close()
    log.log.close()


def test_what_tap_has_sent_is_waited_for_until_tap_has_sent_it_anew(log: Log) -> None:
    assert log.happens("index", LOST) == {Class.HELD: 3}
    assert repos.counts(log.db, 1) == {Class.HELD: 3}
    assert log.needy(Need.LOST) == [did(0), did(1), did(2)]
    assert repos.unsettled(log.db) == 0, "Tap has no work with them: there is room to fetch them"
    assert repos.expected(log.db) == 3
    assert log.answers("active", rev=NEW) == {Class.HELD: 3}, "it says so of what it sent before"
    log.fetched_anew(0, 1)
    assert repos.counts(log.db, ALL) == {Class.HANDED_OFF: 2, Class.HELD: 1}
    assert log.needy(Need.LOST) == [did(2)]
    log.came(1, 3, 3)
    assert log.answers("active", "active", rev=NEW) == {Class.SYNCED: 2, Class.HELD: 1}


def test_what_comes_live_meanwhile_makes_nothing_whole(log: Log) -> None:
    log.happens("index", LOST)
    assert log.came(1, 3, 3, 3) == {Class.HELD: 3}
    assert log.answers("active", "active", "active", rev=NEW) == {Class.HELD: 3}
    assert listing.differ(log.db, ALL, 9) == 0


def test_what_tap_has_still_to_fetch_is_fetched_once(tmp_path: Path) -> None:
    with closing(EventLog.open(tmp_path / "events.db")):
        log = Log(tmp_path / "events.db")
    log.happens("job/a", started(POSTS), page(0, 3, cursor=None), handed_off(3))
    log.answers("pending")
    assert log.happens("index", replace(LOST, receipts=0)) == {Class.HANDED_OFF: 3}
    log.answers("pending", "active", "resyncing", records=0)
    assert repos.counts(log.db, ALL) == {Class.HANDED_OFF: 2, Class.HELD: 1}
    assert log.answers("active", records=0)[Class.EMPTY] == 1
    log.answers("active", "active", "active", records=0)
    assert log.needy(Need.LOST) == [did(1), did(2)], "some of those may have come before"


def test_what_fails_and_what_is_gone_stays_so_until_it_is_back(log: Log) -> None:
    gone = Account(pack_one(did(1)), "deactivated", "h.test")
    log.happens("index", RecordsCommitted(2, 2, [POSTS], [], [gone], 0))
    log.answers("error")
    assert log.happens("index", replace(LOST, receipts=2)) == {
        Class.FAILED: 1, Class.GONE: 1, Class.HELD: 1
    }  # fmt: skip
    assert log.needy(Need.LOST) == [did(2)]
    log.answers("active", "active", "active", rev=NEW)
    assert log.needy(Need.LOST) == [did(0), did(2)], "Tap sends only what it had not before"
    back = Account(pack_one(did(1)), "active", "h.test")
    log.happens("index", RecordsCommitted(1, 1, [POSTS], [], [back], 0))
    assert set(log.needy(Need.LOST)) == {did(0), did(1), did(2)}
    assert repos.counts(log.db, ALL) == {Class.HELD: 3}


def test_what_was_out_of_tap_at_that_moment_needs_nothing_more(log: Log) -> None:
    leaving = log.log.state.position + 1
    dids = ids.pack([did(0)])
    log.happens("tap", ReposLeaving("differs", True, 1, dids), ReposLeft(leaving))
    assert log.happens("index", LOST) == {Class.DISCOVERED: 1, Class.HELD: 2}
    assert log.happens("tap", ReposReturned(leaving, "t")) == {Class.HANDED_OFF: 1, Class.HELD: 2}
    assert log.needy(Need.LOST) == [did(1), did(2)]


def test_what_was_known_of_rows_that_are_gone_is_forgotten(log: Log) -> None:
    log.happens("removal/r", RemovalAsked("r", POSTS, 9))
    taken = [Removed(pack_one(did(0)), 2)]
    log.happens("index", RecordsRemoved(2, POSTS, None, "r", False, taken))
    run = ReconcileAsked("all", [POSTS], "list", None, b"", None, True)
    one = Difference(pack_one(did(1)), POSTS, 1, 0, 2, ["-a"], 0, OLD, None)
    log.happens("reconcile/1", run, ReposCompared(1, 9, 4, [one], [], ids.pack([])))
    assert (listing.differ(log.db, ALL, 9), log.needy(Need.DIFFERS)) == (1, [did(1)])
    log.happens("index", replace(LOST, receipts=2))
    assert (listing.differ(log.db, ALL, 9), log.needy(Need.DIFFERS)) == (0, [])
    assert log.log.state.source.removals == {}
    shown, _ = listing.one(log.db, 1)
    assert (shown.live, shown.removed, shown.aside) == (0, 0, 0)
    log.came(1, 1)
    log.happens("job/b", started(POSTS), page(0, 3, None))
    held = log.db.execute("SELECT sum(held) FROM repo").fetchone()
    assert held == (0,), "the removal went with the index"


def test_sums_of_all_that_ever_came_go_on_and_a_jobs_records_begin_anew(log: Log) -> None:
    log.happens("index", LOST)
    assert jobs.find(log.db, "a")[0][1] == 0
    log.came(1, 1, 2)
    assert jobs.find(log.db, "a")[0][1] == 3
    (inserted,) = log.db.execute("SELECT inserted FROM delivered").fetchone()
    assert inserted == 12
    assert targets.silent(log.db) == frozenset()


def test_whoever_waits_for_a_replay_hears_that_it_goes_on(log: Log) -> None:
    log.happens("index", LOST)
    told: list[int] = []
    tampered(log.path, "DROP TABLE lost")
    with closing(EventLog.open(log.path, told.append)) as again:
        assert again.rebuilt
    assert told == [log.log.state.position]
