"""What it costs the daemon's writer that somebody verifies or backs up its log at the same time."""

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from backfilld_events.eventlog import EventLog
from backfilld_events.log.append import Append
from backfilld_events.row import NewEvent

from ..log_events import AT, history
from ..result import Line

ABOUT = "the log's writer at full speed, alone and while its file is verified and backed up"

EVENTS = 100_000  # there before anything is timed
GROUP = 20  # events a transaction: a busy daemon's
SECONDS = 4.0  # of writing, alone and beside
PAIRS = 7
GOAL = 0.9
AUDIT = "from backfilld_events.cli import main; main()"
DAEMON = "from backfilld.cli.daemon import main; main()"
BESIDE = {  # shell: $1 is python, $2 the folder of the log
    "the log is verified": f'"$1" -c "{AUDIT}" verify --log-only "$2/events.db"',
    "the projections are compared": f'"$1" -c "{AUDIT}" replay "$2/events.db"',
    "the log is backed up": (
        f'rm -rf "$2/copy"; BACKFILLD_DATA_DIR="$2" "$1" -c "{DAEMON}" backup --log-only "$2/copy"'
    ),
}


def run(*, quick: bool) -> tuple[list[Line], list[str]]:
    """Measures pairs in turn: alone, then beside what is begun again and again."""
    events, seconds, pairs = (10_000, 1.0, 3) if quick else (EVENTS, SECONDS, PAIRS)
    lines: list[Line] = []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "events.db"
        news = history(10_000_000)
        with closing(EventLog.open(path)) as log:
            for _ in range(0, events, 500):
                _append(log, news, 500)
            _write(log, news, seconds)  # warm
            for what, command in BESIDE.items():
                lines.append(_line(what, *_pairs(log, news, path, command, seconds, pairs)))
    return lines, [
        f"events a second, {GROUP} a transaction with fsync and projections, onto {events:,}; "
        f"medians of {pairs} pairs of {seconds:g} s in turn"
    ]


def _pairs(
    log: EventLog,
    news: Iterator[NewEvent],
    path: Path,
    command: str,
    seconds: float,
    pairs: int,
) -> tuple[float, float, float]:
    """Medians: (alone, beside, beside over alone)."""
    alone, beside = [], []
    for _ in range(pairs):
        alone.append(_write(log, news, seconds))
        with _again_and_again(command, path.parent):
            beside.append(_write(log, news, seconds))
    ratios = [one / other for one, other in zip(beside, alone, strict=True)]
    return median(alone), median(beside), median(ratios)


def _line(what: str, alone: float, beside: float, ratio: float) -> Line:
    return Line(
        what=f"writing while {what}",
        figure=beside,
        unit="/s",
        rival=f"alone (median of the pairs' ratios: {ratio:.2f})",
        rival_figure=alone,
        goal=f">= {GOAL} of alone",
        met=ratio >= GOAL,
    )


def _append(log: EventLog, news: Iterator[NewEvent], count: int) -> None:
    log.append([Append(list(itertools.islice(news, count)))], AT)


def _write(log: EventLog, news: Iterator[NewEvent], seconds: float) -> float:
    """Events a second."""
    began, count = time.perf_counter(), 0
    while (took := time.perf_counter() - began) < seconds:
        _append(log, news, GROUP)
        count += GROUP
    return count / took


@contextmanager
def _again_and_again(command: str, folder: Path) -> Iterator[None]:
    """One process after the other, until the end. Raises RuntimeError if one failed."""
    script = f"while {command} >/dev/null 2>&1; do :; done"
    words = ["sh", "-c", script, "sh", sys.executable, str(folder)]
    with subprocess.Popen(words, start_new_session=True) as loop:
        try:
            yield
            if loop.poll() is not None:
                raise RuntimeError(f"failed: {command}")
        finally:
            subprocess.run(["pkill", "-KILL", "-s", str(loop.pid)], check=False)
