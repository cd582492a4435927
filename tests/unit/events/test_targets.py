"""Who lacks a collection: what Tap was given before it fetched that collection, and nobody else."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from support.given import LIKES, POSTS, did, handed_off, page, started

from backfilld_events import ids
from backfilld_events.catalog import Event
from backfilld_events.catalog.child import ChildStarted
from backfilld_events.catalog.job import Mode
from backfilld_events.catalog.source import Observation, ReposObserved
from backfilld_events.eventlog import EventLog
from backfilld_events.ids import Nsid, Rev
from backfilld_events.log.append import Append
from backfilld_events.log.file import open_writer
from backfilld_events.projections import repos, targets
from backfilld_events.projections.classes import Class, Need
from backfilld_events.row import NewEvent


class Story:
    """A log to which things happen."""

    def __init__(self, path: Path) -> None:
        self.db = open_writer(path, "backfilld_events.log")
        self.log = EventLog(self.db)

    def happens(self, stream: str, *events: Event) -> None:
        self.log.append([Append([NewEvent(stream, event, "x") for event in events])], 1_000_000)

    def begins(self, job: str, nsid: Nsid, *found: int, mode: Mode = "auto") -> None:
        self.happens(f"job/{job}", replace(started(nsid), mode=mode))
        self.finds(job, nsid, *found)

    def finds(self, job: str, nsid: Nsid, *found: int) -> None:
        packed = ids.pack([did(n) for n in found])
        self.happens(f"job/{job}", replace(page(0, len(found), None, nsid), dids=packed))

    def hands_over(self, job: str, n: int) -> None:
        self.happens(f"job/{job}", handed_off(n))

    def tap_has(self, *some: int) -> None:
        rev = Rev("3aaaaaaaaaaa2")
        seen = [Observation(ids.pack_one(did(n)), "active", "", rev, 0) for n in some]
        self.happens("tap", ReposObserved("t", True, seen))

    def lacking(self) -> list[str]:
        return [one.did for one in repos.needy(self.db, Need.LACKS, 1e12, 99)]

    def of(self, nsid: Nsid) -> dict[Class, int]:
        (counter,) = targets.counters(self.db, [nsid])
        return repos.counts(self.db, counter)


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    story = Story(tmp_path / "events.db")
    with closing(story.db):
        yield story


def test_what_tap_had_before_a_collection_was_asked_for_lacks_it(story: Story) -> None:
    story.begins("a", POSTS, 0, 1)
    story.hands_over("a", 2)
    story.tap_has(0, 1)
    story.begins("b", LIKES, 1, 2)
    assert story.lacking() == [did(1)]
    assert story.of(LIKES) == {Class.HELD: 1, Class.DISCOVERED: 1}
    assert story.of(POSTS) == {Class.EMPTY: 2}, "for the first one nothing has changed"


def test_what_was_handed_over_after_a_collection_was_asked_for_has_it(story: Story) -> None:
    story.happens("job/b", started(LIKES))
    story.begins("a", POSTS, 0)
    story.hands_over("a", 1)
    story.tap_has(0)
    story.finds("b", LIKES, 0)
    assert story.lacking() == []
    assert story.of(LIKES) == {Class.EMPTY: 1}


def test_a_tap_that_we_run_has_a_collection_from_the_start_that_has_it_in_the_filter(
    story: Story,
) -> None:
    """Between the lexicon and that start it fetches without."""
    story.happens("tap-child", ChildStarted(["tap"], [POSTS]))
    story.happens("job/b", replace(started(LIKES), mode="auto"))
    story.begins("a", POSTS, 0, 1)
    story.hands_over("a", 1)
    story.happens("tap-child", ChildStarted(["tap"], [LIKES, POSTS]))
    story.tap_has(0)
    story.finds("b", LIKES, 0, 1)
    assert story.lacking() == [did(0)], "it was handed over before"
    story.happens("tap-child", ChildStarted(["tap"], [LIKES, POSTS]))
    story.begins("c", LIKES, 0, 1)
    assert story.lacking() == [did(0)], "started again with the same filter it is as before"


def test_mode_add_leaves_it_as_it_is_and_a_later_job_may_want_more(story: Story) -> None:
    story.begins("a", POSTS, 0)
    story.hands_over("a", 1)
    story.tap_has(0)
    story.begins("b", LIKES, 0, mode="add")
    assert story.of(LIKES) == {Class.HELD: 1}
    assert story.lacking() == []
    story.begins("c", LIKES, 0, mode="auto")
    assert story.lacking() == [did(0)]


def test_mode_refetch_wants_all_that_tap_has_anew(story: Story) -> None:
    story.begins("a", POSTS, 0, 1)
    story.hands_over("a", 1)
    story.tap_has(0)
    story.begins("b", POSTS, 0, 1, mode="refetch")
    assert story.lacking() == [did(0)], "the other one is fetched for the first time"
    assert story.of(POSTS)[Class.EMPTY] == 1, "the collection is here all the same"
