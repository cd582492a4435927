"""How long the daemon takes to answer again after kill -9, with 20 million DIDs discovered."""

import hashlib
import os
from pathlib import Path
from statistics import median

from backfilld_events.catalog.job import BatchHandedOff, JobStarted, PageDiscovered
from backfilld_events.eventlog import EventLog
from backfilld_events.ids import Nsid
from backfilld_events.log.append import Append
from backfilld_events.row import NewEvent

from ..daemon import Daemon, scratch
from ..result import Line

ABOUT = "ready again after kill -9 with 20 million DIDs discovered and a job under way"

DIDS = 20_000_000
PAGE = 1000
PAGES_A_COMMIT = 20
STARTS = 5
NOBODY = "http://127.0.0.1:9"
COLLECTION = Nsid("xyz.statusphere.status")


def run(*, quick: bool) -> tuple[list[Line], list[str]]:
    """See ABOUT."""
    dids = DIDS // 10 if quick else DIDS
    with scratch() as empty, scratch() as full:
        (full / "data").mkdir()
        fill(full / "data" / "events.db", dids)
        none = Daemon(empty, relay=NOBODY, tap=NOBODY)
        many = Daemon(full, relay=NOBODY, tap=NOBODY)
        rounds = [(_again(none), _again(many)) for _ in range(STARTS + 1)][1:]
        size = (full / "data" / "events.db").stat().st_size
    rival, figure = (median(times) for times in zip(*rounds, strict=True))
    return [
        Line(what="from exec to an answer on the socket", figure=figure, unit="s",
             rival="an empty data_dir", rival_figure=rival),
        Line(what="of it, due to the log", figure=figure - rival, unit="s",
             goal="< 1 s", met=figure - rival < 1),
    ], [f"{dids:,} DIDs, events.db of {size / 1e9:.2f} GB; median of {STARTS} kills"]  # fmt: skip


def _again(daemon: Daemon) -> float:
    took = daemon.start()
    daemon.kill()
    return took


def fill(path: Path, dids: int) -> None:
    """A log with one job under way that found `dids` repositories and handed over nearly all."""
    log = EventLog.open(path)
    started = JobStarted([COLLECTION], COLLECTION, None, given=False, mode="add")
    log.append([Append([NewEvent("job/bench", started, "uid:0")])], 1)
    for at in range(0, dids, PAGE * PAGES_A_COMMIT):
        appends = []
        for first in range(at, at + PAGE * PAGES_A_COMMIT, PAGE):
            packed = bytes(4) + hashlib.shake_128(b"%d" % first).digest(15 * PAGE)
            found = PageDiscovered(COLLECTION, NOBODY, first, PAGE, str(first), packed, [])
            events: list[NewEvent] = [NewEvent("job/bench", found, "system")]
            if first:
                taken = BatchHandedOff(first - PAGE, first, NOBODY)
                events.append(NewEvent("job/bench", taken, "system"))
            appends.append(Append(events))
        log.append(appends, 1)
    os.sync()
    log.close()
