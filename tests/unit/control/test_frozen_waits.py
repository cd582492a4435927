"""An answer that waits for what a frozen log never brings is given at once."""

from types import SimpleNamespace
from typing import Any

import trio
import trio.testing

from backfilld.control.jobs.holding import until_ended
from backfilld.control.routes.records import _before


async def test_a_removal_that_is_broken_off_keeps_nobody_waiting(
    autojump_clock: trio.testing.MockClock,
) -> None:
    done, stop, freezing = trio.Event(), trio.Event(), trio.Event()
    answers: list[bool] = []

    async def ask() -> None:
        answers.append(await _before(done, (stop, freezing)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        assert answers == []
        freezing.set()
    assert answers == [False]
    done.set()
    assert await _before(done, (stop, trio.Event()))


async def test_who_waits_for_the_end_of_a_job_is_answered_when_the_log_is_frozen(
    autojump_clock: trio.testing.MockClock,
) -> None:
    freezing = trio.Event()
    journal = SimpleNamespace(
        freezing=freezing, watch=lambda _: trio.Event(), state=SimpleNamespace(jobs={"a": 1})
    )
    door: Any = SimpleNamespace(stop=trio.Event(), journal=journal, still_allowed=lambda _: True)
    request: Any = SimpleNamespace(receive=trio.sleep_forever)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(until_ended, door, request, "a", 3600)
        await trio.testing.wait_all_tasks_blocked()
        freezing.set()
    assert trio.current_time() == began
