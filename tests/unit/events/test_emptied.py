"""What is said of repositories when records of them were removed from the index: what was removed
is not waited for, and never passes for what a later job asked for."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
from support.given import LIKES, POSTS, did, handed_off, page, started

from backfilld_events.catalog import Event
from backfilld_events.catalog.index import (
    RecordsCommitted,
    RecordsRemoved,
    RemovalAsked,
    Removed,
    Tally,
)
from backfilld_events.catalog.source import Observation, ReposObserved
from backfilld_events.eventlog import EventLog
from backfilld_events.ids import Nsid, Rev, pack_one
from backfilld_events.log.append import Append
from backfilld_events.log.file import open_writer
from backfilld_events.projections import repos
from backfilld_events.projections.classes import Ask, Class
from backfilld_events.row import NewEvent

REPO: Final = pack_one(did(0))


class Story:
    """One repository, and what happens to it."""

    def __init__(self, path: Path) -> None:
        self.db = open_writer(path, "backfilld_events.log")
        self.log, self.receipts = EventLog(self.db), 0

    def happens(self, stream: str, *events: Event) -> None:
        self.log.append([Append([NewEvent(stream, event, "x") for event in events])], 1)

    def asks(self, job: str, collection: Nsid = POSTS) -> None:
        """A job finds the repository."""
        self.happens(f"job/{job}", started(collection), page(0, 1, None, collection))

    def is_handed_off(self, job: str) -> None:
        self.happens(f"job/{job}", handed_off(1))

    def backfills(self, job: str, collection: Nsid = POSTS) -> None:
        self.asks(job, collection)
        self.is_handed_off(job)

    def came(self, count: int) -> None:
        self.receipts += 1
        tally = Tally(REPO, 0, inserted=count)
        self.happens(
            "index", RecordsCommitted(self.receipts, self.receipts, [POSTS], [tally], [], 0)
        )

    def removal_asked(self, collection: Nsid = POSTS) -> None:
        self.happens("removal/r", RemovalAsked("r", collection, 99))

    def removed(self, count: int, uri: str | None = None, collection: Nsid = POSTS) -> None:
        self.receipts += 1
        who = [Removed(REPO, count)]
        self.happens("index", RecordsRemoved(self.receipts, collection, uri, "r", True, who))

    def tap_says(self, state: str, records: int = 0, *, drained: bool = False) -> None:
        rev = Rev("3aaaaaaaaaaa2") if state == "active" else None
        seen = Observation(REPO, state, "", rev, records)
        self.happens("tap", ReposObserved("t", drained, [seen]))

    def stands(self, job: str) -> Class:
        """The class in which the job counts it."""
        (kind,) = repos.counts(self.db, self.log.state.jobs[job].position)
        return kind

    @property
    def asked_about(self) -> bool:
        return any(repos.due(self.db, ask, 1e9, 9) for ask in Ask)


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    story = Story(tmp_path / "events.db")
    with closing(story.db):
        yield story


@pytest.fixture
def emptied(story: Story) -> Story:
    """All three of its records came, all was settled, and then the collection was removed."""
    story.backfills("a")
    story.came(3)
    story.tap_says("active", 3, drained=True)
    story.removal_asked()
    story.removed(3)
    assert story.stands("a") == Class.EMPTY
    assert not story.asked_about
    return story


def test_a_job_after_the_removal_is_not_synced_by_what_was_removed(emptied: Story) -> None:
    emptied.backfills("b")
    assert emptied.stands("b") == Class.HELD
    assert emptied.asked_about
    emptied.tap_says("active", 3, drained=True)
    assert emptied.stands("b") == Class.HELD, "Tap sends nothing again for a repository it has"
    assert emptied.stands("a") == Class.EMPTY


@pytest.mark.parametrize("state", ["pending", "resyncing", "error"])
def test_what_tap_was_given_anew_is_waited_for_until_it_has_come(
    emptied: Story, state: str
) -> None:
    emptied.backfills("b")
    emptied.tap_says(state)
    waiting = Class.FAILED if state == "error" else Class.HANDED_OFF
    assert emptied.stands("a") == emptied.stands("b") == waiting
    emptied.came(1)
    emptied.tap_says("active", 3)
    assert emptied.stands("b") == Class.ARRIVING
    emptied.came(2)
    assert emptied.stands("b") == Class.SYNCED
    emptied.backfills("c")
    assert emptied.stands("c") == Class.SYNCED, "a job has asked since"


def test_what_tap_does_not_know_any_more_begins_anew_when_it_is_handed_off(
    emptied: Story,
) -> None:
    emptied.asks("b")
    emptied.tap_says("unknown")
    assert emptied.stands("b") == Class.FAILED
    emptied.is_handed_off("b")
    assert emptied.stands("b") == Class.HANDED_OFF
    emptied.came(3)
    emptied.tap_says("active", 3)
    assert emptied.stands("b") == Class.SYNCED


@pytest.mark.parametrize("first", ["news", "answer"])
def test_as_many_new_records_as_were_removed_do_not_pass_for_them(
    emptied: Story, first: str
) -> None:
    emptied.backfills("b")
    if first == "news":
        emptied.came(3)
    emptied.tap_says("active", 6, drained=True)
    if first == "answer":
        emptied.came(3)
    assert emptied.stands("b") == Class.HELD


def test_a_repository_that_was_desynchronized_is_not_sent_whole(emptied: Story) -> None:
    emptied.backfills("b")
    seen = Observation(REPO, "resyncing", "", Rev("3aaaaaaaaaaa2"), 3)
    emptied.happens("tap", ReposObserved("t", False, [seen]))
    emptied.tap_says("active", 3, drained=True)
    assert emptied.stands("b") == Class.HELD


def test_a_job_that_begins_while_the_removal_is_under_way_is_not_synced_either(
    story: Story,
) -> None:
    story.backfills("a")
    story.came(3)
    story.tap_says("active", 3)
    story.removal_asked()
    story.backfills("b")
    story.removed(3)
    assert story.stands("b") == Class.HELD


def test_jobs_for_other_collections_are_as_before(story: Story) -> None:
    story.happens("job/a", started(POSTS, LIKES), page(0, 1, None))
    story.is_handed_off("a")
    story.came(3)
    story.tap_says("active", 3)
    story.removal_asked()
    story.removed(3)
    story.backfills("b", LIKES)
    assert story.stands("b") == Class.EMPTY
    story.backfills("c", POSTS)
    assert story.stands("c") == Class.HELD


def test_one_record_that_was_taken_out_holds_no_later_job(story: Story) -> None:
    story.backfills("a")
    story.came(3)
    story.tap_says("active", 3)
    story.removed(1, uri=f"at://{did(0)}/{POSTS}/a")
    story.backfills("b")
    assert story.stands("b") == Class.SYNCED


def test_what_is_held_for_records_never_asked_for_is_not_freed_by_others(emptied: Story) -> None:
    emptied.backfills("b", LIKES)
    emptied.came(3)
    emptied.tap_says("active", 3, drained=True)
    assert emptied.stands("b") == Class.HELD


@pytest.mark.parametrize("seen", ["before", "after", "last"])
def test_what_was_removed_while_the_rest_still_came_is_not_waited_for(
    story: Story, seen: str
) -> None:
    story.backfills("a")
    story.came(6)
    if seen == "before":
        story.tap_says("active", 10)
    story.removal_asked()
    story.removed(6)
    if seen == "after":
        story.tap_says("active", 10)
    story.came(3)
    assert story.stands("a") == Class.ARRIVING
    story.came(1)
    if seen == "last":
        story.tap_says("active", 10)
    assert story.stands("a") == Class.SYNCED
