"""A whole log read again: verified, and folded into State."""

import itertools
from collections import deque
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from backfilld_events.audit.verify import verify_columns
from backfilld_events.audit.whole import verify_file
from backfilld_events.folds import replay
from backfilld_events.log import read
from backfilld_events.log.append import Append, append
from backfilld_events.log.file import open_reader, open_writer

from ..log_events import AT, history
from ..result import Line
from ..timing import Took, in_turn

ABOUT = "a log of a million events, verified and folded"

EVENTS = 1_000_000
GOALS_S = {"verify": 2.5, "fold": 2.0}
GROUP = 1_000


def run(*, quick: bool) -> tuple[list[Line], list[str]]:
    """Measures seconds for a million events; a quick run's are scaled up to that."""
    events = EVENTS // 5 if quick else EVENTS
    with TemporaryDirectory() as folder:
        path = Path(folder) / "events.db"
        _write(path, events)
        size = path.stat().st_size
        took = in_turn(
            {
                "verify": lambda: lambda: verify_file(path),
                "one walk": lambda: lambda: _one_walk(path, events),
                "fold": lambda: lambda: _fold(path),
                "read": lambda: lambda: _read(path, events),
            },
            rounds=3,
        )
    return _lines(took, EVENTS / events), [
        "read: every row out of SQLite as a tuple, nothing done with it",
        f"{events:,} events, {size / 1e6:,.0f} MB; the best of 3 rounds in turn",
        "microseconds of processor an event: "
        + ", ".join(f"{name} {one.cpu / events * 1e6:.2f}" for name, one in took.items()),
    ]


def _write(path: Path, events: int) -> None:
    news = history(events)
    with closing(open_writer(path, "backfilld_events.log")) as db:
        for at in range(0, events, GROUP):
            db.execute("BEGIN IMMEDIATE")
            group = [Append(list(itertools.islice(news, GROUP)))]
            append(db, group, AT + at, lambda row, event: None)
            db.execute("COMMIT")


def _one_walk(path: Path, events: int) -> None:
    with closing(open_reader(path)) as db:
        verify_columns(read.columns(db, None, events))


def _fold(path: Path) -> None:
    with closing(open_reader(path)) as db:
        replay(read.rows(db))


def _read(path: Path, events: int) -> None:
    with closing(open_reader(path)) as db:
        deque(read.columns(db, None, events), maxlen=0)


def _lines(took: dict[str, Took], scale: float) -> list[Line]:
    named = {
        "verify": "verify, as backfill-audit does",
        "one walk": "verify in one process",
        "fold": "fold: read, decode, evolve",
    }
    return [
        Line(
            what=what,
            figure=took[name].wall * scale,
            unit="s",
            rival="read",
            rival_figure=took["read"].wall * scale,
            goal=f"<= {GOALS_S[name]:g} s" if name in GOALS_S else None,
            met=took[name].wall * scale <= GOALS_S[name] if name in GOALS_S else None,
        )
        for name, what in named.items()
    ]
