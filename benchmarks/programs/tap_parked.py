"""A server that answers 429, through the real Tap: how long until its repositories are all here."""

import http.client
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final
from urllib.parse import urlsplit

import msgspec
import trio
from msgspec import Struct

from ..result import Line
from ..tap import contestants, course, process
from ..tap.children import Failed, tail
from ..tap.contestants import BACKFILLD, DISCARD, Client, Contestant, Daemon
from ..tap.course import World
from ..tap.limits import WINDOW_S
from ..tap.process import Counts, Tap
from ..tap.world_server import ASKED

ABOUT: Final = (
    "repositories of one server that answers 429, through the real Tap, until all are here"
)
REPOS, RECORDS = 600, 40
REFUSED_AT, MOST = 100, 100
ROUNDS: Final = 3
GOAL_S: Final = 20.0
ALONE: Final = "Tap left to itself"
CAPACITY: Final = 100_000  # of the outbox: Tap's own
LAP_S_MAX: Final = 900.0
LOOK_S: Final = 0.1
REPOS_LOOK_S: Final = 1.0  # when its counters cannot tell, and every repository is asked for


class Scene(Struct, frozen=True):
    """What the server bears, `limit`: arguments of `tap.world`. `goal_s`: 0 where none is set."""

    what: str
    limit: Sequence[object]
    goal_s: float


class Lap(Struct, frozen=True):
    """Seconds until every repository is active and all its records are acked, and until the client
    says so (0: it never does); then how often the server was asked, and answered 429."""

    here_s: float
    said_s: float
    asked: int
    refused: int


def run(*, quick: bool) -> tuple[list[Line], list[str]]:
    """A fresh Tap and a fresh world for every lap. Tap is left to itself by a client that hands all
    over at once, reads and acks; that takes two minutes and more, so `quick` shows one 429 only."""
    part = 10 if quick else 1
    at, most, repos = REFUSED_AT // part, MOST // part, REPOS // part
    scenes = [
        Scene(f"{repos} repositories, one 429 at number {at}", ("--refuse-at", at), GOAL_S),
        Scene(f"{repos} repositories, {most} in {WINDOW_S:g} s", ("--most", most), 0.0),
    ]
    if quick:
        return trio.run(_run, process.binary(), repos, scenes[:1], 1)
    return trio.run(_run, process.binary(), repos, scenes, ROUNDS)


async def _run(
    program: Path, repos: int, scenes: Sequence[Scene], rounds: int
) -> tuple[list[Line], list[str]]:
    lines, notes = [], []
    for scene in scenes:
        laps: dict[str, list[Lap]] = {DISCARD.name: [], BACKFILLD.name: []}
        for n in range(rounds):
            for contestant in (DISCARD, BACKFILLD)[:: -1 if n % 2 else 1]:
                with course.scratch() as folder:
                    lap = await _lap(program, contestant, folder, repos, scene)
                    laps[contestant.name].append(lap)
        lines += _lines(scene, laps[BACKFILLD.name], laps[DISCARD.name])
        notes += [_note(scene, ALONE, laps[DISCARD.name])]
        notes += [_note(scene, "backfilld", laps[BACKFILLD.name])]
    return lines, [
        *notes,
        f"{RECORDS} records each; after every run backfilld's index had exactly all of them",
    ]


async def _lap(program: Path, contestant: Contestant, at: Path, repos: int, scene: Scene) -> Lap:
    with course.world(repos, RECORDS, at, *scene.limit) as world:
        with process.started(program, at / "tap", world.facts.url, CAPACITY) as tap:
            await process.ready(tap)
            with contestant.start(tap.url, world.facts.url, at) as client:
                await client.connected()
                began = perf_counter()
                client.hand_over(tap, world.facts.dids)
                lap = await _finish(tap, client, world, began)
        if contestant.records:
            course.compare(contestants.indexed(at), world.facts, contestant.name)
    return lap


async def _finish(tap: Tap, client: Client, world: World, began: float) -> Lap:
    with trio.move_on_after(LAP_S_MAX):
        here_s = await _here(tap, world) - began
        said_s = 0.0
        if isinstance(client, Daemon):
            while not client.synced():  # noqa: ASYNC110 - another process sets no event of ours
                await trio.sleep(LOOK_S)
            said_s = perf_counter() - began
        return Lap(here_s, said_s, **_asked(world.facts.url))
    raise Failed(f"not done in {LAP_S_MAX:g} s: {tap.counts()}; {tail(client.log)}")


async def _here(tap: Tap, world: World) -> float:
    """When it was seen that every repository is active and nothing is left unacked."""
    before, since = tap.counts(), perf_counter()
    while True:
        await trio.sleep(LOOK_S)
        counts, now = tap.counts(), perf_counter()
        if counts != before:
            before, since = counts, now
        elif at_rest(counts, world.facts.records + len(world.facts.dids), len(world.facts.dids)):
            if all(tap.active(did) for did in world.facts.dids):
                return since
            await trio.sleep(REPOS_LOOK_S)


def at_rest(counts: Counts, events: int, repos: int) -> bool:
    """Whether Tap may have fetched all, and all that it sent is acked. A repository that was put
    aside is told of once more when it is fetched, so its counters alone do not prove it."""
    return counts.resynced >= repos and counts.acked >= counts.sent >= events


def _asked(url: str) -> dict[str, int]:
    """What the world's PDS was asked."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    try:
        connection.request("GET", ASKED)
        return msgspec.json.decode(connection.getresponse().read(), type=dict[str, int])
    finally:
        connection.close()


def _lines(scene: Scene, ours: Sequence[Lap], alone: Sequence[Lap]) -> list[Line]:
    here_s, rival_s = (median(lap.here_s for lap in laps) for laps in (ours, alone))
    return [
        Line(
            what=scene.what, figure=here_s, unit="s", rival=ALONE, rival_figure=rival_s,
            goal=f"<= {scene.goal_s:g} s" if scene.goal_s else None,
            met=here_s <= scene.goal_s if scene.goal_s else None,
        ),
        Line(
            what="until backfilld says that all is here",
            figure=median(lap.said_s for lap in ours), unit="s",
        ),
    ]  # fmt: skip


def _note(scene: Scene, name: str, laps: Sequence[Lap]) -> str:
    each = ", ".join(f"{lap.here_s:.1f}" for lap in laps)
    asked = ", ".join(f"{lap.refused} of {lap.asked}" for lap in laps)
    return f"{scene.what}, {name}: {each} s; 429s among the requests: {asked}"
