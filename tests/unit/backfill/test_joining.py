"""Who asks for what is under way joins it; who asks again with the same key gets the same job."""

from functools import partial
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from support.given import LIKES, POSTS, did, dids, page
from support.lives import Lab, lexicon

from backfilld.backfill import decide
from backfilld.backfill.commands import (
    Accounts,
    CancelJob,
    DeleteLexicon,
    PauseJob,
    StartJob,
    UploadLexicon,
    packed,
)
from backfilld.backfill.decide import Decision
from backfilld.sandbox.faults import FaultPlan
from backfilld.sandbox.network import SandboxNetwork
from backfilld.sandbox.world import World
from backfilld_events.folds import INITIAL, State, evolve
from backfilld_events.folds.job import SCHEDULE
from backfilld_events.ids import Nsid
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
    accounts = packed(dids(0, 9))
    assert joins(under_way(StartJob(POSTS, accounts)), StartJob(POSTS, accounts))


@pytest.mark.parametrize(
    "command",
    [StartJob(LIKES), StartJob(), StartJob(POSTS, packed(dids(0, 2)))],
    ids=["another collection", "everything", "some accounts"],
)
def test_a_different_job_is_not(command: StartJob) -> None:
    assert not joins(under_way(StartJob(POSTS)), command)


def test_accounts_are_the_same_in_any_order_and_one_more_is_another_job() -> None:
    state = under_way(StartJob(POSTS, packed(dids(0, 5))))
    assert joins(state, StartJob(POSTS, packed(dids(0, 5)[::-1])))
    assert not joins(state, StartJob(POSTS, packed(dids(0, 6))))


def test_a_job_that_somebody_stopped_is_not_joined() -> None:
    state = under_way(StartJob(POSTS))
    pause = decide.pause_job(state, PauseJob("j"), actor="uid:1")
    assert not joins(after(state, pause), StartJob(POSTS))
    cancel = decide.cancel_job(state, CancelJob("j"), actor="uid:1")
    assert not joins(after(state, cancel), StartJob(POSTS))


def test_who_asks_for_a_higher_priority_does_not_wait_behind_a_job_of_a_lower_one() -> None:
    state = under_way(StartJob(POSTS, priority=-1, reason="rediscovery of all"))
    assert not joins(state, StartJob(POSTS))
    assert joins(state, StartJob(POSTS, priority=-1))
    assert joins(under_way(StartJob(POSTS, priority=5)), StartJob(POSTS, priority=4))


def test_a_job_that_has_begun_is_joined_whatever_priority_is_asked_for() -> None:
    """No priority would make it go faster."""
    state = under_way(StartJob(POSTS, priority=-1))
    first = Row(state.position + 1, "job/j", 1, "", 1, 0, "system", None, b"", b"")
    assert joins(evolve(state, first, page(0, 5)), StartJob(POSTS, priority=10))


def uploads(state: State, job_id: str) -> Decision:
    return decide.upload_lexicon(state, lexicon(POSTS), job_id=job_id, actor="uid:1")


def test_a_lexicon_that_is_deleted_and_comes_again_joins_the_job_that_is_under_way() -> None:
    state = after(INITIAL, uploads(INITIAL, "j"))
    state = after(state, decide.delete_lexicon(state, DeleteLexicon(POSTS), actor="uid:1"))
    again = uploads(state, "k")
    assert (again.id, again.joined) == ("j", True)
    state = after(state, again)
    assert list(state.jobs) == ["j"]
    assert state.lexicons[POSTS].is_record, "and the document is taken in"


def test_a_backfill_that_is_switched_on_again_joins_the_job_that_is_under_way() -> None:
    state = under_way(StartJob(POSTS))
    again = uploads(state, "k")
    assert (again.id, again.joined) == ("j", True)
    assert list(after(state, again).jobs) == ["j"]


def test_a_lexicon_does_not_join_a_job_that_somebody_stopped() -> None:
    state = under_way(StartJob(POSTS))
    state = after(state, decide.pause_job(state, PauseJob("j"), actor="uid:1"))
    assert uploads(state, "k").id == "k"


def test_a_look_that_began_by_itself_is_joined_by_nobody_for_it_counts_only_what_is_new() -> None:
    state = under_way(StartJob(LIKES))
    look = decide.start_job(state, StartJob(POSTS), job_id="l", actor=SCHEDULE)
    assert not joins(after(state, look), StartJob(POSTS))


def test_the_same_key_is_the_same_job() -> None:
    state = under_way(StartJob(POSTS, idempotency_key="a"))
    assert joins(state, StartJob(POSTS, idempotency_key="a"))


@pytest.mark.parametrize(
    "command",
    [
        StartJob(LIKES, idempotency_key="a"),
        StartJob(POSTS, packed(dids(0, 2)), idempotency_key="a"),
        StartJob(POSTS, priority=1, idempotency_key="a"),
        StartJob(POSTS, reason="another", idempotency_key="a"),
    ],
    ids=["collection", "accounts", "priority", "reason"],
)
def test_the_same_key_with_another_request_is_refused(command: StartJob) -> None:
    with pytest.raises(decide.Refused) as refused:
        asked(under_way(StartJob(POSTS, idempotency_key="a")), command)
    assert refused.value.code == "idempotency-key-reused"


def test_a_key_means_nothing_to_anybody_but_who_sent_it() -> None:
    state = under_way(StartJob(POSTS, idempotency_key="a"))
    for command in (StartJob(POSTS, idempotency_key="a"), StartJob(LIKES, idempotency_key="a")):
        other = decide.start_job(state, command, job_id="k", actor="uid:2")
        assert (other.id, other.joined) == ("k", False)
        assert asked(after(state, other), StartJob(POSTS, idempotency_key="a")).id == "j"


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


def _accounts(numbers: set[int]) -> Accounts:
    return packed([did(number) for number in numbers])


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

            async def ask(n: int) -> None:
                actor = f"uid:{n}" if key is None else "uid:1"  # a key is one actor's own
                ids.append((await desk.submit(command, actor)).id)

            async with trio.open_nursery() as nursery:
                for n in range(20):
                    nursery.start_soon(partial(ask, n))
        assert lab.said().count("job.started") == 1
        assert len(ids) == 20
        assert len(set(ids)) == 1


async def test_a_lexicon_and_a_start_at_the_same_moment_are_one_job(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    status = Nsid("xyz.statusphere.status")
    down = FaultPlan(down=[(0.0, 60.0)])
    async with SandboxNetwork(World(3, 10, (status,), (0, 2)), relay_faults=down) as network:
        lab = Lab(tmp_path, network)
        async with lab.living() as (_, desk):
            await desk.submit(lexicon(status, backfill=False), "uid:1000")
            ids: list[str | None] = []

            async def ask(command: StartJob | UploadLexicon) -> None:
                ids.append((await desk.submit(command, "uid:1000")).id)

            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(ask, StartJob(status))
                    nursery.start_soon(ask, lexicon(status))
        assert lab.said().count("job.started") == 1
        assert lab.said().count("lexicon.uploaded") == 6
        assert len({one for one in ids if one is not None}) == 1
