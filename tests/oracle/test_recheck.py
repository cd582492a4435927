"""The state a start takes from the projections is checked against a replay, and never trusted."""

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
import trio
from support.lives import Lab, lexicon

from backfilld.asking import leaves
from backfilld.recheck import ProjectionsDiffer
from backfilld.sandbox.faults import FaultPlan
from backfilld.sandbox.network import SandboxNetwork
from backfilld.sandbox.tap import TapSettings
from backfilld.sandbox.world import World
from backfilld_events.folds.job import Job
from backfilld_events.ids import Nsid

STATUS = Nsid("xyz.statusphere.status")


async def test_a_saved_state_that_does_not_follow_from_the_log_is_not_trusted_twice(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    tap = FaultPlan(down=[(0.0, 60.0)])
    world = World(1, 60, (STATUS,), (1, 2))
    settings = TapSettings(collection_filters=(STATUS,))
    async with SandboxNetwork(world, settings, tap_faults=tap) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            job_id = await lab.start(desk, lexicon(STATUS))
            await trio.sleep(1)
        found = lab.job(job_id)[0].discovered
        spoil(tmp_path / "events.db", more=1000)
        with pytest.raises(BaseExceptionGroup) as raised:
            async with lab.living():
                await trio.sleep_forever()
        assert any(isinstance(one, ProjectionsDiffer) for one in leaves(raised.value))
        async with lab.living() as (journal, _):
            assert journal.state.jobs[job_id].discovered == found == 60
            await lab.until_synced(job_id)
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()


def spoil(path: Path, more: int) -> None:
    """Changes what was saved of the one job's state, as a fault of ours might."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        ((saved,),) = db.execute("SELECT state FROM job").fetchall()
        job = msgspec.msgpack.decode(saved, type=Job)
        wrong = msgspec.structs.replace(job, discovered=job.discovered + more)
        db.execute("UPDATE job SET state = ?", (msgspec.msgpack.encode(wrong),))
