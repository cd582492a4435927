"""A look for new repositories counts those alone, so that no look makes later work dearer; what a
cancelled job never handed over is not waited for."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from support.given import LIKES, POSTS, did, dids, handed_off, page, started

from backfilld_events import ids
from backfilld_events.catalog import Event
from backfilld_events.catalog.index import RecordsCommitted, Tally
from backfilld_events.catalog.job import JobCancelAsked, JobCancelled, JobCompleted
from backfilld_events.catalog.source import Observation, ReposObserved
from backfilld_events.eventlog import EventLog
from backfilld_events.folds.job import SCHEDULE
from backfilld_events.ids import Nsid
from backfilld_events.log.append import Append
from backfilld_events.log.file import open_writer
from backfilld_events.projections import history, repos
from backfilld_events.projections.classes import Class
from backfilld_events.row import NewEvent


class Story:
    """A log to which things happen; jobs have names."""

    def __init__(self, path: Path) -> None:
        self.db = open_writer(path, "backfilld_events.log")
        self.log = EventLog(self.db)
        self.numbers: dict[str, int] = {}

    def happens(self, stream: str, *events: Event, actor: str = "uid:1") -> None:
        self.log.append([Append([NewEvent(stream, event, actor) for event in events])], 1)

    def begins(self, name: str, nsid: Nsid, *found: int, actor: str = "uid:1") -> None:
        """A job of that name, and the one page that it lists."""
        self.happens(f"job/{name}", started(nsid), actor=actor)
        self.numbers[name] = self.log.state.jobs[name].position
        packed = ids.pack([did(n) for n in found])
        listed = replace(page(0, len(found), None, nsid), dids=packed)
        self.happens(f"job/{name}", listed, actor="system")

    def ends(self, name: str, n: int) -> None:
        self.happens(f"job/{name}", handed_off(n), JobCompleted(n, n, 0, []), actor="system")

    def cancelled(self, name: str, n: int, handed: int) -> None:
        if handed:
            self.happens(f"job/{name}", handed_off(handed), actor="system")
        self.happens(f"job/{name}", JobCancelAsked(""), JobCancelled(n, handed))

    def job(self, name: str, nsid: Nsid, *found: int, actor: str = "uid:1") -> None:
        """A job from its start to its end."""
        self.begins(name, nsid, *found, actor=actor)
        self.ends(name, len(found))

    def tap_has(self, *some: int, state: str = "active") -> None:
        seen = [Observation(ids.pack_one(did(n)), state, "", None, 0) for n in some]
        self.happens("tap", ReposObserved("t", True, seen), actor="system")

    def counts(self, name: str) -> dict[Class, int]:
        return repos.counts(self.db, self.numbers[name])

    def records(self, name: str) -> int:
        (n,) = self.db.execute(
            "SELECT records FROM job WHERE number = ?", (self.numbers[name],)
        ).fetchone()
        return int(n)

    def members(self) -> int:
        (n,) = self.db.execute("SELECT count(*) FROM member WHERE job > 0").fetchone()
        return int(n)


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    story = Story(tmp_path / "events.db")
    with closing(story.db):
        yield story


def test_work_for_a_receipt_does_not_grow_with_the_number_of_looks(story: Story) -> None:
    story.job("first", POSTS, *range(9))
    for n in range(20):
        story.job(f"look{n}", POSTS, *range(9 + n), actor=SCHEDULE)
    assert story.members() == 0
    tallies = [Tally(ids.pack_one(one), 0, inserted=1) for one in dids(0, 9)]
    story.happens("index", RecordsCommitted(1, 1, [POSTS], tallies, [], 0))
    assert story.records("first") == 9
    assert story.records("look9") == 0


def test_a_look_counts_what_it_found_new_and_nothing_else(story: Story) -> None:
    story.job("first", POSTS, 0, 1)
    story.begins("look", POSTS, 0, 1, 2, 3, 2, actor=SCHEDULE)
    assert story.log.state.jobs["look"].discovered == 5, "every entry is in the log, and goes over"
    assert story.counts("look") == {Class.DISCOVERED: 2}
    story.ends("look", 5)
    assert story.counts("look") == {Class.HANDED_OFF: 2}
    assert story.counts("first") == {Class.HANDED_OFF: 2}


def test_what_only_a_job_of_another_collection_found_is_new_to_a_look_once(story: Story) -> None:
    story.job("first", POSTS, 0, 1)
    story.tap_has(0, 1)
    story.job("likes", LIKES, 5)
    story.job("look", LIKES, 0, 5, actor=SCHEDULE)
    assert story.counts("look") == {Class.HELD: 1}
    story.job("again", LIKES, 0, 5, actor=SCHEDULE)
    assert story.counts("again") == {}
    assert story.members() == 1


def test_what_a_cancelled_job_never_handed_over_is_new_to_the_look_that_does(story: Story) -> None:
    story.begins("first", POSTS, 0, 1, 2)
    story.cancelled("first", 3, handed=1)
    story.job("look", POSTS, 0, 1, 2, actor=SCHEDULE)
    assert story.counts("look") == {Class.HANDED_OFF: 2}
    story.job("again", POSTS, 0, 1, 2, actor=SCHEDULE)
    assert story.counts("again") == {}


def test_a_look_says_nothing_of_how_many_hold_the_collection(story: Story) -> None:
    story.job("first", POSTS, 0, 1)
    story.job("look", POSTS, 0, 1, 2, actor=SCHEDULE)
    assert [job.id for job in history.listed(story.db, [POSTS], 9)] == ["first"]


def test_what_a_cancelled_job_never_handed_over_is_not_waited_for_though_tap_had_it(
    story: Story,
) -> None:
    story.job("first", POSTS, 0, 1, 2, 3)
    story.tap_has(0, 1, 2, 3)
    story.begins("second", LIKES, 0, 1, 2, 3, 4)
    assert story.counts("second") == {Class.HELD: 4, Class.DISCOVERED: 1}
    story.cancelled("second", 5, handed=1)
    assert story.counts("second") == {Class.HELD: 1, Class.DISCOVERED: 4}


def test_what_a_cancelled_job_never_handed_over_stays_out_of_it_and_is_held_for_the_next(
    story: Story,
) -> None:
    story.job("first", POSTS, 0)
    story.tap_has(0)
    story.begins("second", LIKES, 0)
    story.cancelled("second", 1, handed=0)
    story.job("third", LIKES, 0)
    assert story.counts("third") == {Class.HELD: 1}, "nobody has asked for its likes before"
    story.tap_has(0, state="unknown")
    story.job("fourth", LIKES, 0)
    assert story.counts("third") == story.counts("fourth") == {Class.HANDED_OFF: 1}
    assert story.counts("second") == {Class.DISCOVERED: 1}
