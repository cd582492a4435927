"""Runs Tap as a child: starts it, keeps its filter in step with the lexicons, starts it again
whenever it ends, takes over what it says.

The one rule: it is never given up, and never run without a filter. Tap ends with exit code 0 also
when it could not go on (fact 11 of tap), so no end of it is a good one unless we asked for it.
"""

import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from math import inf
from pathlib import Path
from urllib.parse import urlsplit

import structlog
import trio
from msgspec import Struct

from backfilld_events.catalog.child import ChildEnded, ChildEvent, ChildNotStarted, ChildStarted
from backfilld_events.ids import Nsid
from backfilld_events.row import NewEvent

from ..clock import Clock
from ..config import Config, Secret
from ..config.hosts import loopback
from ..failures import clean
from ..journal import Journal
from . import leftover, proc
from .environment import environment
from .hearing import Hearing
from .process import CHUNK_BYTES, Process
from .when import Gathering, Times, backoff, due, gathered

READY_S_MAX = 10.0  # a start of the daemon waits so long for Tap to answer
KNOCK_S = 0.05
ENDS = "backfilld stops"
KILLED = "backfilld was not there when it ended"
LEFT = "a backfilld that was killed had left it behind"

_TIMES = Times()


class Now(Struct, frozen=True):
    """How the child is at this moment. `again_at` is when it is started, or started again for the
    collections `lacking`, unix seconds; None: nothing is planned. `wanted`: whether there is any
    collection that it could be run for."""

    pid: int | None
    memory_bytes: int | None
    cpu_s: float | None
    wanted: bool
    lacking: list[Nsid]
    again_at: float | None


class TapChild:
    """One Tap at a time, as long as `run` runs."""

    def __init__(
        self,
        journal: Journal,
        settings: Config,
        password: Secret,
        clock: Clock,
        wanted: Callable[[], frozenset[Nsid]],
        times: Times = _TIMES,
        ours: Mapping[str, str] = os.environ,
    ) -> None:
        """`wanted` are the collections that there are record lexicons for; `ours` is the
        environment of which Tap gets a little (environment)."""
        self._journal, self._settings, self._password = journal, settings, password
        self._clock, self._wanted, self._times, self._ours = clock, wanted, times, ours
        self._folder = Path(settings.data_dir).absolute()
        self._bind = loopback(urlsplit(settings.tap.url).netloc)
        self._log = structlog.get_logger("tap")
        self._process: Process | None = None
        self._gathering = Gathering()
        self._again_at: float | None = None  # trio's clock
        self._asked: list[str] = []
        self._ask, self._over, self._ready = trio.Event(), trio.Event(), trio.Event()

    def now(self) -> Now:
        """How it is."""
        process, at = self._process, self._again_at
        seen = None if process is None else proc.look(process.pid)
        return Now(
            pid=None if process is None else process.pid,
            memory_bytes=None if seen is None else seen.memory_bytes,
            cpu_s=None if seen is None else seen.cpu_s,
            wanted=bool(self._wanted()),
            lacking=sorted(self._gathering.lacking),
            again_at=None if at is None else self._clock() + at - trio.current_time(),
        )

    async def restart(self, why: str, first: Callable[[], Awaitable[object]] | None = None) -> None:
        """Ends the Tap that runs, for the reason `why`; it is started again at once. `first` is
        done before, while it runs still. Returns when it has ended; at once if none runs."""
        if first is not None:
            await first()
        if self._process is None:
            return
        over = self._over
        self._asked.append(why)
        self._ask.set()
        await over.wait()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Runs until cancelled, and then ends Tap: SIGTERM, and SIGKILL after some seconds. So
        cancel it after the channel has drained. Started when Tap answers, or when it is known that
        it will not yet."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep)
            with trio.move_on_after(READY_S_MAX):
                await self._ready.wait()
            task_status.started()

    async def _keep(self) -> None:
        await self._take_over()
        tries = 0
        while True:
            filters = await self._wished()
            obstacle = self._obstacle()
            process = None if obstacle else self._begun(filters)
            if isinstance(process, Process):
                tries = 0
                if await self._live(process, filters):
                    continue
                wait = backoff(self._journal.state.child.failures, self._times)
            else:
                tries += 1
                await self._not_started(obstacle or str(process))
                wait = backoff(tries, self._times)
            self._ready.set()
            self._again_at = trio.current_time() + wait
            await trio.sleep(wait)
            self._again_at = None

    async def _take_over(self) -> None:
        """What a daemon that was killed left: a process, and a run without an end in the log."""
        left = await leftover.end(self._folder, self._times.term)
        if left is not None:
            self._log.warning("ended a Tap that a killed backfilld had left behind", pid=left)
        child = self._journal.state.child
        if child.running:
            ran_s = max(0.0, self._clock() - (child.since or 0.0))
            why = KILLED if left is None else LEFT
            await self._note(ChildEnded(code=None, ran_s=round(ran_s, 3), why=why, tail=""))
        leftover.forget(self._folder)

    async def _wished(self) -> frozenset[Nsid]:
        """The collections to start with, as soon as there are any."""
        if not self._wanted():
            self._ready.set()
            self._log.info("Tap is not started: there is no record lexicon")
            await self._gather(frozenset(), self._times.first_quiet)
        return self._wanted()

    async def _gather(self, filters: frozenset[Nsid], quiet: float) -> str:
        """Returns when collections are wanted that `filters` lacks, and no more have come for
        `quiet` seconds; which they are."""
        gathering, lexicons = Gathering(), None
        try:
            while True:
                news = self._journal.watch()
                if self._journal.state.lexicons is not lexicons:
                    lexicons = self._journal.state.lexicons
                    lacking = self._wanted() - filters
                    gathering = gathered(gathering, lacking, trio.current_time())
                    self._gathering = gathering
                    self._again_at = due(gathering, quiet, self._times.quiet_max)
                at = self._again_at
                if at is not None and trio.current_time() >= at:
                    return clean(f"its filter lacks {', '.join(sorted(gathering.lacking))}")
                with trio.move_on_at(inf if at is None else at):
                    await news.wait()
        finally:
            self._gathering, self._again_at = Gathering(), None

    def _obstacle(self) -> str:
        """Why Tap cannot be started; empty: nothing is known to be in its way."""
        host, port = self._bind
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(self._bind)
            except OSError as error:
                return (
                    f"{host} port {port} (tap.url) cannot be listened on: "
                    f"{(error.strerror or str(error)).lower()}. Is another Tap running? "
                    f"(ss -ltnp 'sport = :{port}') End it, or set another port in tap.url"
                )
        return ""

    def _begun(self, filters: frozenset[Nsid]) -> Process | OSError:
        told = environment(self._settings, self._password, self._folder, filters, self._ours)
        try:
            process = Process.begin(self._settings.tap.command, told, self._folder)
        except OSError as error:
            return error
        leftover.note(self._folder, process.pid)
        return process

    async def _not_started(self, why: str) -> None:
        self._log.error("Tap is not started", reason=clean(why))
        if self._journal.state.child.obstacle != clean(why):
            await self._note(ChildNotStarted(why=clean(why)))

    async def _live(self, process: Process, filters: frozenset[Nsid]) -> str:
        """One run, from its start to its end; why we ended it, empty: we did not."""
        began, why = trio.current_time(), ENDS
        self._process, self._over = process, trio.Event()
        self._asked, self._ask = [], trio.Event()
        hearing = Hearing(lambda: process.output.receive_some(CHUNK_BYTES))
        started = ChildStarted(list(self._settings.tap.command), sorted(filters))
        async with process.output, trio.open_nursery() as nursery:
            nursery.start_soon(hearing.run)
            try:
                self._log.info("Tap started", pid=process.pid, filters=started.filters)
                await self._note(started)
                why = await self._until_over(process, filters)
            finally:
                with trio.CancelScope(shield=True):
                    code = await process.end(self._times.term)
                    ran_s = round(trio.current_time() - began, 3)
                    tail = await hearing.last_words()
                    leftover.forget(self._folder)
                    self._process = None
                    await self._ended(ChildEnded(code, ran_s, why, tail))
                    self._over.set()
        return why

    async def _ended(self, event: ChildEnded) -> None:
        if event.why:
            self._log.info("Tap ended", code=event.code, why=event.why)
        else:
            self._log.error("Tap ended by itself", code=event.code, last_words=clean(event.tail))
        with suppress(trio.ClosedResourceError):  # the log failed, and all ends: the next start
            await self._note(event)  # finds that it runs no more

    async def _until_over(self, process: Process, filters: frozenset[Nsid]) -> str:
        """Waits until it has ended, or must; why it must."""
        found = ""
        async with trio.open_nursery() as nursery:

            async def lacking() -> None:
                nonlocal found
                found = await self._gather(filters, self._times.quiet)
                nursery.cancel_scope.cancel()

            async def asked() -> None:
                nonlocal found
                await self._ask.wait()
                found = self._asked[0]
                nursery.cancel_scope.cancel()

            nursery.start_soon(lacking)
            nursery.start_soon(asked)
            nursery.start_soon(self._knock)
            await process.ended()
            nursery.cancel_scope.cancel()
        return found

    async def _knock(self) -> None:
        while not self._ready.is_set():
            with suppress(OSError):
                async with await trio.open_tcp_stream(*self._bind):
                    self._ready.set()
                    return
            await trio.sleep(KNOCK_S)

    async def _note(self, event: ChildEvent) -> None:
        await self._journal.append([NewEvent("tap-child", event, "system")])
