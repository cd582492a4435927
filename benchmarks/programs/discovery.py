"""A job of ten million DIDs by the real daemon, against a relay and a Tap that cost nothing."""

import time
from pathlib import Path
from typing import Any, NamedTuple

from backfilld_events.catalog.job import PageDiscovered
from backfilld_events.log import read
from backfilld_events.log.file import open_reader

from ..daemon import Daemon, Prober, scratch, silent_peers
from ..result import Line

ABOUT = "discovery, hand-off, log and projections of 10 million DIDs; memory, disk, control"

DIDS = 10_000_000
IDLE_S = 5.0
POLL_S = 0.25


class _Seen(NamedTuple):
    at: float
    handed: int
    memory_mb: float


def run(*, quick: bool) -> tuple[list[Line], list[str]]:
    """See ABOUT."""
    dids = DIDS // 10 if quick else DIDS
    with scratch() as folder, silent_peers(dids) as peers:
        daemon = Daemon(folder, relay=peers, tap=peers)
        daemon.start()
        with Prober(daemon, "/admin/backfill/status") as idle:
            time.sleep(IDLE_S)
        idle_mb = daemon.memory_mb()
        job = daemon.begin()
        with Prober(daemon, "/admin/backfill/status") as busy:
            seen = _watch(daemon, job)
        cpu_s, most_mb = daemon.cpu_s(), daemon.memory_mb("VmHWM")
        shape = daemon.ask(f"/admin/backfill/{job}")
        daemon.stop()
        assert shape["state"] == "completed", shape["sentence"]
        assert shape["total_repos"] == shape["processed_repos"] == dids
        lines = [
            *_rates(seen, dids),
            *_memory(seen, idle_mb, most_mb, dids),
            *_disk(daemon.data / "events.db", dids),
            _control(idle, busy),
        ]
        return lines, [f"{cpu_s / dids * 1e6:.1f} us of processor time a DID, all threads"]


def _watch(daemon: Daemon, job: str) -> list[_Seen]:
    seen: list[_Seen] = [_Seen(time.perf_counter(), 0, daemon.memory_mb())]
    while True:
        time.sleep(POLL_S)
        shape: dict[str, Any] = daemon.ask(f"/admin/backfill/{job}")
        seen.append(_Seen(time.perf_counter(), shape["processed_repos"], daemon.memory_mb()))
        if shape["completed_at"] is not None:
            return seen


def _rates(seen: list[_Seen], dids: int) -> list[Line]:
    part = dids // 10
    first, last = _moment(seen, part) - seen[0].at, seen[-1].at - _moment(seen, dids - part)
    rate = dids / (seen[-1].at - seen[0].at)
    return [
        Line(what="DIDs found and handed over", figure=rate, unit="DIDs/s",
             goal=">= 50,000", met=rate >= 50_000),
        Line(what="the last tenth", figure=part / last, unit="DIDs/s", rival="the first tenth",
             rival_figure=part / first, goal=">= 0.8 of it", met=first / last >= 0.8),
    ]  # fmt: skip


def _moment(seen: list[_Seen], handed: int) -> float:
    """When so many were handed over, between two looks."""
    after = next(n for n, one in enumerate(seen) if one.handed >= handed)
    a, b = seen[after - 1], seen[after]
    share = (handed - a.handed) / ((b.handed - a.handed) or 1)
    return a.at + share * (b.at - a.at)


def _memory(seen: list[_Seen], idle_mb: float, most_mb: float, dids: int) -> list[Line]:
    half = max(one.memory_mb for one in seen if one.handed <= dids // 2)
    return [
        Line(what="memory above idle, at most", figure=most_mb - idle_mb, unit="MB",
             rival="idle", rival_figure=idle_mb, goal="<= 100 MB", met=most_mb - idle_mb <= 100),
        Line(what="memory at most", figure=most_mb, unit="MB", rival="in the first half",
             rival_figure=half, goal="flat"),
    ]  # fmt: skip


def _disk(log: Path, dids: int) -> list[Line]:
    db = open_reader(log)
    payload = sum(
        len(row.payload)
        for row in read.rows(db, type_name="job.page-discovered")
        if isinstance(row.event, PageDiscovered)
    )
    db.close()
    whole = log.stat().st_size / dids
    return [
        Line(what="page payload in the log", figure=payload / dids, unit="B/DID",
             goal="<= 20", met=payload / dids <= 20),
        Line(what="events.db in all", figure=whole, unit="B/DID", goal="<= 90", met=whole <= 90),
    ]  # fmt: skip


def _control(idle: Prober, busy: Prober) -> Line:
    figure, rival = busy.p99_ms(), idle.p99_ms()
    return Line(
        what="GET /admin/backfill/status, p99", figure=figure, unit="ms", rival="idle",
        rival_figure=rival, goal="<= 10 x idle, < 100 ms",
        met=figure <= 10 * rival and figure < 100,
    )  # fmt: skip
