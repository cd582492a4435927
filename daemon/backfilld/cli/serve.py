"""Runs the service in the foreground: signals, systemd, and errors a person can mend."""

import os
import signal
import sqlite3
import sys
from pathlib import Path

import structlog
import trio

from backfilld_events.log.file import BadFile

from .. import __version__, logs, systemd
from ..asking import leaves
from ..config import RELOADABLE, BadConfig, Config, changed, load
from ..control.serving.listeners import SocketTaken
from ..datadir import DataDirTaken
from ..delivery.ledger import ReceiptsMissing
from ..journal import Journal
from ..recheck import ProjectionsDiffer
from ..service import Service
from ..verification.start import LogBroken
from . import say

# A question makes a dozen turns of the loop, and each may wait so long for a thread that works in
# Python. With Python's own 5 ms a question took four times as long under load
THREAD_SWITCH_S = 0.0002

_MENDABLE = (
    BadConfig, BadFile, SocketTaken, ReceiptsMissing, DataDirTaken, ProjectionsDiffer, LogBroken
)  # fmt: skip


def serve(settings: Config, path: Path | None) -> None:
    """Runs until SIGTERM and a clean stop. What a person can mend is one sentence, exit 2; a log
    that does not verify is exit 8."""
    logs.configure(settings.logging.level, settings.logging.format)
    sys.setswitchinterval(THREAD_SWITCH_S)
    service = Service(settings)
    try:
        trio.run(_serve, service, path)
    except BaseExceptionGroup as group:
        mendable = group.subgroup(_MENDABLE) or group.subgroup(_is_of_the_machine)
        if mendable is None:
            raise
        _give_up(next(leaves(mendable)))
    except _MENDABLE as error:
        _give_up(error)
    if (problem := service.verification.problem) is not None:
        _give_up(LogBroken(problem.told))


def _is_of_the_machine(error: BaseException) -> bool:
    """Whether SQLite was kept from writing by something that a person can mend, not by us."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL)


def _give_up(error: BaseException) -> None:
    if _is_of_the_machine(error):
        say.err(
            f"error: {error}: events.db or records.db could not be written. Nothing acknowledged "
            "is lost; it goes on at the next start. Is the disk full, or has another program "
            "locked a file for long (Litestream: docs/backup.md)?"
        )
    else:
        say.err(f"error: {error}")
    sys.exit(say.BROKEN_LOG if isinstance(error, LogBroken) else say.USAGE)


async def _serve(service: Service, path: Path | None) -> None:
    settings = service.config
    log = structlog.get_logger("backfilld")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_signals, service, path)
        async with trio.open_nursery() as inner:
            journal = await inner.start(service.run)
            log.info(
                "ready",
                version=__version__,
                socket=settings.control.socket,
                listen=settings.control.listen or None,
                position=journal.state.position,
                unfinished_jobs=len(journal.state.jobs),
            )
            systemd.notify("READY=1", _status(journal))
            if (every_s := systemd.watchdog_s()) is not None:
                inner.start_soon(_watchdog, journal, every_s, service.stop)
        nursery.cancel_scope.cancel()
    log.info("stopped")


async def _signals(service: Service, path: Path | None) -> None:
    log = structlog.get_logger("backfilld")
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as received:
        async for one in received:
            if one == signal.SIGHUP:
                _reload(service, path)
            elif service.stop.is_set():
                log.error("killed by a second signal; nothing acknowledged is lost")
                os._exit(128 + one)
            else:
                log.info("stopping: committing and acking what was received")
                systemd.notify("STOPPING=1")
                service.stop.set()


def _reload(service: Service, path: Path | None) -> None:
    """Takes over what can change while running; names what needs a restart, and then nothing
    of the new file is in force, so that one never runs with half of it."""
    log = structlog.get_logger("backfilld")
    systemd.reloading()
    try:
        fresh = load(path)
        differing = changed(service.config, fresh)
        if later := sorted(differing - RELOADABLE):
            log.warning("configuration not reloaded: these keys need a restart", keys=later)
        else:
            service.config = fresh
            logs.configure(fresh.logging.level, fresh.logging.format)
            log.warning("configuration reloaded", keys=sorted(differing))
    except BadConfig as error:
        log.error("configuration not reloaded", reason=str(error))
    systemd.notify("READY=1")


async def _watchdog(journal: Journal, every_s: float, stop: trio.Event) -> None:
    """Tells systemd that we live, after the writer's thread has answered."""
    while not stop.is_set():
        await journal.answers()
        systemd.notify("WATCHDOG=1", _status(journal))
        with trio.move_on_after(every_s):
            await stop.wait()


def _status(journal: Journal) -> str:
    state = journal.state
    if journal.frozen:
        return f"STATUS={journal.frozen}"
    channel = "up" if state.source.connected else "down"
    return f"STATUS=log at #{state.position}; {len(state.jobs)} jobs under way; channel {channel}"
