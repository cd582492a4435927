"""One live event at a time: how long its repository is held up by us."""

import os
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

from ..channel_peer import Spec, started
from ..channel_whole import run_whole
from ..result import Line

ABOUT = "a live event at low load, from the socket to its ack (one commit with fsync each)"

EVENTS, EVERY_S = 500, 0.02
FSYNC_TRIES, FSYNC_BYTES = 200, 80_000


def run(*, quick: bool) -> tuple[list[Line], list[str]]:
    """Events at 50 a second; what this disk takes for the same bytes stands beside."""
    spec = Spec(records=EVENTS // (10 if quick else 1), every_s=EVERY_S)
    with tempfile.TemporaryDirectory(prefix="backfilld-bench-") as folder:
        with started(spec) as peer:
            waited = [one * 1e3 for one in run_whole(peer, Path(folder)).passes[0].waited]
        bare = _fsyncs(Path(folder) / "bare")
    late = quantiles(waited, n=100)
    return [
        Line(
            what="socket to ack, median", figure=median(waited), unit="ms",
            rival=f"write and fsync of {FSYNC_BYTES // 1000} kB", rival_figure=median(bare),
            goal="<= 5 ms", met=median(waited) <= 5,
        ),
        Line(
            what="socket to ack, p99", figure=late[98], unit="ms",
            rival="the same", rival_figure=quantiles(bare, n=100)[98],
        ),
    ], ["measured at the server: from its write of the frame to its read of the ack."]  # fmt: skip


def _fsyncs(path: Path) -> list[float]:
    """Milliseconds of the least a durable answer takes here."""
    took = []
    block = os.urandom(FSYNC_BYTES)
    file = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        for _ in range(FSYNC_TRIES):
            began = time.perf_counter()
            os.write(file, block)
            os.fdatasync(file)
            took.append((time.perf_counter() - began) * 1e3)
    finally:
        os.close(file)
    return took
