"""After a refetch ghosts are looked for, unless the numbers tell for sure that there are none."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.given import POSTS, did, handed_off, page, started
from support.projected import Log

from backfilld_events.catalog.index import RecordsCommitted, Tally
from backfilld_events.ids import Rev, pack_one
from backfilld_events.projections.classes import Need

REV = Rev("3aaaaaaaaaaa2")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """One with a repository of three rows, of which Tap counts two: it was fetched anew."""
    log = Log(tmp_path / "events.db")
    with closing(log.log), closing(log.db):
        log.happens("job/a", started(POSTS), page(0, 1, cursor=None), handed_off(1))
        log.came(1, 3)
        log.answers("active", rev=REV)
        log.fetched_anew(0, why="lacks")
        yield log


def came(
    log: Log, receipt: int, *, unchanged: int = 0, inserted: int = 0, deleted: int = 0
) -> None:
    one = Tally(pack_one(did(0)), 0, inserted, unchanged=unchanged, deleted=deleted)
    log.happens("index", RecordsCommitted(receipt, receipt, [POSTS], [one], [], 0))


def test_rows_that_did_not_come_are_looked_at(log: Log) -> None:
    log.answers("active", records=2, rev=REV, drained=False)
    came(log, 2, unchanged=2)
    assert log.needy(Need.SWEEP) == [did(0)]


def test_where_all_is_here_and_no_other_nothing_is(log: Log) -> None:
    came(log, 2, unchanged=3)
    log.answers("active", records=3, rev=REV)
    assert log.needy(Need.SWEEP) == []


def test_what_tap_had_sent_before_the_refetch_does_not_pass_for_what_came_by_it(log: Log) -> None:
    """As many as the refetch will bring; one of them was deleted since, and another is to come."""
    came(log, 2, unchanged=3)
    log.answers("active", records=3, rev=REV, drained=False)
    assert log.needy(Need.SWEEP) == [did(0)]
    came(log, 3, unchanged=2, inserted=1)
    assert log.needy(Need.SWEEP) == [did(0)]
    log.answers("active", records=3, rev=REV)
    assert log.needy(Need.SWEEP) == [did(0)], "four are here"


@pytest.mark.parametrize("first", ["Tap's answer", "what it sent"])
def test_a_deletion_after_tap_counted_does_not_let_a_ghost_make_up_the_number(
    log: Log, first: str
) -> None:
    """Two were fetched and one was created, which makes three; then one was deleted. Two of the
    three that are here come from Tap."""
    if first == "what it sent":
        came(log, 2, unchanged=2, inserted=1, deleted=1)
        log.answers("active", records=3, rev=REV)
    else:
        log.answers("active", records=3, rev=REV, drained=False)
        came(log, 2, unchanged=2, inserted=1, deleted=1)
    assert log.needy(Need.SWEEP) == [did(0)]
    came(log, 3, inserted=1, deleted=1)
    log.answers("active", records=3, rev=REV)
    assert log.needy(Need.SWEEP) == [did(0)], "until the rows were looked at"


def test_a_deletion_before_the_refetch_is_of_no_matter(log: Log) -> None:
    came(log, 2, deleted=1)
    log.fetched_anew(0, why="lacks")
    came(log, 3, unchanged=2)
    log.answers("active", records=2, rev=REV)
    assert log.needy(Need.SWEEP) == []
