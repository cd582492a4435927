"""Whoever watches a job is told what changes, no more than four times a second, and nothing twice
that they were told before they left."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, closing
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
import trio
import trio.testing
from support.given import POSTS, did, dids, handed_off, page, started

from backfilld.backfill.plan import Limits
from backfilld.backfill.standing import Scene, scene
from backfilld.control.door import Asked, Door
from backfilld.control.live.watch import EVERY_S, Live
from backfilld.control.live.watching import (
    KEEP_ALIVE_S,
    LAG_S,
    Until,
    Wanted,
    position_of,
    told,
    was_told_all,
)
from backfilld.control.views import Views
from backfilld.journal import Journal
from backfilld.records.sqlite import SqliteStore
from backfilld.worker import InlineWorker
from backfilld_events.catalog import Event
from backfilld_events.catalog.index import RecordsCommitted, Tally
from backfilld_events.catalog.job import AttemptFailed, JobCompleted, JobPaused, JobResumed
from backfilld_events.catalog.source import Observation, ReposObserved
from backfilld_events.eventlog import EventLog
from backfilld_events.ids import pack_one
from backfilld_events.row import NewEvent

JOB = "3b0d4f7e-0c58-4f1e-9a53-5a0b3f0f8d11"
LIMITS = Limits(("r",), 1000, 8, 60.0, 1000, 50_000, 2)
STREAMS = {"ReposObserved": "tap", "RecordsCommitted": "index"}


class Watched:
    """A log with one job, and a door for those who watch it."""

    def __init__(self, journal: Journal, views: Views) -> None:
        self.journal, self.log_views, self.stop = journal, views, trio.Event()
        self.allowed, self.busy = True, False
        self.live = Live(views)

    def still_allowed(self, request: object) -> bool:
        return self.allowed

    async def happens(self, *events: Event) -> int:
        """Events, in one append; the position of the last."""
        rows = await self.journal.append(
            [
                NewEvent(STREAMS.get(type(one).__name__, f"job/{JOB}"), one, "uid:1000")
                for one in events
            ]
        )
        return rows[-1].position

    def told(
        self, *, after: int | None = None, repos: bool = False, until: Until = "completed"
    ) -> AsyncGenerator[bytes, None]:
        door, asked = cast(Door, self), Wanted(JOB, after, repos, until)
        return told(door, self.live, cast(Asked, None), asked)


class Listener:
    """Takes what is told, and keeps it with the time of its coming."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.ids: list[int] = []
        self.comments: list[float] = []
        self.ended = False

    async def listen(self, told: AsyncGenerator[bytes, None], upto: int = 1 << 30) -> None:
        """Until the end, or so many frames."""
        async with aclosing(told):
            async for chunk in told:
                self.take(chunk)
                if len(self.frames) >= upto:
                    return
        self.ended = True

    def take(self, chunk: bytes) -> None:
        for block in chunk.decode().split("\r\n\r\n"):
            if block.startswith(":"):
                self.comments.append(trio.current_time())
            for name, _, value in (line.partition(": ") for line in block.split("\r\n")):
                if name == "id":
                    self.ids.append(int(value))
                elif name == "data":
                    self.frames.append(json.loads(value))
                    self.times.append(trio.current_time())

    def types(self) -> list[str]:
        return [frame["type"] for frame in self.frames]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] == kind]


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[Watched]:
    with closing(EventLog.open(folder / "events.db")) as log:
        SqliteStore.open(folder / "records.db", 20).close()
        journal = Journal(log, InlineWorker(), lambda: 1.8e9)
        watched: Watched | None = None

        def now() -> Scene:
            busy = frozenset({JOB}) if watched is not None and watched.busy else frozenset[str]()
            return scene(log.state.jobs, LIMITS, busy)

        files = (folder / "events.db", folder / "records.db")
        with closing(Views.open(*files, InlineWorker(), now)) as views:
            watched = Watched(journal, views)
            async with trio.open_nursery() as nursery:
                await nursery.start(journal.run)
                if not log.state.position:
                    await watched.happens(started(POSTS))
                yield watched
                nursery.cancel_scope.cancel()


def failed(attempt: int) -> AttemptFailed:
    return AttemptFailed("discovery", "https://r", "timeout", "no answer", attempt, 1.8e9 + 5)


async def test_a_job_is_told_from_a_snapshot_to_its_end_and_then_the_stream_is_over(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with watched(tmp_path) as job, trio.open_nursery() as nursery:
        listener = Listener()
        nursery.start_soon(listener.listen, job.told())
        for event in (
            page(0, 3),
            page(3, 2, cursor=None),
            handed_off(5),
            JobCompleted(5, 5, 0, []),
        ):
            await trio.sleep(1)
            last = await job.happens(event)
    assert listener.ended
    first, end = listener.frames[0], listener.frames[-1]
    assert (first["type"], first["status"], first["total_repos"]) == ("job_snapshot", "pending", 0)
    assert {"stage", "resolved_repos", "processed_repos", "total_records"} <= first.keys()
    assert (first["error_counts"], first["discovery_complete"]) == ({}, False)
    assert [frame["total_repos"] for frame in listener.of("job_counters")] == [3, 5, 5]
    assert [frame["stage"] for frame in listener.of("job_stage_changed")] == [
        "discovering_repos", "resolving_and_fetching", "completed",
    ]  # fmt: skip
    assert (end["type"], end["status"], end["error"]) == ("job_completed", "completed", None)
    assert {frame["job_id"] for frame in listener.frames} == {JOB}
    assert (listener.ids, listener.ids[-1]) == (sorted(set(listener.ids)), last)


async def test_counters_come_at_most_four_times_a_second_and_the_last_ones_come(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with watched(tmp_path) as job, trio.open_nursery() as nursery:
        many = [Listener() for _ in range(3)]
        for listener in many:
            nursery.start_soon(listener.listen, job.told())
        for n in range(200):
            await trio.sleep(0.02)
            await job.happens(page(n, 1))
        await trio.sleep(1)
        job.stop.set()
    for listener in many:
        times = [
            time
            for time, frame in zip(listener.times, listener.frames, strict=True)
            if frame["type"] == "job_counters"
        ]
        assert 10 <= len(times) <= 17
        assert all(two - one >= EVERY_S * 0.999 for one, two in pairwise(times))
        assert listener.of("job_counters")[-1]["total_repos"] == 200
        assert listener.ended, "it ends when the daemon stops"


async def test_whoever_comes_back_is_told_what_happened_meanwhile_and_nothing_of_before(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with watched(tmp_path) as job:
        await job.happens(failed(1))
        before = Listener()
        await before.listen(job.told(), upto=2)
        seen = before.ids[-1]
        await job.happens(failed(2), failed(3))
    async with watched(tmp_path) as job, trio.open_nursery() as nursery:  # and after a restart
        listener = Listener()
        nursery.start_soon(listener.listen, job.told(after=seen))
        await trio.sleep(1)
        await job.happens(failed(4))
        await trio.sleep(1)
        job.stop.set()
    waits = listener.of("job_waiting")
    assert [frame["attempt"] for frame in waits] == [2, 3, 4]
    assert (waits[0]["peer"], waits[0]["kind"]) == ("https://r", "timeout")
    assert listener.types()[:3] == ["job_waiting", "job_waiting", "job_snapshot"]
    assert listener.ids == sorted(listener.ids)
    assert listener.ids[0] == seen + 1


@pytest.mark.parametrize("text", [None, "", "x", "-1", "8", "9" * 30, "7 ", "\u0667"])
def test_what_is_no_position_of_this_log_is_as_if_nothing_was_told(text: str | None) -> None:
    assert position_of(text, 7) is None
    assert [position_of(known, 7) for known in ("0", "7")] == [0, 7]


async def test_a_paused_job_has_the_end_that_happyview_sends_and_goes_on_when_it_does(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with watched(tmp_path) as job, trio.open_nursery() as nursery:
        listener = Listener()
        nursery.start_soon(listener.listen, job.told())
        await trio.sleep(1)
        job.busy = True
        await job.happens(page(0, 3), JobPaused("lunch"))
        await trio.sleep(3)
        assert listener.of("job_completed") == [], "its last step is under way"
        job.busy = False  # which no event tells
        await trio.sleep(3)
        (rests,) = listener.of("job_completed")
        assert (rests["status"], rests["error"]) == ("paused", None)
        await job.happens(JobResumed(""), page(3, 1))
        await trio.sleep(1)
        assert listener.frames[-1]["type"] in ("job_counters", "coverage")
        assert not listener.ended
        job.stop.set()


async def test_while_nothing_happens_a_comment_every_15_seconds_keeps_the_line_open(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with watched(tmp_path) as job, trio.open_nursery() as nursery:
        listener = Listener()
        nursery.start_soon(listener.listen, job.told())
        for n in range(100):  # what happens elsewhere does not keep this line open
            await trio.sleep(1)
            await job.happens(ReposObserved(f"t{n}", False, []))
        job.stop.set()
    assert len(listener.comments) == 6
    assert listener.comments[0] <= KEEP_ALIVE_S + 2
    assert listener.types() == ["job_snapshot", "coverage"]


async def test_whoever_may_no_longer_look_is_told_no_more(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with watched(tmp_path) as job, trio.open_nursery() as nursery:
        listener = Listener()
        nursery.start_soon(listener.listen, job.told())
        await trio.sleep(1)
        job.allowed = False
        await job.happens(page(0, 3))
    assert listener.ended
    assert listener.of("job_counters") == []


async def test_one_who_does_not_read_costs_nothing_and_is_told_anew_how_things_are(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with watched(tmp_path) as job:
        telling = job.told()
        listener = Listener()
        async with aclosing(telling):
            for _ in range(2):
                listener.take(await anext(telling))
            await job.happens(page(0, 1))
            listener.take(await anext(telling))  # and now it does not read, for long
            await trio.sleep(LAG_S + 1)
            for n in range(1, 50):
                await job.happens(page(n, 1))
            listener.take(await anext(telling))
        assert listener.types()[-2:] == ["job_snapshot", "coverage"]
        assert listener.of("job_snapshot")[-1]["total_repos"] == 50
        assert len(listener.of("job_counters")) == 1


def settled(n: int, records: int) -> list[Event]:
    """All records of repository n come, and Tap says that it has no more."""
    tally = Tally(pack_one(did(n)), 0, inserted=records)
    seen = Observation(pack_one(did(n)), "active", "", None, records)
    return [
        RecordsCommitted(n + 1, n + 1, [POSTS], [tally], [], 0),
        ReposObserved("t", False, [seen]),
    ]


async def test_single_repositories_are_told_of_those_who_ask_for_them_each_once(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with watched(tmp_path) as job, trio.open_nursery() as nursery:
        listener, other = Listener(), Listener()
        first = Listener()
        await first.listen(job.told(repos=True), upto=2)
        await job.happens(page(0, 3, cursor=None))
        nursery.start_soon(listener.listen, job.told(after=first.ids[-1], repos=True))
        nursery.start_soon(other.listen, job.told())
        await trio.sleep(1)
        await job.happens(handed_off(3), *settled(0, 2))
        await trio.sleep(1)
        await job.happens(*settled(1, 0), JobCompleted(3, 3, 0, []))
    found = [frame["did"] for frame in listener.of("repo_discovered")]
    assert found == dids(0, 3)
    resolved = listener.of("repo_resolved")
    assert [frame["did"] for frame in resolved] == dids(0, 3)
    assert {frame["pds_endpoint"] for frame in resolved} == {None}
    fetched = {frame["did"]: frame["records_fetched"] for frame in listener.of("repo_fetched")}
    assert fetched == {did(0): 2, did(1): 0}
    assert not any(kind.startswith("repo_") for kind in other.types())


async def test_a_long_list_of_repositories_is_told_in_parts_and_again_if_the_line_breaks(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with watched(tmp_path) as job:
        await job.happens(page(0, 2500, cursor=None))
        cut = Listener()
        await cut.listen(job.told(after=1, repos=True), upto=2000)
        assert (len(cut.frames), cut.ids) == (2000, []), "no position before all of it was told"
        await job.happens(handed_off(2500), JobCompleted(2500, 2500, 0, []))
        whole = Listener()
        await whole.listen(job.told(after=1, repos=True))
        assert [frame["did"] for frame in whole.of("repo_discovered")] == dids(0, 2500)


async def test_with_until_synced_it_goes_on_to_the_last_record(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with watched(tmp_path) as job, trio.open_nursery() as nursery:
        listener = Listener()
        nursery.start_soon(listener.listen, job.told(until="synced"))
        await trio.sleep(1)
        await job.happens(page(0, 1, cursor=None), handed_off(1), JobCompleted(1, 1, 0, []))
        await trio.sleep(5)
        assert listener.types()[-1] == "job_completed"
        await job.happens(*settled(0, 7))
    assert listener.types()[-3:] == ["job_counters", "coverage", "job_synced"]
    assert listener.frames[-1]["sync"]["state"] == "synced"
    assert listener.of("job_counters")[-1]["total_records"] == 7
    assert len(listener.of("job_completed")) == 1


async def test_whoever_was_told_the_end_is_told_that_there_is_no_more(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with watched(tmp_path) as job:

        def seen(after: int | None, until: Until) -> Wanted:
            return Wanted(JOB, after, False, until)

        middle = await job.happens(page(0, 1, cursor=None), handed_off(1))
        end = await job.happens(JobCompleted(1, 1, 0, []))
        glance = await job.live.glance(JOB)
        assert glance is not None
        assert not was_told_all(job.live, glance, seen(None, "completed"))
        assert not was_told_all(job.live, glance, seen(middle, "completed"))
        assert was_told_all(job.live, glance, seen(end, "completed"))
        assert not was_told_all(job.live, glance, seen(end, "synced"))
        last = await job.happens(*settled(0, 1))
        await trio.sleep(1)
        glance = await job.live.glance(JOB)
        assert glance is not None
        assert not was_told_all(job.live, glance, seen(end, "synced"))
        assert was_told_all(job.live, glance, seen(last, "synced"))
