"""Each letter is brought until it is taken, for a day, and only then is it called delivered."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from itertools import pairwise
from pathlib import Path

import pytest
import trio
import trio.testing
from support.given import NOON, POSTS

from backfilld.clock import virtual
from backfilld.journal import Journal
from backfilld.notify.courier import BACKOFF_S_FIRST, BACKOFF_S_MAX, GIVE_UP_S, Courier
from backfilld.notify.letter import Letter, NotTaken
from backfilld.notify.reading import Reading
from backfilld.notify.targets import Target
from backfilld.worker import InlineWorker
from backfilld_events.catalog.notify import NewsDelivered, NewsGivenUp, NewsRaised, TargetAdded
from backfilld_events.eventlog import EventLog
from backfilld_events.log import read
from backfilld_events.log.file import open_reader
from backfilld_events.row import NewEvent, Row

Clock = trio.testing.MockClock


class Doorstep:
    """A target: refuses what it is told to refuse, and keeps when it was asked."""

    def __init__(self) -> None:
        self.tries: list[tuple[float, int]] = []  # (when, id)
        self.refuses: Callable[[Letter, int], NotTaken | None] = lambda letter, n: None
        self.at_once = self.most_at_once = 0
        self.takes_s = 0.0

    async def take(self, letter: Letter) -> None:
        n = sum(seen == letter.id for _, seen in self.tries) + 1
        self.tries.append((trio.current_time(), letter.id))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await trio.sleep(self.takes_s)
        finally:
            self.at_once -= 1
        if (refusal := self.refuses(letter, n)) is not None:
            raise refusal


class Street:
    """A log with a target in it, and the courier's lives."""

    def __init__(self, folder: Path) -> None:
        self.path, self.door, self.clock = folder / "events.db", Doorstep(), virtual(NOON)
        kinds = ("job.failed", "job.synced")
        self.target = Target("t", "/bin/page", frozenset(kinds), self.door.take)

    @asynccontextmanager
    async def living(self) -> AsyncIterator[Journal]:
        with (
            closing(EventLog.open(self.path)) as log,
            closing(open_reader(self.path)) as db,
        ):
            journal = Journal(log, InlineWorker(), self.clock)
            async with trio.open_nursery() as nursery:
                await nursery.start(journal.run)
                if not journal.state.notices.targets:
                    added = TargetAdded("t", "/bin/page", sorted(self.target.kinds), [], 0)
                    await journal.append([NewEvent("notify/t", added, "system")])
                letters = Reading(db, InlineWorker(), self.path.parent).letter
                chance = random.Random(3).random
                courier = Courier(self.target, journal, letters, self.clock, chance)
                nursery.start_soon(courier.run)
                yield journal
                nursery.cancel_scope.cancel()

    async def raised(self, journal: Journal, kind: str = "job.failed") -> int:
        event = NewsRaised(kind, "3b0d", [POSTS], "failed", "a sentence", None, 3)
        (row,) = await journal.append([NewEvent("notify", event, "system", 1)])
        return row.position

    def rows(self) -> list[Row]:
        with closing(open_reader(self.path)) as db:
            found = read.rows(db, stream="notify/t")
            return [row for row in found if row.type != "notify.target-added"]


@pytest.fixture
async def street(tmp_path: Path) -> Street:
    return Street(tmp_path)


async def test_a_letter_that_is_taken_is_an_event_that_names_it(
    street: Street, autojump_clock: Clock
) -> None:
    async with street.living() as journal:
        position = await street.raised(journal)
        await trio.sleep(1)
        assert journal.state.notices.targets["t"].waiting == ()
    (row,) = street.rows()
    assert row.event == NewsDelivered("t", "job.failed", position, 1)
    assert (row.cause, row.actor) == (position, "system")
    assert [seen for _, seen in street.door.tries] == [position]


async def test_what_the_target_does_not_want_never_goes_to_it(
    street: Street, autojump_clock: Clock
) -> None:
    async with street.living() as journal:
        await street.raised(journal, "job.stalled")
        await trio.sleep(3600)
    assert street.door.tries == []


async def test_letters_go_in_order_and_one_at_a_time(street: Street, autojump_clock: Clock) -> None:
    street.door.takes_s = 7.0
    async with street.living() as journal:
        positions = [await street.raised(journal) for _ in range(5)]
        await trio.sleep(60)
    assert [seen for _, seen in street.door.tries] == positions
    assert street.door.most_at_once == 1


async def test_what_waited_over_a_restart_goes_in_order_too(
    street: Street, autojump_clock: Clock
) -> None:
    street.door.refuses = lambda letter, n: NotTaken("no")
    async with street.living() as journal:
        positions = [await street.raised(journal) for _ in range(8)]
        await trio.sleep(0.5)
    street.door.tries.clear()
    street.door.refuses = lambda letter, n: None
    async with street.living():
        await trio.sleep(1)
    assert [seen for _, seen in street.door.tries] == positions


async def test_a_letter_is_tried_again_after_longer_and_longer_waits(
    street: Street, autojump_clock: Clock
) -> None:
    street.door.refuses = lambda letter, n: NotTaken("answered 500") if n < 12 else None
    async with street.living() as journal:
        position = await street.raised(journal)
        await trio.sleep(3 * 3600)
    (row,) = street.rows()
    assert row.event == NewsDelivered("t", "job.failed", position, 12)
    times = [when for when, _ in street.door.tries]
    waits = [after - before for before, after in pairwise(times)]
    for n, wait in enumerate(waits):
        bound = min(BACKOFF_S_MAX, BACKOFF_S_FIRST * 2**n)
        assert bound / 2 <= wait <= bound + 1


async def test_a_target_that_asks_for_time_gets_it(street: Street, autojump_clock: Clock) -> None:
    street.door.refuses = lambda letter, n: NotTaken("busy", 1800.0) if n == 1 else None
    async with street.living() as journal:
        await street.raised(journal)
        await trio.sleep(3600)
    (first, _), (second, _) = street.door.tries
    assert second - first >= 1800


async def test_one_letter_that_is_refused_holds_up_no_other(
    street: Street, autojump_clock: Clock
) -> None:
    async with street.living() as journal:
        bad = await street.raised(journal)
        street.door.refuses = lambda letter, n: NotTaken("no") if letter.id == bad else None
        good = await street.raised(journal)
        await trio.sleep(60)
        assert journal.state.notices.targets["t"].waiting == (bad,)
    assert [row.event.position for row in street.rows()] == [good]  # type: ignore[union-attr]


async def test_after_a_day_a_letter_is_given_up_and_the_log_says_why(
    street: Street, autojump_clock: Clock
) -> None:
    street.door.refuses = lambda letter, n: NotTaken("answered 403 Forbidden")
    async with street.living() as journal:
        began = trio.current_time()
        position = await street.raised(journal)
        await trio.sleep(GIVE_UP_S - BACKOFF_S_MAX - 1)
        assert street.rows() == []
        await trio.sleep(2 * BACKOFF_S_MAX)
        assert journal.state.notices.targets["t"].waiting == ()
        tries = len(street.door.tries)
        await trio.sleep(GIVE_UP_S)
        assert len(street.door.tries) == tries
    (row,) = street.rows()
    assert row.event == NewsGivenUp("t", "job.failed", position, tries, "answered 403 Forbidden")
    assert row.at - NOON <= GIVE_UP_S + trio.current_time() - began


async def test_a_crash_between_delivery_and_event_brings_the_same_letter_again(
    street: Street, autojump_clock: Clock
) -> None:
    bodies: list[bytes] = []
    took = trio.Event()

    async def takes_and_never_answers(letter: Letter) -> None:
        bodies.append(letter.body)
        took.set()
        await trio.sleep_forever()

    street.target = Target("t", "/bin/page", street.target.kinds, takes_and_never_answers)
    async with street.living() as journal:
        position = await street.raised(journal)
        await took.wait()

    async def takes(letter: Letter) -> None:
        bodies.append(letter.body)

    street.target = Target("t", "/bin/page", street.target.kinds, takes)
    async with street.living():
        await trio.sleep(1)
    assert bodies[0] == bodies[1]
    assert len(bodies) == 2
    (row,) = street.rows()
    assert row.event == NewsDelivered("t", "job.failed", position, 1)


async def test_what_waited_while_the_daemon_was_away_has_its_day_from_its_return(
    street: Street, autojump_clock: Clock
) -> None:
    street.door.refuses = lambda letter, n: NotTaken("the network is not up yet")
    async with street.living() as journal:
        await street.raised(journal)
        await trio.sleep(1)
    await trio.sleep(3 * GIVE_UP_S)
    async with street.living():
        await trio.sleep(3600)
        assert street.rows() == []
        street.door.refuses = lambda letter, n: None
        await trio.sleep(2 * BACKOFF_S_MAX)
    (row,) = street.rows()
    assert isinstance(row.event, NewsDelivered)
