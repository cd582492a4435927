"""What was said to be taken out of Tap is put back, wherever the daemon was killed in between."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
import trio
import trio.testing
from support.given import NOON, POSTS, dids, handed_off, page, started

from backfilld.backfill.outings import RETRY_S_MAX, Outings
from backfilld.clock import virtual
from backfilld.failures import Failure
from backfilld.journal import Journal
from backfilld.sources.tap.http import RepoInfo
from backfilld.worker import InlineWorker
from backfilld_events.eventlog import EventLog
from backfilld_events.ids import Did
from backfilld_events.log.append import Append
from backfilld_events.log.file import open_reader, open_writer
from backfilld_events.projections import outings, repos
from backfilld_events.projections.classes import Class
from backfilld_events.row import NewEvent

ALL = dids(0, 5)


class Killed(BaseException):
    """The process ended here."""


class Tap:
    """Knows a set of DIDs. `dies_at`: the process is killed before or after this step; `down`:
    so many calls are refused first; `busy`: so often it is fetching when it is asked."""

    url = "http://127.0.0.1:2480"

    def __init__(
        self, dies_at: tuple[int, str] | None = None, down: int = 0, busy: int = 0
    ) -> None:
        self.has, self.dies_at, self.down, self.busy = set(ALL), dies_at, down, busy
        self.calls: list[str] = []

    async def remove(self, dids: Sequence[Did]) -> None:
        await self._step("remove", lambda: self.has.difference_update(dids))

    async def hand_over(self, dids: Sequence[Did]) -> None:
        await self._step("add", lambda: self.has.update(dids))

    async def info(self, did: Did) -> RepoInfo:
        self.busy -= 1
        return RepoInfo("resyncing" if self.busy >= 0 else "active")

    async def _step(self, name: str, do: object) -> None:
        await trio.lowlevel.checkpoint()
        if self.down:
            self.down -= 1
            raise Failure("unreachable", "connection refused")
        self.calls.append(name)
        if self.dies_at == (len(self.calls), "before"):
            raise Killed
        assert callable(do)
        do()
        if self.dies_at == (len(self.calls), "after"):
            raise Killed


class Life:
    """Lives of the daemon over one log."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "events.db"
        with closing(EventLog.open(self.path)) as log:
            events = [started(POSTS), page(0, 5, None), handed_off(5)]
            log.append([Append([NewEvent("job/a", event, "x") for event in events])], 1)

    async def take_out(self, tap: Tap, *, again: bool) -> None:
        """A life in which all are taken out."""
        async with self._journal() as journal:
            ways = Outings(tap, journal, self._read)
            await ways.begin("lacks" if again else "final", ALL, again=again, cause=None)

    async def take_out_and_be_killed(self, tap: Tap) -> None:
        """The same, and it does not live to the end."""
        killed = False
        try:
            await self.take_out(tap, again=True)
        except* Killed:
            killed = True
        assert killed

    async def finish(self, tap: Tap) -> None:
        """The next life, up to where it has put back what was out."""
        async with self._journal() as journal:
            await Outings(tap, journal, self._read).finish()
            assert journal.state.source.outings == {}

    async def _read(self, position: int) -> list[Did]:
        with closing(open_reader(self.path)) as db:
            return outings.dids(db, position)

    def counts(self) -> dict[Class, int]:
        with closing(open_reader(self.path)) as db:
            return repos.counts(db, 0)

    def _journal(self) -> "Journals":
        return Journals(self.path)


class Journals:
    """A journal that serves; a kill takes it down with all else."""

    def __init__(self, path: Path) -> None:
        self._log = EventLog(open_writer(path, "backfilld_events.log"))
        self._nursery = trio.open_nursery()

    async def __aenter__(self) -> Journal:
        nursery = await self._nursery.__aenter__()
        journal = Journal(self._log, InlineWorker(), virtual(NOON))
        await nursery.start(journal.run)
        self._scope = nursery.cancel_scope
        return journal

    async def __aexit__(self, *error: object) -> None:
        self._scope.cancel()
        try:
            await self._nursery.__aexit__(*error)  # type: ignore[arg-type]
        finally:
            self._log.close()


KILLS = [(call, moment) for call in (1, 2) for moment in ("before", "after")]


@pytest.mark.parametrize("kill", KILLS, ids=str)
async def test_killed_at_any_step_of_a_refetch_all_are_in_tap_after_the_next_start(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, kill: tuple[int, str]
) -> None:
    life, tap = Life(tmp_path), Tap(kill)
    await life.take_out_and_be_killed(tap)
    tap.dies_at = None
    await life.finish(tap)
    assert tap.has == set(ALL)
    assert life.counts() == {Class.HANDED_OFF: 5}


async def test_after_a_crash_nothing_is_removed_that_is_being_fetched_by_then(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """Tap may have begun with one that it was not asked to remove any more: remove would not stop
    that, and two fetches at once leave records out."""
    life, tap = Life(tmp_path), Tap((1, "before"))
    await life.take_out_and_be_killed(tap)
    tap.dies_at, tap.busy = None, 12
    await life.finish(tap)
    assert tap.busy < 0, "asked until none was"
    assert tap.has == set(ALL)


async def test_a_tap_that_is_down_in_between_gets_them_back_when_it_is_up(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    life, tap = Life(tmp_path), Tap(down=8)
    began = trio.current_time()
    await life.take_out(tap, again=True)
    assert tap.has == set(ALL)
    assert trio.current_time() - began < 8 * RETRY_S_MAX


async def test_what_fails_for_good_stays_out_and_is_said_to_be(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    life, tap = Life(tmp_path), Tap()
    await life.take_out(tap, again=False)
    assert tap.has == set()
    assert tap.calls == ["remove"]
