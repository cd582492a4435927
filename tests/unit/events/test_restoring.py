"""After a restore it is known of which collections some is missing, until all is fetched anew."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from support.given import LIKES, POSTS, did, handed_off, page, started
from support.projected import Log

from backfilld_events.catalog import Event
from backfilld_events.catalog.index import IndexLost, IndexRestored
from backfilld_events.catalog.job import JobCompleted, JobStarted, ListedFrom
from backfilld_events.ids import Nsid
from backfilld_events.projections import restoring

MADE = 1.7e9
DONE = JobCompleted(1, 1, 0, [])


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """One of posts and likes, and a job that was under way at the backup."""
    log = Log(tmp_path / "events.db")
    with closing(log.log), closing(log.db):
        log.happens("job/a", started(POSTS, LIKES), page(0, 1, cursor=None), handed_off(1), DONE)
        log.happens("job/b", refetch(POSTS, LIKES), page(0, 1, cursor=None))
        assert lacking(log) == []
        log.happens("service", IndexRestored(MADE))
        assert lacking(log) == [POSTS, LIKES]
        yield log


def refetch(*nsids: Nsid) -> JobStarted:
    return replace(started(*nsids), mode="refetch")


def lacking(log: Log) -> list[Nsid]:
    return [nsid for nsid in (POSTS, LIKES) if restoring.since(log.db, [nsid]) == MADE]


def ended(log: Log, job: str, begun: Event, done: Event = DONE) -> list[Nsid]:
    log.happens(f"job/{job}", begun, page(0, 1, cursor=None), handed_off(1), done)
    return lacking(log)


def test_a_refetch_of_all_repositories_that_began_after_it_brings_what_is_missing(log: Log) -> None:
    assert ended(log, "c", refetch(POSTS)) == [LIKES]
    assert restoring.since(log.db, [POSTS, LIKES]) == MADE, "one of them is enough"
    assert ended(log, "d", refetch(POSTS, LIKES)) == []
    assert restoring.since(log.db, [POSTS, LIKES]) is None


def test_what_does_not_fetch_all_of_them_anew_brings_it_not(log: Log) -> None:
    log.happens("job/b", handed_off(1), DONE)
    assert lacking(log) == [POSTS, LIKES], "it may have had some fetched before"
    assert ended(log, "c", started(POSTS, LIKES)) == [POSTS, LIKES]
    assert ended(log, "d", replace(refetch(POSTS), asked_did=did(0), given=True)) == [POSTS, LIKES]
    looks = replace(refetch(POSTS, LIKES), listed_from=ListedFrom("https://relay.test", "7"))
    assert ended(log, "f", looks) == [POSTS, LIKES]
    unlisted = replace(DONE, failed_listings=[POSTS])
    assert ended(log, "e", refetch(POSTS, LIKES), unlisted) == [POSTS]


def test_restored_once_more_before_that_the_older_backup_counts(log: Log) -> None:
    log.happens("job/c", refetch(POSTS), page(0, 1, cursor=None), handed_off(1))
    log.happens("service", IndexRestored(MADE + 60))
    log.happens("job/c", DONE)
    assert lacking(log) == [POSTS, LIKES], "it began before the second"


def test_with_a_new_index_all_is_fetched_anew_in_any_case(log: Log) -> None:
    log.happens("index", IndexLost(0, "the disk"))
    assert lacking(log) == []
