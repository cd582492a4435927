"""Appends write what the slow reference would: one row after the other, by the definition."""

import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.given import POSTS, TAP, handed_off, page, started

from backfilld_events import chain, codec
from backfilld_events.catalog import Event
from backfilld_events.catalog.service import ServiceStarted
from backfilld_events.catalog.source import TapConnected
from backfilld_events.log import read
from backfilld_events.log.append import Append, Conflict, Outcome, append
from backfilld_events.log.file import open_writer
from backfilld_events.row import PREVIOUS, NewEvent, Row

EVENTS: list[Event] = [
    started(POSTS), page(0, 3), handed_off(3), ServiceStarted("0.1.0"), TapConnected(TAP)
]  # fmt: skip
NEWS = st.builds(
    NewEvent,
    stream=st.sampled_from(["job/a", "job/b", "tap", "service"]),
    event=st.sampled_from(EVENTS),
    actor=st.sampled_from(["system", "uid:7"]),
    cause=st.sampled_from([None, PREVIOUS, 1]),
)
APPENDS = st.builds(
    Append,
    events=st.lists(NEWS, max_size=90),
    expected=st.dictionaries(st.sampled_from(["job/a", "tap"]), st.integers(0, 4), max_size=2),
)


class Reference:
    """The log as a list."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def append(self, one: Append, at: int) -> Outcome:
        for stream, expected in one.expected.items():
            if self.version(stream) != expected:
                return Conflict(stream, expected, self.version(stream))
        before = len(self.rows)
        for new in one.events:
            self.add(new, at)
        return self.rows[before:]

    def add(self, new: NewEvent, at: int) -> None:
        last = len(self.rows)
        name, schema, payload = codec.encode(new.event)
        row = Row(
            position=last + 1,
            stream=new.stream,
            version=self.version(new.stream) + 1,
            type=name,
            schema=schema,
            recorded_at=at,
            actor=new.actor,
            cause=last if new.cause == PREVIOUS else new.cause,
            payload=payload,
            hash=b"",
        )
        linked = row.linked(self.rows[-1].hash if self.rows else chain.GENESIS)
        self.rows.append(Row(*row.columns, hash=linked))

    def version(self, stream: str) -> int:
        return sum(row.stream == stream for row in self.rows)


@settings(max_examples=60, deadline=None)
@given(groups=st.lists(st.lists(APPENDS, max_size=4), max_size=4))
def test_rows_outcomes_and_folded_rows_are_those_of_the_reference(
    groups: list[list[Append]],
) -> None:
    with TemporaryDirectory() as folder:
        db = open_writer(Path(folder) / "events.db", "backfilld_events.log")
        reference, folded = Reference(), list[tuple[Row, Event]]()

        def fold(row: Row, event: Event) -> None:
            assert read.row(db, row.position) == row, "it stands before it is folded"
            folded.append((row, event))

        for at, group in enumerate(groups):
            db.execute("BEGIN IMMEDIATE")
            outcomes = append(db, group, at, fold)
            db.execute("COMMIT")
            assert outcomes == [reference.append(one, at) for one in group]
        assert list(read.rows(db)) == reference.rows
        assert folded == [(row, row.event) for row in reference.rows]
        db.close()


def test_a_row_that_is_refused_takes_its_whole_statement_with_it(tmp_path: Path) -> None:
    """The trigger sees rows of the same statement: a gap among them is refused too."""
    db = open_writer(tmp_path / "events.db", "backfilld_events.log")
    rows = ", ".join(f"({n}, 's', {n}, 't', 1, 0, 'a', NULL, x'', x'')" for n in (1, 2, 4))
    with pytest.raises(sqlite3.IntegrityError, match="no gap"):
        db.execute(f"INSERT INTO event VALUES {rows}")
    assert db.execute("SELECT count(*) FROM event").fetchone() == (0,)
    db.close()
