"""However many ask, Tap is asked seldom; and when it is gone, its last numbers stay, with their
age."""

from collections import Counter
from typing import cast

import pytest
import trio
import trio.testing

from backfilld.clock import virtual
from backfilld.control.shapes import ChannelShape
from backfilld.control.tapstats import DOWN_S, SAMPLE_S, TapCounters
from backfilld.failures import Failure
from backfilld.sources.tap.http import Counters, Cursors, TapHttp

CHANNEL = ChannelShape(connected=True, since=None, why=None, unacked=0)
MINUTE = 60.0


class FakeTap:
    """Answers after a second, and counts how often it was asked."""

    url = "http://tap"

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.outbox, self.is_down, self.has_cursors = 100, False, True

    async def _answer(self, what: str) -> None:
        self.asked[what] += 1
        await trio.sleep(1)
        if self.is_down:
            raise Failure("unreachable", "connection refused")

    async def counters(self) -> Counters:
        await self._answer("counters")
        return Counters(7, 70, self.outbox, 3)

    async def cursors(self) -> Cursors:
        await self._answer("cursors")
        if not self.has_cursors:
            raise Failure("bad_answer", "404")
        return Cursors(442, "")

    async def outbox_buffer(self) -> int:
        await self._answer("outbox")
        return self.outbox


def counters(tap: FakeTap) -> TapCounters:
    return TapCounters(cast(TapHttp, tap), virtual(1.8e9))


async def test_two_hundred_who_ask_at_once_are_one_question(
    autojump_clock: trio.testing.MockClock,
) -> None:
    tap = FakeTap()
    known = counters(tap)
    found = []

    async def ask() -> None:
        found.append(await known.stats(CHANNEL, MINUTE))

    for _ in range(2):
        async with trio.open_nursery() as nursery:
            for _ in range(200):
                nursery.start_soon(ask)
        await trio.sleep(10)
    assert {(one.repo_count, one.outbox_buffer, one.resync_buffer) for one in found} == {
        (7, 100, 3)
    }
    assert tap.asked == {"counters": 1, "cursors": 1, "outbox": 1}


async def test_the_counts_have_their_age_and_the_outbox_is_of_now(
    autojump_clock: trio.testing.MockClock,
) -> None:
    tap = FakeTap()
    known = counters(tap)
    first = await known.stats(CHANNEL, MINUTE)
    await trio.sleep(40)
    tap.outbox = 20
    later = await known.stats(CHANNEL, MINUTE)
    assert (later.observed_at, later.outbox_buffer) == (first.observed_at, 20)
    assert 40 <= later.age_s <= 43
    assert later.outbox_at > first.outbox_at
    assert later.cursors is not None
    assert later.cursors.firehose == 442


async def test_a_tap_that_is_gone_is_not_asked_by_each_and_its_last_numbers_stay(
    autojump_clock: trio.testing.MockClock,
) -> None:
    tap = FakeTap()
    known = counters(tap)
    assert known.last(CHANNEL) is None
    assert known.health().state == "unknown"
    await known.stats(CHANNEL, MINUTE)
    assert known.health().state == "up"
    await trio.sleep(100)
    tap.is_down = True
    refused = 0

    async def ask() -> None:
        nonlocal refused
        with pytest.raises(Failure, match="connection refused"):
            await known.stats(CHANNEL, MINUTE)
        refused += 1

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(ask)
    assert (refused, tap.asked["counters"]) == (50, 2)
    last, health = known.last(CHANNEL), known.health()
    assert last is not None
    assert (last.outbox_buffer, last.age_s > 100) == (100, True)
    assert (health.state, health.why) == ("down", "connection refused")
    tap.is_down = False
    await trio.sleep(DOWN_S)
    assert (await known.stats(CHANNEL, MINUTE)).age_s < 5


async def test_the_trend_says_how_fast_the_outbox_grows_or_shrinks(
    autojump_clock: trio.testing.MockClock,
) -> None:
    tap = FakeTap()
    known = counters(tap)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(known.sampling)
        first = await known.stats(CHANNEL, MINUTE)
        assert first.trend is None, "one look is no trend"
        for _ in range(60):
            await trio.sleep(10)
            tap.outbox += 50
        trend = (await known.stats(CHANNEL, MINUTE)).trend
        assert trend is not None
        assert trend.outbox_per_s == pytest.approx(5, rel=0.2)
        assert trend.over_s <= 300 + SAMPLE_S
        tap.is_down = True
        await trio.sleep(100)  # it bears that
        nursery.cancel_scope.cancel()
    assert known.health().state == "down"


async def test_a_tap_without_cursors_is_told_of_without_them(
    autojump_clock: trio.testing.MockClock,
) -> None:
    tap = FakeTap()
    tap.has_cursors = False
    stats = await counters(tap).stats(CHANNEL, MINUTE)
    assert (stats.repo_count, stats.cursors) == (7, None)
