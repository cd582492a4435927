"""What a question costs while discovery, hand-off and the channel run at full speed."""

import time

from ..daemon import Daemon, Prober, scratch, silent_peers
from ..result import Line

ABOUT = "a control request while discovery, hand-off and the channel all run as fast as they can"

DIDS = 300_000
RECORDS = 100_000
IDLE_S = 8.0
PATHS = ("/admin/backfill/status", "/admin/health")


def run(*, quick: bool) -> tuple[list[Line], list[str]]:
    """See ABOUT."""
    dids = DIDS // 10 if quick else DIDS
    with scratch() as folder, silent_peers(dids, 0) as quiet:
        daemon = Daemon(folder, relay=quiet, tap=quiet)
        daemon.start()
        idle = [_asked(daemon, path, IDLE_S) for path in PATHS]
        daemon.stop()
    with scratch() as folder, silent_peers(dids, RECORDS) as loud:
        daemon = Daemon(folder, relay=loud, tap=loud)
        daemon.start()
        began = time.perf_counter()
        job = daemon.begin()
        busy: list[Prober] = []
        for path in PATHS:
            with Prober(daemon, path) as prober:
                share = dids * (len(busy) + 1) // len(PATHS)
                while (shape := daemon.ask(f"/admin/backfill/{job}"))["processed_repos"] < share:
                    time.sleep(0.25)
            busy.append(prober)
        took = time.perf_counter() - began
        records = daemon.ask("/admin/stats")["total_records"]
        daemon.kill()  # Tap's stand-in never stops sending
    return [
        _line(path, one.p99_ms(), two.p99_ms())
        for path, one, two in zip(PATHS, busy, idle, strict=True)
    ], [
        f"meanwhile {shape['processed_repos'] / took:,.0f} DIDs/s were handed over, and "
        f"{records:,} records stood in the index, sent over and over"
    ]


def _asked(daemon: Daemon, path: str, seconds: float) -> Prober:
    with Prober(daemon, path) as prober:
        time.sleep(seconds)
    return prober


def _line(path: str, figure: float, rival: float) -> Line:
    return Line(
        what=f"GET {path}, p99", figure=figure, unit="ms", rival="idle", rival_figure=rival,
        goal="<= 10 x idle, < 100 ms", met=figure <= 10 * rival and figure < 100,
    )  # fmt: skip
