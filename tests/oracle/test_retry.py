"""What failed is tried again in a job of its own, and is here when its trouble is over."""

from contextlib import closing
from pathlib import Path

import trio.testing
from support.lives import Lab, lexicon

from backfilld.backfill.commands import Retry, StartJob, packed
from backfilld.control import covered
from backfilld.control.views.coverage import Of
from backfilld.sandbox.network import SandboxNetwork
from backfilld.sandbox.world import World
from backfilld_events.catalog.source import ReposLeaving
from backfilld_events.faults import Fault
from backfilld_events.ids import Nsid
from backfilld_events.projections.classes import Class

STATUS = Nsid("xyz.statusphere.status")
TROUBLED = 3


async def found(lab: Lab, what: str) -> tuple[Of, covered.Found]:
    with closing(lab.views()) as views:
        of = await views.of_job(what) if "." not in what else await views.of_collection(Nsid(what))
        assert of is not None
        return of, (await views.covered(of))[0]


def taken_out(lab: Lab) -> int:
    """How many were taken out of Tap for good."""
    leaving = [row.event for row in lab.rows() if row.type == "tap.repos-leaving"]
    return sum(one.count for one in leaving if isinstance(one, ReposLeaving) and not one.again)


async def test_final_failures_come_when_they_are_tried_again_and_nothing_is_open(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    world = World(5, 40, (STATUS,), (1, 9))
    for n in range(TROUBLED):
        world.set_fate(world.did(n), "not_on_plc")
    async with SandboxNetwork(world) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            first = await lab.start(desk, lexicon(STATUS))
            await lab.until_synced(first)
            of, before = await found(lab, first)
            assert before.faults == {Fault.DID_DOC_NOT_FOUND: TROUBLED}
            assert covered.sentence(before) == (
                "All 40 repositories explained: 37 synced, 3 failed. Nothing open."
            )
            await lab.until(lambda: taken_out(lab) == TROUBLED, within_s=4 * 3600)
            for n in range(TROUBLED):
                world.set_fate(world.did(n), "active")
            assert of.job is not None
            with closing(lab.views()) as views:
                dids = await views.failed_dids(of.job, [Fault.DID_DOC_NOT_FOUND])
            assert sorted(dids) == sorted(world.did(n) for n in range(TROUBLED))
            retries = Retry(first, of.job.collections, (Fault.DID_DOC_NOT_FOUND.word,))
            again = await lab.start(
                desk, StartJob(STATUS, packed(dids), mode="refetch", retries=retries)
            )
            await lab.until_synced(again)
            with closing(lab.views()) as views:
                detail = await views.job(first)
                one = await views.account(world.did(0), None, 100)
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()
        assert detail is not None
        assert detail.retried_by == [again]
        for what in (first, again, STATUS):
            _, after = await found(lab, what)
            assert set(after.classes) == {Class.SYNCED}
            assert covered.complete(after)
        assert one is not None
        says = " | ".join(line.says for line in one.history)
        assert "(did_doc_not_found)" in says
        assert "taken out of Tap, for good" in says
        assert f"named in job {again[:8]}" in says
        assert "Tap says active: " in says.rpartition(" | ")[2]
