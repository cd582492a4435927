"""A fold from scratch gives what folding as it happened gave."""

from pathlib import Path
from typing import get_args

import pytest
from msgspec import inspect
from support.given import LIKES, POSTS, handed_off, page, started

from backfilld_events import folds
from backfilld_events.catalog import TYPES, Event, JobEvent
from backfilld_events.catalog.index import (
    RecordsCommitted,
    RecordsRemoved,
    RemovalAsked,
    Removed,
)
from backfilld_events.catalog.job import JobCompleted
from backfilld_events.catalog.lexicon import LexiconUploaded
from backfilld_events.catalog.service import ServiceStarted
from backfilld_events.catalog.source import ReposObserved, TapConnected
from backfilld_events.codec import Undecodable
from backfilld_events.eventlog import EventLog
from backfilld_events.folds import INITIAL, State, job, replay
from backfilld_events.folds.job import Job
from backfilld_events.folds.lexicon import Lexicon
from backfilld_events.log import read
from backfilld_events.log.append import Append
from backfilld_events.log.file import open_reader
from backfilld_events.row import NewEvent, Row

NEWS = [
    ("service", ServiceStarted("0.1.0")),
    ("tap", TapConnected("http://t")),
    ("lexicon/" + POSTS, LexiconUploaded(POSTS, 1, "record", True, None, b"{}")),
    ("job/a", started(POSTS)),
    ("job/b", started(LIKES)),
    ("job/a", page(0, 3, cursor=None)),
    ("index", RecordsCommitted(1, 4, [], [], [], 0)),
    ("removal/r", RemovalAsked("r", POSTS, 7)),
    ("removal/q", RemovalAsked("q", LIKES, 7)),
    ("index", RecordsRemoved(5, POSTS, None, "r", False, [Removed(b"x", 2)])),
    ("index", RecordsRemoved(6, POSTS, "at://x", None, True, [])),
    ("index", RecordsRemoved(7, POSTS, None, "r", True, [])),
    ("tap", ReposObserved("http://t", False, [])),
    ("job/a", handed_off(3)),
    ("job/a", JobCompleted(3, 3, 0, [])),
    ("job/a", page(3, 1)),
]


def test_at_every_position_a_replay_is_the_state_of_that_moment(tmp_path: Path) -> None:
    log = EventLog.open(tmp_path / "events.db")
    states: list[State] = []
    for stream, event in NEWS:
        log.append([Append([NewEvent(stream, event, "x")])], 1)
        states.append(log.state)
    db = open_reader(tmp_path / "events.db")
    for position, state in enumerate(states, 1):
        assert replay(read.rows(db, upto=position)) == state
        assert replay(read.rows(db, position), state) == states[-1]
    assert set(states[-1].jobs) == {"b"}
    assert (states[-1].source.receipts, set(states[-1].source.removals)) == (7, {"q"})
    assert {state.source.removals["r"].deleted for state in states[9:11]} == {2}
    db.close()
    log.close()


def test_a_row_that_cannot_be_read_ends_the_replay() -> None:
    row = Row(1, "service", 1, "service.unheard-of", 1, 1, "x", None, b"\x80", b"")
    with pytest.raises(Undecodable, match=r"service\.unheard-of"):
        replay([row])
    assert replay([]) == INITIAL


def test_every_event_of_the_catalog_is_folded() -> None:
    assert set(folds._EVOLVE) == set(TYPES.values()) == set(get_args(Event))
    assert {*job._CHANGES, *job._STOPS} == set(get_args(JobEvent))


def test_no_part_of_the_state_is_a_set_for_each_process_would_write_it_otherwise() -> None:
    seen: list[object] = []

    def walk(one: object) -> None:
        if any(one is known for known in seen):
            return
        seen.append(one)
        assert not isinstance(one, inspect.SetType | inspect.FrozenSetType)
        for part in getattr(one, "__struct_fields__", ()):
            value = getattr(one, part)
            for each in value if isinstance(value, tuple) else (value,):
                if isinstance(each, inspect.Type | inspect.Field):
                    walk(each)

    walk(inspect.type_info(State))
    walk(inspect.type_info(Job))
    walk(inspect.type_info(Lexicon))
    assert len(seen) > 50
