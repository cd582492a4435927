"""Knows the targets of this life: has a courier for each, and tries them when asked."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Protocol

import httpx
import trio

from backfilld_events.catalog.notify import SampleSent, TargetAdded, TargetRemoved
from backfilld_events.log.file import open_reader
from backfilld_events.row import NewEvent

from .. import __version__, asking
from ..backfill.standing import Scene
from ..clock import Clock
from ..config import Config
from ..control.shapes.notify import Sampled, Samples
from ..journal import Journal
from ..worker import Worker
from . import targets
from .courier import STREAM, Courier
from .letter import sample
from .reading import Reading
from .targets import Target
from .watcher import Watcher, dead_letters
from .webhook import WITHIN_S


class Outside(Protocol):
    """What a notifier needs of the world: `transport` None is the real network."""

    @property
    def clock(self) -> Clock: ...

    @property
    def jitter(self) -> Callable[[], float]: ...

    @property
    def worker(self) -> Callable[[], Worker]: ...

    @property
    def transport(self) -> httpx.AsyncBaseTransport | None: ...


class Notifier:
    """`settings` are those of this life; `scene` is asked for at each look."""

    def __init__(
        self, journal: Journal, settings: Config, outside: Outside, scene: Callable[[], Scene]
    ) -> None:
        self._journal, self._settings, self._outside = journal, settings, outside
        self._scene = scene
        self._couriers: list[Courier] = []
        self._ready = trio.Event()

    async def run(self) -> None:
        """Runs until cancelled; returns at once when there is nobody to tell."""
        world = self._outside
        try:
            if self._settings.notify or self._journal.state.notices.targets:
                async with self._opened() as (reading, wanted):
                    await self._settle(reading, wanted)
                    self._couriers = [
                        Courier(one, self._journal, reading.letter, world.clock, world.jitter)
                        for one in wanted
                    ]
                    self._ready.set()
                    if wanted:
                        await self._live(reading)
        finally:
            self._ready.set()

    async def send_samples(self, actor: str) -> Samples:
        """Sends a sample to every target at once; what became of each. Is in the log when it
        returns. Raises journal.Frozen."""
        self._journal.check()
        await self._ready.wait()
        self._journal.check()
        sampled: list[Sampled] = []
        letter = sample(self._outside.clock())

        async def send(courier: Courier) -> None:
            why, one = await courier.send_sample(letter), courier.target
            sampled.append(Sampled(one.name, one.to, sorted(one.kinds), why is None, why))

        async with trio.open_nursery() as nursery:
            for courier in self._couriers:
                nursery.start_soon(send, courier)
        if sampled:
            sent = [SampleSent(one.target, one.to, one.why) for one in sampled]
            await self._journal.append([NewEvent(STREAM, event, actor) for event in sent])
        return Samples(sorted(sampled, key=lambda one: (one.to, one.target)))

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[tuple[Reading, list[Target]]]:
        world, folder = self._outside, Path(self._settings.data_dir)
        headers = {"user-agent": f"backfilld/{__version__}"}
        async with asking.client(WITHIN_S, transport=world.transport, headers=headers) as client:
            wanted = [targets.target(one, client, world.clock) for one in self._settings.notify]
            with closing(open_reader(folder / "events.db")) as db:
                yield Reading(db, world.worker(), folder), wanted

    async def _settle(self, reading: Reading, wanted: Sequence[Target]) -> None:
        """Notes the targets that are new, which begin here, and those that are gone."""
        known = self._journal.state.notices.targets
        names = {one.name for one in wanted}
        settled: list[TargetAdded | TargetRemoved] = [
            TargetRemoved(name) for name in known if name not in names
        ]
        for one in wanted:
            if one.name not in known:
                unsynced = await reading.unsynced() if "job.synced" in one.kinds else []
                dead = await dead_letters(reading, self._journal)
                settled.append(TargetAdded(one.name, one.to, sorted(one.kinds), unsynced, dead))
        if settled:
            new = [NewEvent(f"{STREAM}/{event.target}", event, "system") for event in settled]
            await self._journal.append(new)

    async def _live(self, reading: Reading) -> None:
        async with trio.open_nursery() as nursery:
            for courier in self._couriers:
                nursery.start_soon(courier.run)
            await Watcher(self._journal, reading, self._outside.clock, self._scene).run()
