"""The rows that are shown are compared with the log while the daemon works, and made anew from it
when they are not what it says."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import trio
from support.lives import Lab, lexicon

from backfilld import comparison
from backfilld.asking import leaves
from backfilld.recheck import ProjectionsDiffer
from backfilld.sandbox.network import SandboxNetwork
from backfilld.sandbox.world import World
from backfilld_events.audit.replay import replay
from backfilld_events.ids import Nsid

STATUS = Nsid("xyz.statusphere.status")


def edited(path: Path) -> None:
    """A row by which it is said that a repository is whole; the log and the state are as before."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE repo SET since = since + 1 WHERE id = (SELECT min(id) FROM repo)")


async def test_a_row_that_does_not_follow_from_the_log_is_found_and_made_anew(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "FIRST_S", 60.0)
    async with SandboxNetwork(World(1, 30, (STATUS,), (1, 2))) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            job_id = await lab.start(desk, lexicon(STATUS))
            await lab.until_synced(job_id)
        edited(tmp_path / "events.db")
        with pytest.raises(BaseExceptionGroup) as raised:
            async with lab.living():
                await trio.sleep_forever()
        (told,) = [one for one in leaves(raised.value) if isinstance(one, ProjectionsDiffer)]
        assert "1 row of the projections is not what the log says" in str(told)
        assert "repo id=" in str(told)
        assert "since is" in str(told)
        async with lab.living():
            assert not replay(tmp_path / "events.db").differ
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()
