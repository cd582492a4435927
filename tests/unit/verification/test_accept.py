"""A person may go on with a log that does not verify; the log says so, and repairs nothing."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.tampering import ended_at, tampered

from backfilld.config.keys import LogConfig
from backfilld.verification import accept, start
from backfilld.verification.accept import Found, Unacceptable
from backfilld_events import chain
from backfilld_events.audit.checkpoint import Checkpoint, origin
from backfilld_events.audit.whole import verify_file
from backfilld_events.catalog.service import BreakAccepted
from backfilld_events.log import read
from backfilld_events.log.file import open_reader
from backfilld_events.row import Row

from .conftest import EVENTS

NOW = 1.8e9


def rows(log: Path) -> list[Row]:
    with closing(open_reader(log)) as db:
        return list(read.rows(db))


def accepted(log: Path) -> list[int]:
    return accept.accept(log, accept.look(log, []), "it was me", "uid:7", NOW)


def test_a_log_that_verifies_has_nothing_to_accept(folder: Path) -> None:
    assert accept.look(folder / "events.db", []) == Found([], [])


def test_who_accepts_what_and_why_stands_in_the_log_which_then_verifies(folder: Path) -> None:
    log = folder / "events.db"
    tampered(log, "UPDATE event SET actor = 'uid:0' WHERE position = 50")
    found = accept.look(log, [])
    assert [(one.position, one.what[:8]) for one in found.breaks] == [(50, "its hash")]
    before = rows(log)
    assert accepted(log) == [EVENTS + 1]
    after = rows(log)
    assert after[:-1] == before, "nothing is repaired"
    event = after[-1].event
    assert isinstance(event, BreakAccepted)
    assert (event.position, event.reason, after[-1].actor) == (50, "it was me", "uid:7")
    assert event.hash == chain.link(before[48].hash, before[49].columns)
    assert verify_file(log).passed == (50,)
    assert start.check(folder, LogConfig(verify_at_start="full"), NOW).problem is None
    tampered(log, "UPDATE event SET actor = 'uid:1' WHERE position = 50")
    assert [one.position for one in accept.look(log, []).breaks] == [50], "that is another break"


STATEMENTS = (
    "UPDATE event SET actor = 'uid:0' WHERE position = {at}",
    "UPDATE event SET recorded_at = recorded_at + 1 WHERE position = {at}",
    "UPDATE event SET hash = x'00' WHERE position = {at}",
    "DELETE FROM event WHERE position = {at} AND type <> 'job.started'",
    "UPDATE event SET version = version + 1000 WHERE position = {at}",
    "UPDATE event SET stream = 'nowhere' || position WHERE position = {at}",
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8)
@given(
    changes=st.lists(
        st.tuples(st.sampled_from(STATEMENTS), st.integers(2, EVENTS - 1)), min_size=1, max_size=4
    ),
    relink=st.booleans(),
)
@example(changes=[(STATEMENTS[-1], 72)], relink=True)
def test_whatever_can_be_accepted_verifies_afterwards_and_never_says_more_than_was_wrong(
    made: Path, tmp_path: Path, changes: list[tuple[str, int]], relink: bool
) -> None:
    log = tmp_path / "events.db"
    shutil.copy(made / "events.db", log)
    tampered(log, *(statement.format(at=at) for statement, at in changes), relink=relink)
    found = accept.look(log, [])
    positions = [one.position for one in found.breaks]
    assert positions == sorted(set(positions))
    before = rows(log)
    try:
        accept.accept(log, found, "it was me", "uid:7", NOW)
    except Unacceptable:  # what is missing leaves no state that follows
        assert rows(log) == before
        return
    assert accept.look(log, []) == Found([], [])
    assert verify_file(log).passed == tuple(positions)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE event SET payload = x'c1' WHERE position = 50", "event 50: "),
        ("UPDATE event SET type = 'no.such' WHERE position = 50", "not known to this version"),
        ("UPDATE event SET cause = 51 WHERE position = 50", "event 50: its cause 51"),
        ("UPDATE event SET actor = CAST(x'ff' AS TEXT) WHERE position = 50", "cannot be read"),
    ],
)
def test_what_no_version_could_read_cannot_be_accepted(
    folder: Path, statement: str, said: str
) -> None:
    log = folder / "events.db"
    tampered(log, statement)
    with pytest.raises(Unacceptable, match=said) as refused:
        accept.look(log, [])
    assert refused.value.hint == "restore events.db from a backup"


def test_what_a_checkpoint_says_otherwise_cannot_be_accepted(folder: Path) -> None:
    log = folder / "events.db"
    position, own = ended_at(log)
    kept = [Checkpoint(origin(rows(log)[0].hash), position, own, "2027-03-01T04:01:07Z")]
    assert accept.look(log, kept) == Found([], [])
    tampered(log, "DELETE FROM event WHERE position > 200")
    with pytest.raises(Unacceptable, match="its tail is cut off") as refused:
        accept.look(log, kept)
    assert "keep the file log.checkpoint_file as evidence, move it away" in refused.value.hint


def test_triggers_and_indexes_are_as_they_were_made_again(folder: Path) -> None:
    log = folder / "events.db"
    with closing(sqlite3.connect(log, isolation_level=None)) as db:
        db.execute("DROP TRIGGER event_no_update")
        db.execute("DROP INDEX event_stream")
        db.execute("DROP TRIGGER event_no_delete")
        db.execute("CREATE TRIGGER event_no_delete BEFORE DELETE ON event BEGIN SELECT 1; END")
        db.execute('CREATE TRIGGER "one "" more" BEFORE DELETE ON event BEGIN SELECT 1; END')
    found = accept.look(log, [])
    assert (len(found.breaks), len(found.guards)) == (0, 4)
    assert [one.position for one in found.told] == [EVENTS]
    assert accepted(log) == [EVENTS + 1]
    assert accept.look(log, []) == Found([], [])
    event = rows(log)[-1].event
    assert isinstance(event, BreakAccepted)
    assert "trigger event_no_update is gone, trigger event_no_delete was changed" in event.what


def test_another_table_cannot_be_accepted(folder: Path) -> None:
    log = folder / "events.db"
    with closing(sqlite3.connect(log)) as db:
        db.execute("ALTER TABLE event ADD COLUMN more TEXT")
    with pytest.raises(Unacceptable, match="table event was changed"):
        accept.look(log, [])


def test_a_log_of_which_no_state_follows_is_left_as_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = folder / "events.db"
    tampered(log, "UPDATE event SET actor = 'uid:0' WHERE position = 50")

    def fails(*_: object) -> None:
        raise KeyError("net.example.gone")

    monkeypatch.setattr("backfilld_events.projections.Projections.fold", fails)
    with pytest.raises(Unacceptable, match=r"no state follows from it: KeyError"):
        accepted(log)
    assert len(rows(log)) == EVENTS


def test_a_thousand_breaks_are_another_log(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept, "BREAKS_MAX", 5)
    tampered(folder / "events.db", "UPDATE event SET actor = 'uid:0' WHERE position > 200")
    with pytest.raises(Unacceptable, match="more than 5 breaks"):
        accept.look(folder / "events.db", [])


def test_a_tail_that_was_cut_off_has_one_number_at_the_start_and_when_it_is_accepted(
    folder: Path,
) -> None:
    log = folder / "events.db"
    tampered(log, "DELETE FROM event WHERE position > 200")
    problem = start.check(folder, LogConfig(), NOW).problem
    assert problem is not None
    assert [(one.position, one.what) for one in accept.look(log, []).breaks] == [
        (problem.position, problem.what)
    ]
    accepted(log)
    assert verify_file(log).passed == (problem.position,)
