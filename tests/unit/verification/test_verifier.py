"""All of the log is verified in the background, bounded and again and again; what is found freezes
it."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import structlog
import trio
import trio.testing
from msgspec.structs import replace
from support.tampering import ended_at, tampered

from backfilld.clock import virtual
from backfilld.config import Duration
from backfilld.config.keys import Config, LogConfig
from backfilld.journal import Frozen, Journal
from backfilld.verification import mark, start
from backfilld.verification.assembled import Proof, proof
from backfilld.verification.known import Problem, Verification
from backfilld.verification.rounds import Round
from backfilld.worker import InlineWorker
from backfilld_events import chain
from backfilld_events.audit.source import LogFile
from backfilld_events.audit.verify import Broken
from backfilld_events.catalog.service import ServiceStarted
from backfilld_events.eventlog import EventLog
from backfilld_events.row import NewEvent

from .conftest import EVENTS

DAY = 86_400.0
Clock = trio.testing.MockClock


class Life:
    """A log that is open, and what verifies it."""

    def __init__(self, folder: Path, log: EventLog, settings: LogConfig) -> None:
        self.folder, self.path, self.log = folder, folder / "events.db", log
        self.settings, clock = settings, virtual(1.8e9)
        self.journal = Journal(log, InlineWorker(), clock)
        self.proof: Proof = proof(
            Verification(),
            self.journal,
            InlineWorker,
            lambda: Config(data_dir=str(folder), log=self.settings),
            clock,
        )
        self.known = self.proof.known

    async def append(self) -> None:
        await self.journal.append([NewEvent("service", ServiceStarted(version="x"), "system")])


@asynccontextmanager
async def living(folder: Path, settings: LogConfig | None = None) -> AsyncIterator[Life]:
    with closing(EventLog.open(folder / "events.db")) as log:
        life = Life(folder, log, settings or LogConfig())
        async with trio.open_nursery() as nursery:
            await nursery.start(life.journal.run)
            await life.proof.alarm.begin()
            nursery.start_soon(life.proof.verifier.run)
            yield life
            nursery.cancel_scope.cancel()


async def test_all_is_verified_after_the_start_and_again_when_it_is_time(
    folder: Path, autojump_clock: Clock
) -> None:
    async with living(folder) as life:
        assert life.known.at is None
        await trio.sleep(60)
        assert (life.known.whole, life.known.hash) == ended_at(life.path)
        at = life.known.at
        await life.append()
        await trio.sleep(DAY - 120)
        assert (life.known.whole, life.known.at) == (EVENTS, at)
        await trio.sleep(120)
        assert life.known.whole == EVENTS + 1
        life.settings = replace(life.settings, verify_every=Duration(0))  # a reload
        await life.append()
        await trio.sleep(10 * DAY)
        assert life.known.whole == EVENTS + 1, "never"


async def test_never_means_not_at_the_start_either_but_when_it_is_asked_for(
    folder: Path, autojump_clock: Clock
) -> None:
    async with living(folder, LogConfig(verify_every=Duration(0))) as life:
        await trio.sleep(10 * DAY)
        assert (life.proof.verifier.looked.is_set(), life.known.at) == (True, None)
        life.proof.verifier.ask()
        assert life.known.under_way == (0, EVENTS), "at once, so that one can wait for its end"
        await trio.sleep(1)
        assert (life.known.whole, life.known.under_way) == (EVENTS, None)


async def test_what_is_asked_for_during_a_verification_begins_after_it(
    folder: Path, autojump_clock: Clock
) -> None:
    async with living(folder, LogConfig(verify_rate=100)) as life:
        await trio.sleep(0.1)
        assert life.known.under_way == (EVENTS, EVENTS)
        await life.append()
        life.proof.verifier.ask()
        life.proof.verifier.ask()
        with trio.fail_after(60):
            while life.known.under_way is not None:
                await trio.sleep(0.1)
        assert life.known.whole == EVENTS + 1


async def test_the_rate_is_bounded_whatever_the_machine_can_do(
    folder: Path, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backfilld.verification.verifier.PORTION", 10)
    async with living(folder, LogConfig(verify_rate=100)) as life:
        began, seen = trio.current_time(), set()
        while life.known.at is None:
            seen.add(life.known.under_way)
            await trio.sleep(0.05)
        assert trio.current_time() - began == pytest.approx(EVENTS / 100, abs=0.2)
        assert {(10, EVENTS), (150, EVENTS), (EVENTS, EVENTS)} <= seen


async def test_a_change_behind_our_back_freezes_the_log_and_leaves_a_mark(
    folder: Path, autojump_clock: Clock
) -> None:
    async with living(folder) as life:
        await life.append()
        tampered(life.path, "UPDATE event SET actor = 'uid:0' WHERE position = 50")
        with structlog.testing.capture_logs() as said:
            await life.proof.alarm.frozen.wait()
        assert [one["log_level"] for one in said].count("critical") == 1
        problem = life.known.problem
        assert problem is not None
        assert problem.position == 50
        await trio.testing.wait_all_tasks_blocked()
        assert mark.read(folder) == problem
        before = ended_at(life.path)
        with pytest.raises(Frozen, match="event 50"):
            await life.append()
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            life.log.distrust()
        assert ended_at(life.path) == before
        life.proof.verifier.ask()
        await trio.sleep(10 * DAY)
        assert (life.known.problem, life.known.under_way) == (problem, None)


@pytest.mark.parametrize(
    ("statements", "relink"),
    [
        (["DELETE FROM event WHERE position > 200"], False),
        (["UPDATE event SET actor = 'uid:0' WHERE position = 250"], True),
    ],
)
async def test_what_we_know_ourselves_shows_a_cut_tail_and_a_chain_made_anew(
    folder: Path, autojump_clock: Clock, statements: list[str], relink: bool
) -> None:
    async with living(folder) as life:
        await trio.sleep(60)
        assert life.known.whole == EVENTS
        tampered(life.path, *statements, relink=relink)
        await trio.sleep(DAY)
        assert life.known.problem is not None
        assert "a checkpoint of 2027" in life.known.problem.what
    again = start.check(folder, LogConfig(), 1.9e9)
    assert again.problem is not None, "nobody has decided, whatever the log says of itself"
    assert again.problem.since == life.known.problem.since
    (folder / "older.db").replace(folder / "events.db")
    assert start.check(folder, LogConfig(), 1.9e9).problem is None, "a person has decided"
    assert mark.read(folder) is None


async def test_a_file_that_is_gone_or_another_is_an_alarm_and_one_that_cannot_be_read_now_is_not(
    folder: Path, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = sqlite3.OperationalError("unable to open database file")
    busy.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
    async with living(folder) as life:
        with monkeypatch.context() as patch:
            patch.setattr("backfilld.verification.rounds.Round.portion", _raises(busy))
            with structlog.testing.capture_logs() as said:
                await trio.sleep(60)
        assert [one["event"] for one in said] == ["the log could not be verified"]
        assert (life.known.problem, life.known.at) == (None, None)
        assert life.known.fault == "it could not be read: unable to open database file"
        await trio.sleep(600)
        assert life.known.whole == EVENTS, "it was tried again soon"
        assert life.known.fault == ""
        (folder / "older.db").replace(folder / "events.db")
        await trio.sleep(DAY)
        assert life.known.problem is not None
        assert "its tail is cut off" in life.known.problem.what


def _raises(error: Exception) -> object:
    def portion(*_: object) -> bool:
        raise error

    return portion


async def test_a_life_that_knows_of_a_problem_begins_frozen(folder: Path) -> None:
    with closing(EventLog.show(folder / "events.db")) as log:
        life = Life(folder, log, LogConfig())
        life.known.problem = Problem(7, "what was found", 1.8e9)
        await life.proof.alarm.begin()
        assert life.journal.frozen == "The log does not verify: event 7: what was found"
        begun = []

        async def work() -> None:
            begun.append(1)

        await life.proof.alarm.unless(work)
        assert begun == []
        with pytest.raises(Frozen):
            await life.append()


async def test_what_works_ends_with_the_alarm_and_a_refused_append_ends_nothing_else(
    folder: Path,
) -> None:
    async with living(folder) as life:
        alarm, ended = life.proof.alarm, []

        async def waits() -> None:
            try:
                await trio.sleep_forever()
            finally:
                ended.append("waits")

        async def appends() -> None:
            await alarm.frozen.wait()
            try:
                await life.append()
            finally:
                with trio.CancelScope(shield=True), pytest.raises(Frozen):
                    await life.append()
                ended.append("appends")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(alarm.unless, waits)
            nursery.start_soon(alarm.unless, appends)
            await trio.testing.wait_all_tasks_blocked()
            await alarm.sound(Broken(7, "what was found"))
        assert sorted(ended) == ["appends", "waits"]


async def test_what_fails_for_another_reason_is_not_hidden(folder: Path) -> None:
    async with living(folder) as life:

        async def fails() -> None:
            raise ValueError("a fault")

        with pytest.raises(BaseExceptionGroup) as raised:
            await life.proof.alarm.unless(fails)
        assert raised.group_contains(ValueError)


def test_a_break_that_was_accepted_is_passed_wherever_a_portion_begins(folder: Path) -> None:
    path = folder / "events.db"
    tampered(path, "DELETE FROM event WHERE position IN (20, 21)")
    with LogFile(path) as source:
        with pytest.raises(Broken) as broken:
            walked(Round(source), 7)
        assert broken.value.position == 20
        query = "SELECT * FROM event WHERE position = ?"
        before, row = (source.db.execute(query, (at,)).fetchone() for at in (19, 22))
        accepted = {22: chain.link(before[9], row[:9])}
        one = Round(source, known=accepted)
        walked(one, 7)
        assert one.finish().passed == (22,)


def walked(one: Round, portion: int) -> None:
    while one.portion(portion):
        pass
