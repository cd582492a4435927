"""The log's append: chained and guarded by triggers, beside plain SQLite and another library."""

import gc
import itertools
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from eventsourcing.persistence import StoredEvent
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

from backfilld_events.catalog import Event
from backfilld_events.folds import INITIAL, evolve
from backfilld_events.log import read
from backfilld_events.log.append import Append, append
from backfilld_events.log.file import open_writer
from backfilld_events.row import Row

from ..log_events import AT, history
from ..result import Line
from ..timing import Took, in_turn

ABOUT = "log append with hash chain and triggers, one fsync a group, in $TMPDIR"

GROUP = 1_000
GOAL_EVENTS_S = 140_000
GOAL_OF_BARE = 0.5
TRIGGERS = ("event_next", "event_no_update", "event_no_delete")
INSERT = f"INSERT INTO event VALUES ({', '.join('?' * 10)})"

Fold = Callable[[Row, Event], None]
Work = Callable[[], object]


def run(*, quick: bool) -> tuple[list[Line], list[str]]:
    """Measures groups of 1,000 and of 1."""
    events = 10_000 if quick else 100_000
    alone = 100 if quick else 1_000
    with TemporaryDirectory() as folder:
        bench = _Bench(Path(folder), events)
        gc.freeze()  # what was made for the benchmark is not looked at again and again
        try:
            groups = in_turn(
                {
                    "log": lambda: bench.ours(GROUP, events, lambda row, event: None),
                    "folded": lambda: bench.ours(GROUP, events, bench.state()),
                    "plain": lambda: bench.plain(GROUP, events),
                    "eventsourcing": lambda: bench.eventsourcing(GROUP, events),
                },
                rounds=5,
            )
            ones = in_turn(
                {
                    "log": lambda: bench.ours(1, alone, lambda row, event: None),
                    "plain": lambda: bench.plain(1, alone),
                    "eventsourcing": lambda: bench.eventsourcing(1, alone),
                },
                rounds=5,
            )
        finally:
            gc.unfreeze()
    return _group_lines(groups, events) + _single_lines(ones, alone), [
        "plain: the same table and index, no chain, no triggers, executemany of rows ready made",
        "eventsourcing: SQLiteApplicationRecorder.insert_events of stored events ready made",
        f"{events:,} events of {bench.payload_bytes} bytes of payload; best of 5 rounds in turn",
        "microseconds of processor an event: "
        + ", ".join(f"{name} {took.cpu / events * 1e6:.1f}" for name, took in groups.items()),
    ]


class _Bench:
    """Events, the rows they become, and writers of them into new files of `folder`."""

    def __init__(self, folder: Path, events: int) -> None:
        self._folder, self._numbers = folder, itertools.count()
        self._news = list(history(events))
        self.ours(GROUP, events, lambda row, event: None)()
        db = sqlite3.connect(folder / "0.db")
        self._rows: list[tuple[Any, ...]] = list(read.columns(db, None, events))
        db.close()
        self.payload_bytes = sum(len(row[8]) for row in self._rows) // events

    def _path(self) -> Path:
        return self._folder / f"{next(self._numbers)}.db"

    def ours(self, group: int, events: int, fold: Fold) -> Work:
        """`append` as the daemon calls it, one append an event."""
        db = open_writer(self._path(), "backfilld_events.log")
        groups = [[Append([new]) for new in some] for some in _cut(self._news[:events], group)]

        def work() -> None:
            for some in groups:
                db.execute("BEGIN IMMEDIATE")
                append(db, some, AT, fold)
                db.execute("COMMIT")

        return work

    def state(self) -> Fold:
        """Folds State, as the daemon does beside its tables."""
        state = INITIAL

        def fold(row: Row, event: Event) -> None:
            nonlocal state
            state = evolve(state, row, event)

        return fold

    def plain(self, group: int, events: int) -> Work:
        """The same table and pragmas, no chain, no triggers, nothing to encode."""
        db = open_writer(self._path(), "backfilld_events.log")
        for trigger in TRIGGERS:
            db.execute(f"DROP TRIGGER {trigger}")
        groups = _cut(self._rows[:events], group)

        def work() -> None:
            for some in groups:
                db.execute("BEGIN IMMEDIATE")
                db.executemany(INSERT, some)
                db.execute("COMMIT")

        return work

    def eventsourcing(self, group: int, events: int) -> Work:
        """The recorder that, like ours, gives all events one order."""
        store = SQLiteDatastore(str(self._path()), originator_id_type="text")
        recorder = SQLiteApplicationRecorder(store)
        recorder.create_table()
        stored = [StoredEvent(row[1], row[2], row[3], row[8]) for row in self._rows[:events]]
        groups = _cut(stored, group)

        def work() -> None:
            for some in groups:
                recorder.insert_events(some)

        return work


def _cut(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [items[at : at + size] for at in range(0, len(items), size)]


def _group_lines(took: dict[str, Took], events: int) -> list[Line]:
    rate = {name: events / one.wall for name, one in took.items()}
    lines = [
        Line(
            what=what,
            figure=rate[ours],
            unit="events/s",
            rival=rival,
            rival_figure=rate[rival],
            goal=f">= {GOAL_EVENTS_S:,}" if ours == "log" else None,
            met=rate[ours] >= GOAL_EVENTS_S if ours == "log" else None,
        )
        for what, ours, rival in [
            ("groups of 1,000", "log", "plain"),
            ("groups of 1,000", "log", "eventsourcing"),
            ("groups of 1,000, folds of State", "folded", "eventsourcing"),
        ]
    ]
    return [
        *lines,
        Line(
            what="groups of 1,000, by processor time",
            figure=events / took["log"].cpu,
            unit="events/s",
            rival="plain",
            rival_figure=events / took["plain"].cpu,
        ),
    ]


def _single_lines(took: dict[str, Took], events: int) -> list[Line]:
    rate = {name: events / one.wall for name, one in took.items()}
    return [
        Line(
            what="groups of 1",
            figure=rate["log"],
            unit="events/s",
            rival=rival,
            rival_figure=rate[rival],
            goal=f">= {GOAL_OF_BARE} of it" if rival == "plain" else None,
            met=rate["log"] >= GOAL_OF_BARE * rate[rival] if rival == "plain" else None,
        )
        for rival in ("plain", "eventsourcing")
    ]
