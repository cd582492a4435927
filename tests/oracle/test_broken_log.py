"""A log that does not verify is not written to, people are told, and a person decides."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import trio
import trio.testing
from msgspec.structs import replace
from support.lives import Lab, lexicon
from support.tampering import ended_at, tampered

from backfilld.backfill.commands import StartJob
from backfilld.config import Duration
from backfilld.config.keys import LogConfig
from backfilld.control.health import health
from backfilld.journal import Frozen
from backfilld.sandbox.network import SandboxNetwork
from backfilld.sandbox.tap import TapSettings
from backfilld.sandbox.world import World
from backfilld.verification import accept, mark
from backfilld.verification.checkpoints import last
from backfilld.verification.start import LogBroken
from backfilld_events.catalog.service import BreakAccepted
from backfilld_events.ids import Nsid

from .test_notifications import Told

STATUS = Nsid("xyz.statusphere.status")
SLOW = TapSettings(collection_filters=(STATUS,), fetch_s=0.2, retry_timeout_s=20)
EVERY_S = 30.0
REPOS = 150
EDIT = "UPDATE event SET actor = 'uid:0' WHERE position = 5"

Clock = trio.testing.MockClock


def world() -> World:
    return World(17, REPOS, (STATUS,), (1, 4))


def often(lab: Lab, file: Path | str = "") -> None:
    """Has the log verified often."""
    log = LogConfig(
        verify_every=Duration(EVERY_S), checkpoint_file=str(file), checkpoint_every=Duration(60)
    )
    lab.config = replace(lab.config, log=log)


def backup(lab: Lab, name: str) -> Path:
    """A copy of the log, made while the daemon lives."""
    path = lab.folder / name
    with (
        closing(sqlite3.connect(lab.folder / "events.db")) as live,
        closing(sqlite3.connect(path)) as copy,
    ):
        live.backup(copy)
    return path


def restore(lab: Lab, copy: Path) -> None:
    for name in ("events.db-wal", "events.db-shm"):
        (lab.folder / name).unlink(missing_ok=True)
    shutil.copy(copy, lab.folder / "events.db")


async def test_a_log_that_is_changed_under_a_daemon_is_not_written_any_more_until_it_is_restored(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world(), SLOW) as network:
        lab = Told(tmp_path, network, "verify.failed")
        often(lab)
        async with lab.living(stop=True) as (journal, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until(lambda: bool(lab.index()))
            copy = backup(lab, "backup")
            tampered(tmp_path / "events.db", EDIT)
            lab.door.verify_now()
            await lab.until(lambda: bool(lab.hook.came))

            problem = lab.door.verification.problem
            assert problem is not None
            assert mark.read(tmp_path) == problem
            (told,) = lab.hook.came
            assert (told["kind"], told["id"], told["state"]) == ("verify.failed", 5, "broken")
            assert told["sentence"].startswith("The log does not verify: event 5: its hash does")
            assert 0 < len(lab.index()) < len(list(network.world.truth(STATUS)))

            ended, rows = ended_at(tmp_path / "events.db"), lab.index()
            waiting = len(network.disk.outbox)
            assert network.tap is not None
            await trio.sleep(600)
            assert network.tap._channels == set(), "the channel is closed"
            assert len(network.disk.outbox) >= waiting, "nothing more is acked"
            assert lab.index() == rows
            with pytest.raises(Frozen):
                await desk.submit(StartJob(STATUS), "uid:1000")
            shown = await health(lab.door)
            assert (shown.status, shown.jobs[0].id) == ("broken", job), "the faces answer"
        assert ended_at(tmp_path / "events.db") == ended, "not even the end is written"
        assert len(lab.hook.came) == 1, "told once"

        async with lab.living(stop=True) as (journal, _):
            assert journal.frozen
            assert STATUS in journal.state.lexicons
            await trio.sleep(600)
            assert (await health(lab.door)).status == "broken"
            assert lab.index() == rows
        assert ended_at(tmp_path / "events.db") == ended
        assert len(lab.hook.came) == 2, "once in each life"

        restore(lab, copy)
        async with lab.living() as (journal, _):
            assert not journal.frozen
            assert mark.read(tmp_path) is None
            await lab.until_synced(job)
        assert lab.handed_over(job) == [network.world.did(n) for n in range(REPOS)]
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()


async def test_an_older_backup_is_found_at_the_start_where_checkpoints_are_kept_elsewhere(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    file = tmp_path / "elsewhere"
    async with SandboxNetwork(world(), SLOW) as network:
        lab = Lab(tmp_path / "data", network)
        often(lab, file)
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until(lambda: bool(lab.index()))
            copy = backup(lab, "backup")
            await lab.until_synced(job)
            await trio.sleep(120)
        newest = backup(lab, "newest")
        kept = last(file)
        assert kept
        restore(lab, copy)
        async with lab.living(stop=True) as (journal, _):
            problem = lab.door.verification.problem
            assert problem is not None
            assert (problem.position, journal.frozen) == (ended_at(copy)[0] + 1, problem.sentence)
            await trio.sleep(300)
        assert ended_at(lab.folder / "events.db") == ended_at(copy)
        assert last(file) == kept, "nothing of such a log is kept"
        restore(lab, newest)
        async with lab.living(stop=True) as (journal, _):
            assert not journal.frozen
        assert last(file)[-1].position == ended_at(lab.folder / "events.db")[0], "at a clean stop"
        lab.check_the_log()


async def test_projections_that_cannot_be_shown_end_a_frozen_start_and_people_are_told(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world(), SLOW) as network:
        lab = Told(tmp_path, network, "verify.failed")
        async with lab.living() as (_, desk):
            await lab.start(desk, lexicon(STATUS))
            await trio.sleep(30)
        spoil = "UPDATE folded SET value = x'63' WHERE name = 'version'"
        tampered(tmp_path / "events.db", EDIT, spoil)
        ended = ended_at(tmp_path / "events.db")
        with pytest.raises(BaseExceptionGroup) as raised:
            async with lab.living():
                pass
        assert raised.group_contains(LogBroken, match=r"event 5: .* nothing of it can be shown: ")
        assert lab.hook.kinds() == ["verify.failed"]
        assert ended_at(tmp_path / "events.db") == ended


async def test_a_break_that_a_person_accepted_is_gone_on_with(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world(), SLOW) as network:
        lab = Lab(tmp_path, network)
        often(lab)
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until(lambda: bool(lab.index()))
        log = tmp_path / "events.db"
        tampered(log, EDIT)
        async with lab.living() as (journal, _):
            assert journal.frozen
        found = accept.look(log, [])
        (position,) = accept.accept(log, found, "a test did it", "uid:0", 1.8e9)
        async with lab.living() as (journal, _):
            assert not journal.frozen
            await lab.until_synced(job)
            await trio.sleep(2 * EVERY_S)
            known = lab.door.verification
            assert (known.problem, known.passed) == (None, (5,))
        event = lab.rows()[position - 1].event
        assert isinstance(event, BreakAccepted)
        assert (event.position, event.reason) == (5, "a test did it")
        lab.check_the_index_is_the_truth(STATUS)


async def test_of_a_log_whose_tail_was_cut_off_its_own_end_is_told_not_that_of_what_was_folded(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(world(), SLOW) as network:
        lab = Lab(tmp_path, network)
        async with lab.living(stop=True) as (_, desk):
            await lab.start(desk, lexicon(STATUS))
            await trio.sleep(30)
        log = tmp_path / "events.db"
        whole = ended_at(log)[0]
        tampered(log, f"DELETE FROM event WHERE position > {whole - 3}")
        async with lab.living(stop=True) as (journal, _):
            assert (journal.frozen != "", journal.state.position) == (True, whole)
            shown = (await health(lab.door)).log
            assert shown.position == whole - 3
            assert shown.problem is not None
            assert shown.problem.what.endswith(f"what was folded from it goes up to #{whole}")
