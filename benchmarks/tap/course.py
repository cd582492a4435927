"""What both benchmarks against the real Tap share: laps on the clock, rounds, and their table.

The clock is Tap's own count of acks, looked at from outside and in the same way for every client.
"""

import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

import msgspec
import trio
from msgspec import Struct

from ..result import Line
from . import children, contestants
from .children import Child, Failed, cpu_s
from .contestants import Client, Contestant
from .process import DELETED_AT_ONCE, Counts, Tap
from .world import Facts

LAP_S_MAX: Final = 900.0
LOOK_S: Final = (0.005, 0.25)  # between two looks at Tap's counters: near the end, and before


class World(Struct, frozen=True):
    """A running world."""

    process: Child
    facts: Facts

    @property
    def events(self) -> int:
        """What Tap makes of it: each record, and for each repository its identity."""
        return self.facts.records + len(self.facts.dids)


class Lap(Struct, frozen=True):
    """One run of one client: seconds until the last ack, and until Tap had deleted what it deletes
    at once; then processor seconds in that time."""

    acked_s: float
    emptied_s: float
    tap_cpu_s: float
    client_cpu_s: float
    world_cpu_s: float


@contextmanager
def world(repos: int, records: int, folder: Path, *limit: object) -> Iterator[World]:
    """A world as a process; building it takes some seconds. `limit`: what its PDS bears, as
    arguments of `world`."""
    log = folder / "world.log"
    command = children.python(
        "benchmarks.tap.world", "--repos", repos, "--records", records, *limit
    )
    with children.child(command, log, talks=True) as process:
        yield World(process, msgspec.json.decode(children.said(process, log), type=Facts))


@contextmanager
def scratch(within: Path | None = None) -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="backfilld-bench-", dir=within) as name:
        yield Path(name)


def copied(source: Path, target: Path) -> None:
    """Copies a folder of files and waits for the disk, so that no lap pays for it."""
    shutil.copytree(source, target)
    for path in target.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


class Clock:
    """Takes the time of one lap, and the processor seconds in it. Runs from its making."""

    def __init__(self, tap: Tap, client: Client, of: World) -> None:
        self._tap = tap
        self._processes = (tap.process, client.process, of.process)
        self._client, self._events = client, of.events
        self._cpu = [cpu_s(process) for process in self._processes]
        self._began = perf_counter()

    async def finish(self) -> Lap:
        """Waits until everything is acked and deleted. Raises Failed."""
        acked_s = 0.0
        with trio.move_on_after(LAP_S_MAX):
            while True:
                counts, now = self._tap.counts(), perf_counter() - self._began
                self._check(counts)
                if not acked_s and counts.acked >= self._events:
                    acked_s = now
                if acked_s and counts.held < DELETED_AT_ONCE:
                    used = [cpu_s(one) - was for one, was in self._cpu_then()]
                    return Lap(acked_s, now, *used)
                left = (self._events - counts.acked) * now / max(counts.acked, 1)
                await trio.sleep(min(max(left / 4, LOOK_S[0]), LOOK_S[1]))
        raise Failed(f"not done in {LAP_S_MAX:g} s: {counts}; {children.tail(self._client.log)}")

    def _cpu_then(self) -> list[tuple[Child, float]]:
        return list(zip(self._processes, self._cpu, strict=True))

    def _check(self, counts: Counts) -> None:
        if counts.failed:
            raise Failed(f"Tap could not take in {counts.failed} of the world's repositories")
        for process in self._processes:
            if process.poll() is not None:
                raise Failed(f"{process.args!r} ended; {children.tail(self._client.log)}")


Laps = dict[str, list[Lap]]


async def rounds(times: int, one: Callable[[Contestant, Path], Awaitable[Lap]], of: World) -> Laps:
    """`times` laps of each contestant, each round beginning with another one; but the stock client
    runs in the first round only, for it takes longer than all else and no goal asks for it. Raises
    Failed when an index afterwards is not exactly the world's records."""
    laps: Laps = {contestant.name: [] for contestant in contestants.ALL}
    for n in range(times):
        turn = n % len(contestants.ALL)
        for contestant in contestants.ALL[turn:] + contestants.ALL[:turn]:
            if contestant is contestants.STOCK and n:
                continue
            with scratch() as folder:
                laps[contestant.name].append(await one(contestant, folder))
                if contestant.records:
                    compare(contestants.indexed(folder), of.facts, contestant.name)
    return laps


def compare(found: tuple[int, str], facts: Facts, name: str) -> None:
    """Raises Failed when an index (`contestants.indexed`) is not exactly the world's records."""
    rows, digest = found
    if (rows, digest) != (facts.records, facts.truth):
        raise Failed(
            f"{name}: its index has {rows:,} rows, the repositories have {facts.records:,}"
            + (" records, and not these" if rows == facts.records else " records")
        )


def lines(
    laps: Laps, events: int, seconds: Callable[[Lap], float], goal: float, what: str
) -> list[Line]:
    """Rates of ours and of the stock client, beside the one that only acks."""

    def rate(contestant: Contestant) -> float:
        return events / median(seconds(lap) for lap in laps[contestant.name])

    ours, quickest, usual = map(
        rate, (contestants.BACKFILLD, contestants.DISCARD, contestants.STOCK)
    )
    rival = contestants.DISCARD.name
    return [
        Line(
            what=f"{what}: {contestants.BACKFILLD.name}",
            figure=ours,
            unit="events/s",
            rival=rival,
            rival_figure=quickest,
            goal=f">= {goal:g}" if goal else None,
            met=ours / quickest >= goal if goal else None,
        ),
        Line(
            what=f"{what}: {contestants.STOCK.name}",
            figure=usual,
            unit="events/s",
            rival=rival,
            rival_figure=quickest,
        ),
    ]


def notes(laps: Laps, of: World) -> list[str]:
    """What went beside the figures."""
    facts, said = of.facts, []
    for name, ran in laps.items():
        used = [
            median(values)
            for values in zip(
                *((lap.tap_cpu_s, lap.client_cpu_s, lap.world_cpu_s) for lap in ran), strict=True
            )
        ]
        each = ", ".join(f"{lap.acked_s:.2f}" for lap in ran)
        said.append(
            f"{name}: {each} s to the last ack; processor seconds: Tap {used[0]:.1f},"
            f" client {used[1]:.1f}, world {used[2]:.1f}"
        )
    return [
        f"{len(facts.dids):,} repositories of {facts.records // len(facts.dids):,} records,"
        f" {facts.car_bytes / 2**20:.0f} MiB of CARs; {of.events:,} events",
        *said,
        f"after every run of the two with an index it had exactly the {facts.records:,} records of"
        " the repositories, by DID, key and CID",
    ]
