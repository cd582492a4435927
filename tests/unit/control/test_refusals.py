"""Whoever is refused again and again writes next to nothing, and how often it was is told."""

import trio
from trio.testing import MockClock

from backfilld.control.serving.refusals import MINUTE_S, PER_MINUTE, Refusals


async def test_so_many_refusals_a_minute_are_told_and_of_the_rest_the_number(
    autojump_clock: MockClock,
) -> None:
    refusals = Refusals()
    told = [refusals.more("key:none") for _ in range(PER_MINUTE + 5)]
    assert told == [0] * PER_MINUTE + [None] * 5
    await trio.sleep(MINUTE_S)
    assert [refusals.more("key:none") for _ in range(2)] == [5, 0], "in one later event, once"


async def test_nobody_hides_the_refusals_of_another(autojump_clock: MockClock) -> None:
    refusals = Refusals()
    for _ in range(PER_MINUTE + 1):
        refusals.more("key:none")
    assert refusals.more("key:other") == 0
