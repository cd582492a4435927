"""Behind every number stand the repositories it counts, and each tells its whole history."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.given import LIKES, NOON, POSTS, RELAY, TAP, did, dids, handed_off, page, started

from backfilld.backfill.plan import Limits
from backfilld.backfill.standing import Scene
from backfilld.control import covered
from backfilld.control.views import Views, account, errors, repos
from backfilld.control.views.coverage import Of
from backfilld.control.views.errors import Place
from backfilld.records.sqlite import SqliteStore
from backfilld.worker import InlineWorker
from backfilld_events import ids
from backfilld_events.catalog import Event
from backfilld_events.catalog.index import RecordsCommitted, Tally
from backfilld_events.catalog.job import (
    DidsGiven,
    JobCancelAsked,
    JobCancelled,
    JobCompleted,
    JobStarted,
    ListingFailed,
)
from backfilld_events.catalog.source import (
    Differing,
    Observation,
    ReposDiffer,
    ReposLeaving,
    ReposLeft,
    ReposObserved,
    ReposReturned,
)
from backfilld_events.eventlog import EventLog
from backfilld_events.faults import Fault
from backfilld_events.ids import Did, Nsid, Rev, pack_one
from backfilld_events.log.append import Append
from backfilld_events.row import NewEvent

REV = Rev("3jzfcijpj2z2a")
TIMEOUT = "failed to get repo: context deadline exceeded"
LARGE = "failed to get repo: response body too large"
WEB = Did("did:web:long-enough.example")
STREAMS = {
    "ReposObserved": "tap", "ReposDiffer": "tap", "ReposLeaving": "tap", "ReposLeft": "tap",
    "ReposReturned": "tap", "RecordsCommitted": "index",
}  # fmt: skip


class Told:
    """A log, and what the views tell of it."""

    def __init__(self, log: EventLog, views: Views) -> None:
        self.log, self.views = log, views
        self.receipts = 0

    def happens(self, job: str, *events: Event, cause: int | None = None) -> int:
        """Events, in one append; the position of the last."""
        new = [
            NewEvent(STREAMS.get(type(one).__name__, f"job/{job}"), one, "system", cause)
            for one in events
        ]
        self.log.append([Append(new)], int(NOON * 1e6))
        return self.log.state.position

    def seen(self, *seen: tuple[Did, str, str, int], drained: bool = True) -> int:
        """Tap answered: (who, state, error, records)."""
        found = [
            Observation(pack_one(who), state, error, REV, records, 1, "pds.example")
            for who, state, error, records in seen
        ]
        return self.happens("", ReposObserved(TAP, drained, found))

    def committed(self, who: Did, count: int, nsid: Nsid = POSTS) -> int:
        self.receipts += 1
        tally = Tally(pack_one(who), 0, inserted=count)
        return self.happens(
            "", RecordsCommitted(self.receipts, self.receipts, [nsid], [tally], [], 0)
        )

    async def of(self, what: str) -> Of:
        nsid = await self.views.of_collection(Nsid(what)) if "." in what else None
        of = nsid or await self.views.of_job(what)
        assert of is not None
        return of

    async def behind(self, what: str, word: str, limit: int = 2) -> list[str]:
        """The DIDs behind a number, page by page."""
        wanted, of = covered.sought(word), await self.of(what)
        assert wanted is not None
        found: list[str] = []
        after: int | None = 0
        while after is not None:
            some, after = await self.views.behind(of, wanted, after, limit)
            assert len(some) <= limit
            found += [one.did for one in some]
        return found


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    monkeypatch.setattr(account, "AT_ONCE", 3)
    monkeypatch.setattr(repos, "PIECE", 3)
    monkeypatch.setattr(account, "PAGES_AT_ONCE", 1)
    SqliteStore.open(tmp_path / "records.db", 20).close()
    with closing(EventLog.open(tmp_path / "events.db")) as log:
        limits = Limits((), 1, 1, 1.0, 1, 1, 1)
        with closing(
            Views.open(
                tmp_path / "events.db", tmp_path / "records.db", InlineWorker(),
                lambda: Scene(limits),
            )
        ) as views:  # fmt: skip
            yield Told(log, views)


def whole(told: Told) -> None:
    """Eight repositories of one listing, in several classes."""
    told.happens("a", started(POSTS), page(0, 8, None), handed_off(7))
    told.seen(
        (did(0), "active", "", 2), (did(1), "active", "", 0), (did(2), "error", TIMEOUT, 0),
        (did(3), "error", LARGE, 0), (did(4), "desynchronized", "", 0),
        (did(5), "error", TIMEOUT, 0),
    )  # fmt: skip
    told.committed(did(0), 2)


async def test_each_repository_is_in_one_class_and_behind_its_number(told: Told) -> None:
    whole(told)
    for what in ("a", POSTS):
        found, as_of = await told.views.covered(await told.of(what))
        assert (found.total, found.unexplained, found.open) == (8, 0, 3)
        assert as_of.position == told.log.state.position
        listed: list[str] = []
        for kind, n in found.classes.items():
            behind = await told.behind(what, kind.name.lower())
            assert len(behind) == n
            listed += behind
        assert sorted(listed) == sorted(dids(0, 8))
        assert await told.behind(what, "failed:timeout") == [did(2), did(5)]
        assert sorted(await told.behind(what, "open")) == [did(4), did(6), did(7)]
        assert found.retry == (2, "a")


async def test_those_that_differ_are_counted_for_whoever_has_them_alone(told: Told) -> None:
    whole(told)
    told.happens("b", started(LIKES), page(0, 1, None, LIKES))
    told.happens("", ReposDiffer([Differing(pack_one(did(n)), "2 of 3", False) for n in (0, 1)]))
    assert await told.behind("a", "differing") == [did(0), did(1)]
    assert await told.behind(LIKES, "differing") == [did(0)]
    found, _ = await told.views.covered(await told.of(LIKES))
    assert found.differing == 1


async def test_those_that_differ_and_that_no_other_fetch_will_help_are_known(told: Told) -> None:
    whole(told)

    async def left() -> list[Did]:
        return await told.views.left_to_differ()

    def differ(n: int, *, mend: bool) -> None:
        told.happens("", ReposDiffer([Differing(pack_one(did(n)), "2 of 3", mend)]))

    assert await left() == []
    differ(0, mend=True)
    assert await left() == [], "it is fetched once more"
    differ(0, mend=False)
    differ(2, mend=False)
    assert await left() == [did(0)], "the other failed, and has its reason"
    told.happens("", ReposDiffer([Differing(pack_one(did(0)), "", mend=False)]))
    assert await left() == []


async def test_listings_that_failed_come_in_pages_too(told: Told) -> None:
    names = [Nsid(f"net.example.{name}") for name in "abcdefg"]
    failed = [
        ListingFailed(collection=nsid, relay=RELAY, kind="refused", message="no", attempts=1,
                      next_relay=None)
        for nsid in names
    ]  # fmt: skip
    told.happens("a", started(*names), *failed)
    of = await told.views.of_job("a")
    assert of is not None
    assert of.job is not None
    place: Place | None = Place()
    pages = list[list[str | None]]()
    while place is not None:
        some, place = await told.views.errors(of.job, [Fault.LISTING_FAILED], place, 3)
        pages.append([one.collection for one in some])
    assert [one for page in pages for one in page] == names
    assert max(map(len, pages)) == 3


async def test_a_listing_that_goes_on_failed_or_was_never_asked_for_is_known(told: Told) -> None:
    async def listing(what: str) -> str:
        found, _ = await told.views.covered(await told.of(what))
        return found.listing

    given = JobStarted([POSTS], POSTS, None, given=True, mode="add")
    told.happens("a", given, DidsGiven(0, 1, ids.pack(dids(0, 1))))
    assert (await listing("a"), await listing(POSTS)) == ("ended", "none")
    told.happens("b", started(POSTS), page(0, 2))
    assert (await listing("b"), await listing(POSTS)) == ("under_way", "under_way")
    told.happens("b", JobCancelAsked(""), JobCancelled(2, 0))
    found, _ = await told.views.covered(await told.of("b"))
    assert (found.listing, found.left, found.open) == ("failed", 2, 0)
    told.happens("c", started(POSTS), page(0, 2, None), handed_off(2), JobCompleted(2, 2, 0, []))
    assert await listing(POSTS) == "ended"
    fails = ListingFailed(POSTS, RELAY, "timeout", "no answer", 8, None)
    told.happens("d", started(POSTS), fails)
    found, _ = await told.views.covered(await told.of(POSTS))
    assert (found.listing, list(found.unlisted)) == ("failed", [POSTS])


async def test_failures_are_listings_repositories_and_what_is_no_did_page_by_page(
    told: Told,
) -> None:
    fails = ListingFailed(LIKES, RELAY, "timeout", "no answer", 8, None)
    told.happens(
        "a", started(POSTS, LIKES), page(0, 3, malformed=["no did", "x" * 500]),
        page(3, 3, None, malformed=["other"]), fails, handed_off(6),
    )  # fmt: skip
    told.seen((did(1), "error", TIMEOUT, 0), (did(4), "desynchronized", "", 0))
    of = await told.of("a")
    assert of.job is not None
    assert await told.views.failed(of.job) == {
        Fault.TIMEOUT: 1, Fault.RATE_PARKED: 1, Fault.HANDOFF_REFUSED: 3, Fault.LISTING_FAILED: 1
    }  # fmt: skip
    for limit in (1, 2, 100):
        found = []
        place: Place | None = Place()
        while place is not None:
            some, place = await told.views.errors(of.job, list(Fault), place, limit)
            found += some
            assert len(some) <= limit
        assert [(one.kind, one.phase, (one.did or "")[:20]) for one in found] == [
            ("listing_failed", "discover", ""), ("timeout", "fetch", did(1)[:20]),
            ("rate_parked", "fetch", did(4)[:20]), ("handoff_refused", "handoff", "no did"),
            ("handoff_refused", "handoff", "x" * 20), ("handoff_refused", "handoff", "other"),
        ]  # fmt: skip
        assert max(len(one.did or "") for one in found) <= 220
    (timeout,), _ = await told.views.errors(of.job, [Fault.TIMEOUT], Place(), 9)
    assert (timeout.attempts, timeout.message) == (1, TIMEOUT)
    assert timeout.next_attempt_at is not None


async def test_all_that_failed_in_a_way_is_found_however_many(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole(told)
    monkeypatch.setattr(errors, "DIDS_AT_ONCE", 1)
    of = await told.of("a")
    assert of.job is not None
    assert await told.views.failed_dids(of.job, [Fault.TIMEOUT]) == [did(2), did(5)]
    keys = [pack_one(one) for one in (did(2), did(0), did(99))]
    apart = await told.views.told_apart(of.job, keys)
    assert [None if one is None else one[0].name for one in apart] == ["FAILED", "SYNCED", None]


async def test_a_jobs_repositories_are_listed_and_one_of_them_is_found(told: Told) -> None:
    whole(told)
    of = await told.of("a")
    shapes, _ = await told.views.repos_of_job(of, covered.Sought((3, 4)), 0, 9)
    assert [(one.did, one.status, one.records_fetched) for one in shapes] == [
        (did(0), "completed", 2), (did(1), "completed", 0)
    ]  # fmt: skip
    (one,) = await told.views.repo_of_job(of, pack_one(did(2)))
    assert (one.state, one.reason, one.collections) == ("failed", TIMEOUT, [POSTS])
    assert await told.views.repo_of_job(of, pack_one(did(99))) == []


async def test_servers_are_summed_up_as_far_as_they_are_known(told: Told) -> None:
    whole(told)
    known, rest = await told.views.by_server(await told.of("a"))
    assert (known.pds_endpoint, known.total_repos, known.completed_repos) == (
        "https://pds.example", 6, 2
    )  # fmt: skip
    assert (rest.pds_endpoint, rest.total_repos, rest.completed_repos) == (None, 2, 0)


async def test_an_account_tells_its_whole_history_over_all_jobs_the_newest_last(
    told: Told,
) -> None:
    told.happens("a", started(POSTS), page(0, 3, None), handed_off(2), handed_off(3, 2))
    told.seen((did(1), "active", "", 2), drained=False)
    told.committed(did(1), 2)
    named = ids.pack([did(1), WEB])
    leaving = told.happens("", ReposLeaving("differs", True, 2, named))
    told.happens("", ReposLeft(leaving), cause=leaving)
    told.happens("", ReposReturned(leaving, TAP), cause=leaving)
    told.happens("b", started(LIKES), page(0, 1, collection=LIKES))
    again = page(1, 2, None, LIKES)
    told.happens("b", again, handed_off(1), handed_off(3, 1))
    found = await told.views.account(did(1), None, 100)
    assert found is not None
    says = [line.says for line in found.history]
    assert says[0] == f"found by {RELAY}, page 1, in job a ({POSTS})"
    assert says[1] == "handed to Tap with entries 1-2 of job a: accepted"
    assert "Tap says active" in says[2]
    assert says[3] == f"{POSTS}: 2 records committed (receipt 1)"
    assert says[4].startswith("about to be taken out of Tap, to be fetched anew")
    assert says[5] == "out of Tap"
    assert says[6].startswith("handed to Tap once more")
    assert says[7] == f"found by {RELAY}, page 2, in job b ({LIKES})"
    assert says[8] == "handed to Tap with entries 2-3 of job b: accepted"
    assert len(says) == 9
    positions = [line.position for line in found.history]
    assert positions == sorted(positions)
    assert (found.complete_from, found.before) == (positions[0], None)
    assert {(one.collection, one.job) for one in found.standings} == {
        (POSTS, None), (LIKES, None), (None, "a"), (None, "b")
    }  # fmt: skip


async def test_a_long_history_comes_in_parts_that_overlap_nowhere(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    told.happens("a", started(POSTS), page(0, 2, None), handed_off(2))
    for _ in range(9):
        told.committed(did(1), 1)
        told.committed(did(0), 1)
    everything = await told.views.account(did(1), None, 100)
    assert everything is not None
    for limit, looked in ((2, 200_000), (100, 4)):
        monkeypatch.setattr(account, "LOOKED_MAX", looked)
        found: list[int] = []
        before: int | None = None
        while True:
            part = await told.views.account(did(1), before, limit)
            assert part is not None
            assert all(line.position >= part.complete_from for line in part.history[2:])
            found += [line.position for line in part.history]
            before = part.before
            if before is None:
                break
        assert sorted(found) == [line.position for line in everything.history]


async def test_an_account_without_a_job_is_known_by_its_records_and_others_are_not(
    told: Told,
) -> None:
    told.committed(WEB, 3)
    found = await told.views.account(WEB, None, 100)
    assert found is not None
    assert (found.state, found.records, found.standings) == ("discovered", 3, [])
    assert "when its turn comes" not in f"{found.sentence} {found.next}", "nobody hands it over"
    assert found.sentence.startswith("No job has found it")
    assert [line.says for line in found.history] == [f"{POSTS}: 3 records committed (receipt 1)"]
    assert await told.views.account(did(1), None, 100) is None
