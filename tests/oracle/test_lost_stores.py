"""After the loss of each store, and after a restore, in the end the index is the truth: the whole
daemon against the sandbox network, in virtual time."""

import random
import shutil
from contextlib import closing
from pathlib import Path

import pytest
import trio
import trio.testing
from click.testing import CliRunner, Result
from msgspec.structs import replace
from support.lives import Lab, lexicon
from support.tampering import tampered

from backfilld.backfill.commands import StartJob
from backfilld.backup.folder import INDEX, LOG
from backfilld.backup.making import make
from backfilld.cli import forget_index
from backfilld.cli.daemon import main
from backfilld.config import Duration
from backfilld.config.keys import LogConfig
from backfilld.delivery.ledger import ReceiptsMissing
from backfilld.sandbox.network import SandboxNetwork
from backfilld.sandbox.tap import TapSettings
from backfilld.sandbox.world import World
from backfilld_events.audit.reconcile import reconcile
from backfilld_events.audit.replay import replay
from backfilld_events.audit.source import LogFile
from backfilld_events.ids import Nsid
from backfilld_events.log.file import open_reader
from backfilld_events.projections import repos
from backfilld_events.projections.classes import OPEN, Class
from backfilld_events.projections.tally import ALL

STATUS = Nsid("xyz.statusphere.status")
SLOW = TapSettings(collection_filters=(STATUS,), fetch_s=0.3, retry_timeout_s=20)

Clock = trio.testing.MockClock


def lab_of(folder: Path, network: SandboxNetwork) -> Lab:
    return Lab(folder / "data", network)


def lose(lab: Lab, *names: str) -> None:
    """These files, with what SQLite has beside them."""
    for name in names:
        for end in ("", "-wal", "-shm"):
            (lab.folder / f"{name}{end}").unlink(missing_ok=True)


def backup(lab: Lab, name: str, *, log_only: bool = False) -> Path:
    target = lab.folder.parent / name
    made = make(lab.folder, target, [], lab.clock(), log_only=log_only)
    assert made.is_whole, made.found
    return made.path


def restore(lab: Lab, copy: Path, *names: str) -> None:
    lose(lab, *names)
    for name in names:
        shutil.copy(copy / name, lab.folder / name)


def forget(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Result:
    """Somebody says that the index is lost."""
    config = lab.folder.parent / "config.toml"
    config.write_text(f'data_dir = "{lab.folder}"\n')
    monkeypatch.setattr(forget_index, "system", lab.clock)
    command = ["forget-index", "--config", str(config), "--reason", "the disk", "--yes"]
    return CliRunner().invoke(main, command)


def counts(lab: Lab) -> dict[Class, int]:
    with closing(open_reader(lab.folder / LOG)) as db:
        found = repos.counts(db, ALL)
        assert sum(found.values()) == repos.found(db, ALL), "none is unexplained"
        return found


async def until_nothing_is_open(lab: Lab) -> None:
    await lab.until(lambda: not OPEN.intersection(counts(lab)), 7200)


def check(lab: Lab) -> None:
    """The index is the truth, and the log its account; all that is shown follows from it."""
    lab.check_the_index_is_the_truth(STATUS)
    lab.check_the_log()
    with LogFile(lab.folder / LOG) as source:
        assert reconcile(source, lab.folder / INDEX).agrees
    assert replay(lab.folder / LOG, ":memory:").differ == 0


async def refused(lab: Lab, match: str) -> None:
    with pytest.raises(BaseExceptionGroup) as raised:
        async with lab.living():
            pass
    assert raised.group_contains(ReceiptsMissing, match=match)


async def test_a_lost_index_is_fetched_again_when_somebody_says_that_it_is_lost(
    tmp_path: Path, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with SandboxNetwork(World(5, 60, (STATUS,), (0, 4), empty_share=0.1)) as network:
        lab = lab_of(tmp_path, network)
        async with lab.living(stop=True) as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until_synced(job)
        lose(lab, INDEX)
        await refused(lab, "records.db has no receipts")
        told = forget(lab, monkeypatch)
        assert told.exit_code == 0, told.output
        assert counts(lab) == {Class.HELD: 60}, "Tap has all, and sends nothing again"
        async with lab.living(stop=True) as (journal, _):
            assert journal.state.source.receipts == 0
            await lab.until_synced(job)
            await trio.sleep(60)
        check(lab)
        leaving = [row.event for row in lab.rows() if row.type == "tap.repos-leaving"]
        assert sum(event.count for event in leaving) == 60, "each is fetched once"  # type: ignore[union-attr]


@pytest.mark.parametrize("seed", range(2))
async def test_an_index_that_is_lost_in_the_middle_of_a_job_makes_it_no_less_whole(
    tmp_path: Path, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    world = World(seed, 60, (STATUS,), (0, 5), odd_share=0.2)
    async with SandboxNetwork(world, SLOW) as network:
        lab = lab_of(tmp_path, network)
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until(lambda: bool(lab.index()))
            await trio.sleep(chance.uniform(0, 20))
        lose(lab, INDEX)
        assert forget(lab, monkeypatch).exit_code == 0
        async with lab.living() as (_, _):
            await lab.until_synced(job, 4 * 3600)
            await until_nothing_is_open(lab)
            await trio.sleep(600)
        check(lab)


async def test_an_older_log_takes_in_what_a_newer_index_has_and_nothing_is_counted_twice(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(World(9, 60, (STATUS,), (1, 4)), SLOW) as network:
        lab = lab_of(tmp_path, network)
        lab.config = replace(lab.config, tap=replace(lab.config.tap, unsettled_max=20))
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until(lambda: bool(lab.index()))
            copy = backup(lab, "log", log_only=True)
            assert not (copy / INDEX).exists()
            await lab.until_synced(job)
            network.world.create(network.world.did(3), STATUS)
            await trio.sleep(60)
        restore(lab, copy, LOG)
        assert lab.job(job)[0].outcome is None, "it is as it was then"
        async with lab.living() as (_, _):
            await lab.until_synced(job)
            await trio.sleep(60)
        check(lab)


async def test_what_tap_sent_after_a_backup_is_fetched_anew_by_a_refetch_after_a_restore(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    """Checkpoints that were kept elsewhere say that the log is older, until they are moved away;
    and until the refetch it is said that something is not here."""
    world, kept = World(4, 50, (STATUS,), (1, 4)), tmp_path / "checkpoints"
    async with SandboxNetwork(world) as network:
        lab = lab_of(tmp_path, network)
        log = LogConfig(checkpoint_file=str(kept), checkpoint_every=Duration(30))
        lab.config = replace(lab.config, log=log)
        async with lab.living() as (_, desk):
            await lab.until_synced(await lab.start(desk, lexicon(STATUS)))
            copy, made = backup(lab, "both"), lab.clock()
            for ordinal in range(0, 30, 3):
                did, records = world.did(ordinal), world.records(ordinal)
                world.create(did, STATUS)
                world.update(did, STATUS, records[0].rkey)
                world.delete(world.did(ordinal + 1), STATUS, world.records(ordinal + 1)[0].rkey)
            for _ in range(3):
                world.create(world.new_account(), STATUS)
            await lab.until_synced(await lab.start(desk, StartJob(STATUS)))
            await trio.sleep(120)
            lab.check_the_index_is_the_truth(STATUS)
        restore(lab, copy, LOG, INDEX)
        async with lab.living() as (journal, _):
            assert "its tail is cut off: a checkpoint of" in journal.frozen
        kept.rename(tmp_path / "evidence")
        async with lab.living() as (journal, desk):
            assert not journal.frozen
            await trio.sleep(600)
            assert await lacks_since(lab) == made
            with pytest.raises(AssertionError):
                lab.check_the_index_is_the_truth(STATUS)
            # as the command says: backfillctl start --all --mode refetch
            await lab.until_synced(await lab.start(desk, StartJob(mode="refetch")))
            await until_nothing_is_open(lab)
            assert await lacks_since(lab) is None
            await trio.sleep(600)
        check(lab)
        async with lab.living():
            pass
        assert lab.said().count("index.restored") == 1


async def lacks_since(lab: Lab) -> float | None:
    """What coverage, status and doctor go by: of when the index is, if that is not yet mended."""
    with closing(lab.views()) as views:
        return await views.restored([STATUS])


async def test_lost_projections_are_made_anew_and_the_job_goes_on(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with SandboxNetwork(World(6, 60, (STATUS,), (1, 4)), SLOW) as network:
        lab = lab_of(tmp_path, network)
        async with lab.living() as (_, desk):
            job = await lab.start(desk, lexicon(STATUS))
            await lab.until(lambda: bool(lab.index()))
        tampered(lab.folder / LOG, "DROP TABLE repo", "DROP TABLE tally", "DELETE FROM job")
        async with lab.living() as (_, _):
            await lab.until_synced(job)
        check(lab)
