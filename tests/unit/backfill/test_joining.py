"""Who asks for what is under way joins it; who asks again with the same key gets the same job."""

from functools import partial
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from support.given import LIKES, POSTS, dids
from support.lives import Lab, lexicon

from backfilld.backfill import decide
from backfilld.backfill.commands import CancelJob, PauseJob, StartJob
from backfilld.backfill.decide import Decision
from backfilld.sandbox.faults import FaultPlan
from backfilld.sandbox.network import SandboxNetwork
from backfilld.sandbox.world import World
from backfilld_events.folds import INITIAL, State, evolve
from backfilld_events.ids import Did, Nsid
from backfilld_events.row import Row


def after(state: State, decision: Decision) -> State:
    for new in decision.events:
        row = Row(state.position + 1, new.stream, 1, "", 1, 0, new.actor, None, b"", b"")
        state = evolve(state, row, new.event)
    return state


def asked(state: State, command: StartJob, job_id: str = "k") -> Decision:
    return decide.start_job(state, command, job_id=job_id, actor="uid:1")


def under_way(command: StartJob) -> State:
    state = INITIAL
    for nsid in (POSTS, LIKES):
        upload = lexicon(nsid, backfill=False)
        state = after(state, decide.upload_lexicon(state, upload, job_id="-", actor="uid:1"))
    return after(state, asked(state, command, "j"))


def joins(state: State, command: StartJob) -> bool:
    decision = asked(state, command)
    assert decision.joined == (decision.id == "j")
    assert decision.joined == (not decision.events)
    return decision.joined


def test_an_equal_job_that_is_under_way_is_joined() -> None:
    assert joins(under_way(StartJob(POSTS)), StartJob(POSTS))
    assert joins(under_way(StartJob()), StartJob())
    accounts = tuple(dids(0, 9))
    assert joins(under_way(StartJob(POSTS, accounts)), StartJob(POSTS, accounts))


@pytest.mark.parametrize(
    "command",
    [StartJob(LIKES), StartJob(), StartJob(POSTS, tuple(dids(0, 2)))],
    ids=["another collection", "everything", "some accounts"],
)
def test_a_different_job_is_not(command: StartJob) -> None:
    assert not joins(under_way(StartJob(POSTS)), command)


def test_accounts_are_the_same_in_any_order_and_one_more_is_another_job() -> None:
    state = under_way(StartJob(POSTS, tuple(dids(0, 5))))
    assert joins(state, StartJob(POSTS, tuple(reversed(dids(0, 5)))))
    assert not joins(state, StartJob(POSTS, tuple(dids(0, 6))))


def test_a_job_that_somebody_stopped_is_not_joined() -> None:
    state = under_way(StartJob(POSTS))
    pause = decide.pause_job(state, PauseJob("j"), actor="uid:1")
    assert not joins(after(state, pause), StartJob(POSTS))
    cancel = decide.cancel_job(state, CancelJob("j"), actor="uid:1")
    assert not joins(after(state, cancel), StartJob(POSTS))


def test_the_same_key_is_the_same_job_whatever_else_is_asked() -> None:
    state = under_way(StartJob(POSTS, idempotency_key="a"))
    assert joins(state, StartJob(POSTS, idempotency_key="a"))
    assert joins(state, StartJob(LIKES, idempotency_key="a"))


def test_another_key_asks_for_another_job() -> None:
    assert not joins(under_way(StartJob(POSTS)), StartJob(POSTS, idempotency_key="a"))


def test_a_key_is_remembered_after_the_end_of_its_job() -> None:
    state = INITIAL
    state = after(state, asked(state, StartJob(POSTS, idempotency_key="a"), "j"))
    assert state.jobs == {}, "there is no such lexicon: it has failed"
    assert joins(state, StartJob(POSTS, idempotency_key="a"))


@given(st.sets(st.integers(0, 30), min_size=1), st.sets(st.integers(0, 30), min_size=1))
def test_lists_are_equal_exactly_when_their_accounts_are(one: set[int], other: set[int]) -> None:
    state = under_way(StartJob(POSTS, _accounts(one)))
    assert joins(state, StartJob(POSTS, _accounts(other))) == (one == other)


def _accounts(numbers: set[int]) -> tuple[Did, ...]:
    return tuple(dids(number, 1)[0] for number in numbers)


@pytest.mark.parametrize("key", [None, "a"])
async def test_of_many_who_ask_at_the_same_moment_one_starts_the_job_and_all_get_it(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, key: str | None
) -> None:
    status = Nsid("xyz.statusphere.status")
    down = FaultPlan(down=[(0.0, 60.0)])  # so that it does not end meanwhile
    async with SandboxNetwork(World(3, 10, (status,), (0, 2)), relay_faults=down) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            await desk.submit(lexicon(status, backfill=False), "uid:1000")
            command = StartJob(status, idempotency_key=key)
            ids: list[str | None] = []

            async def ask(actor: str) -> None:
                ids.append((await desk.submit(command, actor)).id)

            async with trio.open_nursery() as nursery:
                for n in range(20):
                    nursery.start_soon(partial(ask, f"uid:{n}"))
        assert lab.said().count("job.started") == 1
        assert len(ids) == 20
        assert len(set(ids)) == 1
