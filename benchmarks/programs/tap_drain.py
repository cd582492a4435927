"""The whole channel against the real Tap, from an outbox that is full before anybody reads."""

from pathlib import Path
from typing import Final

import trio

from ..result import Line
from ..tap import children, contestants, course, process
from ..tap.contestants import BACKFILLD, Contestant
from ..tap.course import Lap, World
from ..tap.process import Tap

ABOUT: Final = "the whole channel, from a full outbox of the real Tap until that is empty"
REPOS, RECORDS = 400, 999  # and an identity event each: 400,000 events
ROUNDS: Final = 3
GOAL: Final = 0.8
FILL_S_MAX: Final = 900.0


def run(*, quick: bool) -> tuple[list[Line], list[str]]:
    """Fills one outbox, and lets every client drain copies of it."""
    return trio.run(_run, process.binary(), REPOS // (10 if quick else 1), 1 if quick else ROUNDS)


async def _run(program: Path, repos: int, rounds: int) -> tuple[list[Line], list[str]]:
    with course.scratch() as folder, course.world(repos, RECORDS, folder) as world:
        full = folder / "full"
        await _fill(program, full, world)

        async def lap(contestant: Contestant, at: Path) -> Lap:
            course.copied(full, at / "tap")
            if contestant is BACKFILLD:
                await contestants.taught(at)
            return await _drain(program, contestant, at, world)

        laps = await course.rounds(rounds, lap, world)
        return [
            *course.lines(laps, world.events, lambda lap: lap.emptied_s, GOAL, "outbox emptied"),
            *course.lines(laps, world.events, lambda lap: lap.acked_s, 0, "all acked"),
        ], course.notes(laps, world)


def _started(program: Path, folder: Path, world: World) -> process.Started:
    return process.started(program, folder, world.facts.url, capacity=2 * world.events)


async def _fill(program: Path, folder: Path, world: World) -> None:
    with _started(program, folder, world) as tap:
        await process.ready(tap)
        tap.add(world.facts.dids)
        await children.until(
            lambda: tap.counts().resynced == len(world.facts.dids), "the outbox is full", FILL_S_MAX
        )
        if (held := tap.outbox()) != world.events:
            raise children.Failed(f"the outbox has {held:,} events instead of {world.events:,}")


async def _loaded(tap: Tap, world: World) -> int:
    """Waits until Tap holds all in memory, and has put what it can into its queue; how much."""
    await process.ready(tap)
    await children.until(lambda: tap.counts().held == world.events, "it has loaded", FILL_S_MAX)
    before = -1
    while (sent := tap.counts().sent) != before:
        before = sent
        await trio.sleep(0.2)
    return sent


async def _drain(program: Path, contestant: Contestant, at: Path, world: World) -> Lap:
    with _started(program, at / "tap", world) as tap:
        queued = await _loaded(tap, world)
        with contestant.start(tap.url, world.facts.url, at) as client:
            await children.until(
                lambda: tap.counts().sent > queued, "a first frame is taken", 60.0, every_s=0.005
            )
            return await course.Clock(tap, client, world).finish()
