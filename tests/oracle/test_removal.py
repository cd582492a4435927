"""Somebody has a collection removed from the index, takes its repositories out of Tap, and asks for
it again: it comes back whole, and until it has nobody is told that it is here."""

from contextlib import closing
from pathlib import Path

import httpx
import pytest
import trio
import trio.testing
from support.lives import Lab, lexicon

from backfilld.backfill.commands import StartJob
from backfilld.control.shapes import JobShape
from backfilld.delivery.removal import Remover
from backfilld.sandbox.network import TAP_URL, SandboxNetwork
from backfilld.sandbox.tap import TapSettings
from backfilld.sandbox.world import World
from backfilld_events.ids import Did, Nsid

STATUS = Nsid("xyz.statusphere.status")
ALICE = "uid:1000"

Clock = trio.testing.MockClock


@pytest.fixture
def removers(monkeypatch: pytest.MonkeyPatch) -> list[Remover]:
    """Those of all lives of the daemon."""
    made: list[Remover] = []
    init = Remover.__init__

    def noted(self: Remover, *args: object) -> None:
        init(self, *args)  # type: ignore[arg-type]
        made.append(self)

    monkeypatch.setattr(Remover, "__init__", noted)
    return made


def shown(lab: Lab, job: str) -> JobShape:
    with closing(lab.views()) as views:
        return views._job(*lab.job(job))


async def removed(lab: Lab, remover: Remover) -> None:
    under = await remover.collection(STATUS, ALICE)
    await under.done.wait()
    assert lab.index() == []


async def taken_out_of_tap(network: SandboxNetwork, dids: list[Did]) -> None:
    async with httpx.AsyncClient(transport=network.transport) as client:
        answer = await client.post(f"{TAP_URL}/repos/remove", json={"dids": dids})
    assert answer.status_code == 200


@pytest.mark.parametrize("forgotten_s", [0.0, 600.0])
async def test_a_removed_collection_comes_back_whole_however_fast_tap_fetches(
    tmp_path: Path, autojump_clock: Clock, removers: list[Remover], forgotten_s: float
) -> None:
    async with SandboxNetwork(World(5, 60, (STATUS,), (1, 4))) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            first = await lab.start(desk, lexicon(STATUS))
            await lab.until_synced(first)
            await removed(lab, removers[-1])
            assert shown(lab, first).sync.state == "synced", "what was removed is not waited for"
            await taken_out_of_tap(network, lab.handed_over(first))
            await trio.sleep(forgotten_s)
            await lab.until_synced(await lab.start(desk, StartJob(STATUS)))
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()


async def test_synced_is_never_said_of_an_empty_index_while_tap_has_still_to_fetch(
    tmp_path: Path, autojump_clock: Clock, removers: list[Remover]
) -> None:
    async with SandboxNetwork(World(5, 30, (STATUS,), (3, 3))) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            first = await lab.start(desk, lexicon(STATUS))
            await lab.until_synced(first)
            await trio.sleep(60)
            await removed(lab, removers[-1])
            await taken_out_of_tap(network, lab.handed_over(first))
            await network.start_tap(TapSettings(fetch_s=100_000.0))
            await trio.sleep(60)
            again = await lab.start(desk, StartJob(STATUS))
            await lab.until(lambda: lab.job(again)[0].ended_at is not None)
            for wait in (0, 5, 300):
                await trio.sleep(wait)
                assert shown(lab, again).sync.state == "syncing"
            assert shown(lab, again).sync.classes["handed_off"] == 30, "all are asked about"
            await network.start_tap(TapSettings())
            await lab.until_synced(again)
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()


async def test_a_job_for_a_removed_collection_that_tap_still_has_says_what_to_do(
    tmp_path: Path, autojump_clock: Clock, removers: list[Remover]
) -> None:
    async with SandboxNetwork(World(5, 30, (STATUS,), (1, 4))) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            await lab.until_synced(await lab.start(desk, lexicon(STATUS)))
            await removed(lab, removers[-1])
            again = await lab.start(desk, StartJob(STATUS, mode="add"))
            await trio.sleep(60)
            shape = shown(lab, again)
            assert (shape.sync.state, shape.sync.classes["held"]) == ("syncing", 30)
            assert shape.sync.sentence.endswith(f"backfillctl start {STATUS} --mode refetch.")
            asked = len(lab.said())
            await trio.sleep(60)
            assert len(lab.said()) == asked, "asking in vain leaves nothing in the log"
            last = await lab.start(desk, StartJob(STATUS, mode="refetch"))  # as the sentence says
            await lab.until_synced(last)
            assert shown(lab, again).sync.state == "synced"
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()


async def test_a_removed_collection_that_tap_still_has_comes_back_by_itself(
    tmp_path: Path, autojump_clock: Clock, removers: list[Remover]
) -> None:
    async with SandboxNetwork(World(5, 30, (STATUS,), (1, 4))) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            await lab.until_synced(await lab.start(desk, lexicon(STATUS)))
            await removed(lab, removers[-1])
            again = await lab.start(desk, StartJob(STATUS))
            await lab.until(lambda: shown(lab, again).sync.classes["held"] > 0)
            assert "are to be fetched again" in shown(lab, again).sync.sentence
            await lab.until_synced(again)
        assert "tap.repos-leaving" in lab.said()
        lab.check_the_index_is_the_truth(STATUS)
        lab.check_the_log()
