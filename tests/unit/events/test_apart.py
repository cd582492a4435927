"""What a comparison with the servers found is kept, collection by collection, until the repository
is fetched anew or a later comparison finds it in order; it is mended only where that was asked for.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.given import LIKES, POSTS, did, handed_off, page, started

from backfilld_events import ids
from backfilld_events.catalog import Event
from backfilld_events.catalog.index import RowsRecounted
from backfilld_events.catalog.reconcile import (
    Difference,
    ReconcileAsked,
    ReconcileEnded,
    ReposCompared,
)
from backfilld_events.catalog.source import (
    Observation,
    ReposLeaving,
    ReposLeft,
    ReposObserved,
    ReposReturned,
)
from backfilld_events.eventlog import EventLog
from backfilld_events.ids import Nsid, Rev
from backfilld_events.log.append import Append
from backfilld_events.log.file import open_writer
from backfilld_events.projections import listing, repos
from backfilld_events.projections.classes import Class, Need
from backfilld_events.projections.tally import ALL
from backfilld_events.row import NewEvent

REV = Rev("3aaaaaaaaaaa2")
KEY = ids.pack_one(did(0))


class Story:
    """A log of one repository that Tap has, to which things happen."""

    def __init__(self, path: Path) -> None:
        self.db = open_writer(path, "backfilld_events.log")
        self.log, self.runs = EventLog(self.db), 0
        self.happens("job/a", started(POSTS), page(0, 1, None), handed_off(1))
        self.tap_answers()

    def happens(self, stream: str, *events: Event) -> int:
        self.log.append([Append([NewEvent(stream, event, "x") for event in events])], 1_000_000)
        return self.log.state.position

    def tap_answers(self, records: int = 0) -> None:
        seen = [Observation(KEY, "active", "", REV, records)]
        self.happens("tap", ReposObserved("t", True, seen))

    def compared(self, *collections: Nsid, differs: bool, repair: bool = False) -> None:
        """In these collections; if it differs, in the first of them."""
        self.runs += 1
        found = [Difference(KEY, collections[0], 2, 0, 1, ["-a"], 0, REV, None)] if differs else []
        again = ids.pack([] if differs else [did(0)])
        self.happens(
            f"reconcile/{self.runs}",
            ReconcileAsked("all", [*collections], "list", None, b"", None, repair),
            ReposCompared(1, 1, 0, found, [], again),
        )

    @property
    def differs(self) -> str | None:
        """As everybody is told, and the coverage counts."""
        (one,) = listing.page(self.db, ALL, [*Class], 0, 9)
        assert listing.differ(self.db, ALL, 9) == (one.differs is not None)
        return one.differs

    @property
    def to_mend(self) -> bool:
        return bool(repos.needy(self.db, Need.DIFFERS, 1e12, 9))


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    story = Story(tmp_path / "events.db")
    with closing(story.db):
        yield story


def test_what_differs_is_said_in_numbers_and_nothing_is_done_unless_it_was_asked_for(
    story: Story,
) -> None:
    story.compared(POSTS, differs=True)
    assert story.differs == (
        f"compared with its server, {POSTS} has 2 missing here, 1 of another version"
    )
    assert not story.to_mend
    story.compared(POSTS, differs=True, repair=True)
    assert story.to_mend
    story.compared(POSTS, differs=True)
    assert story.to_mend, "to ask once more takes nothing back"


def test_each_comparison_speaks_of_its_own_collections(story: Story) -> None:
    story.compared(POSTS, differs=True, repair=True)
    story.compared(LIKES, differs=True)
    assert story.differs is not None
    assert story.differs.count("2 missing") == 2
    story.compared(LIKES, differs=False)
    assert story.differs.count("2 missing") == 1
    assert story.to_mend
    story.compared(LIKES, POSTS, differs=False)
    assert (story.differs, story.to_mend) == (None, False)


def test_what_tap_counts_does_not_make_a_comparison_unsaid(story: Story) -> None:
    story.compared(POSTS, differs=True, repair=True)
    story.tap_answers()
    story.tap_answers()
    assert story.differs is not None
    assert story.to_mend


def test_once_it_was_fetched_anew_nothing_is_said_until_it_is_compared_again(
    story: Story,
) -> None:
    story.compared(POSTS, differs=True, repair=True)
    at = story.happens("tap", ReposLeaving("differs", True, 1, ids.pack([did(0)])))
    story.happens("tap", ReposLeft(at), ReposReturned(at, "t"))
    assert (story.differs, story.to_mend) == (None, False)


def test_what_was_broken_off_is_over(story: Story) -> None:
    asked = ReconcileAsked("all", [POSTS], "list", None, b"", None, True)
    late = ReposCompared(1, 1, 0, [Difference(KEY, POSTS, 1, 0, 0, [], 0, REV, None)], [], b"")
    story.happens("reconcile/x", asked, ReconcileEnded("x", 0, 0, 0, {}, []), late)
    assert (story.differs, story.to_mend) == (None, False)


def test_a_recount_is_believed_over_all_receipts(story: Story) -> None:
    story.happens("index", RowsRecounted(1, KEY, REV, [(LIKES, 3, 0), (POSTS, 2, 1)]))
    (one,) = listing.page(story.db, ALL, [Class.SYNCED], 0, 9)
    assert one.live == 5


def test_those_that_differ_are_found_by_their_index(story: Story) -> None:
    query = (
        "SELECT id, class FROM seen JOIN repo ON id = repo"
        " WHERE (differs IS NOT NULL OR apart IS NOT NULL) AND repo > 0 ORDER BY repo LIMIT 9"
    )
    plan = str([row[3] for row in story.db.execute(f"EXPLAIN QUERY PLAN {query}")])
    assert "seen_differs" in plan
    assert "TEMP" not in plan
