"""A whole backfill through the real Tap: fetched, verified, stored, delivered, committed, acked."""

from pathlib import Path
from typing import Final

import trio

from ..result import Line
from ..tap import course, process
from ..tap.contestants import Contestant
from ..tap.course import Lap, World

ABOUT: Final = "a whole backfill through the real Tap, from /repos/add until all is acked"
REPOS, RECORDS = 600, 700
ROUNDS: Final = 3
GOAL: Final = 0.97
CAPACITY: Final = 100_000  # of the outbox: Tap's own


def run(*, quick: bool) -> tuple[list[Line], list[str]]:
    """A fresh Tap for every lap. backfilld lists the relay and hands over itself, its clock runs
    from when it is given the lexicon."""
    return trio.run(_run, process.binary(), REPOS // (10 if quick else 1), 1 if quick else ROUNDS)


async def _run(program: Path, repos: int, rounds: int) -> tuple[list[Line], list[str]]:
    with course.scratch() as folder, course.world(repos, RECORDS, folder) as world:

        async def lap(contestant: Contestant, at: Path) -> Lap:
            return await _backfill(program, contestant, at, world)

        laps = await course.rounds(rounds, lap, world)
        return course.lines(
            laps, world.events, lambda lap: lap.acked_s, GOAL, "backfilled"
        ), course.notes(laps, world)


async def _backfill(program: Path, contestant: Contestant, at: Path, world: World) -> Lap:
    with process.started(program, at / "tap", world.facts.url, CAPACITY) as tap:
        await process.ready(tap)
        with contestant.start(tap.url, world.facts.url, at) as client:
            await client.connected()
            clock = course.Clock(tap, client, world)
            client.hand_over(tap, world.facts.dids)
            return await clock.finish()
