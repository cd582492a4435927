"""Of the file elsewhere only the end is written, a whole line at a time."""

import os
import stat
from contextlib import closing
from pathlib import Path

import pytest
import structlog
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backfilld.clock import virtual
from backfilld.config import Duration
from backfilld.config.keys import LogConfig
from backfilld.journal import Journal
from backfilld.verification.checkpoints import MODE, Checkpoints, append, last
from backfilld.verification.known import Verification
from backfilld.worker import InlineWorker
from backfilld_events.audit.checkpoint import Checkpoint, origin
from backfilld_events.catalog.service import ServiceStarted
from backfilld_events.eventlog import EventLog
from backfilld_events.row import NewEvent


def one(position: int) -> Checkpoint:
    return Checkpoint("ab" * 8, position, bytes([position % 256]) * 32, "2027-03-01T04:01:07.113Z")


def test_what_is_appended_is_read_again_and_nothing_before_it_is_touched(tmp_path: Path) -> None:
    file = tmp_path / "checkpoints"
    assert last(file) == []
    old = os.umask(0o077)
    try:
        append(file, one(1).line)
    finally:
        os.umask(old)
    assert stat.S_IMODE(file.stat().st_mode) == MODE, "whoever keeps copies may read it"
    append(file, one(2).line)
    assert file.read_text() == f"{one(1).line}\n{one(2).line}\n"
    assert last(file) == [one(1), one(2)]
    assert last(file, bytes_max=len(one(2).line) + 20) == [one(2)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(cut=st.integers(1, len(one(2).line) + 1))
def test_a_line_torn_anywhere_spoils_no_other_and_is_no_checkpoint(
    tmp_path: Path, cut: int
) -> None:
    file, whole = tmp_path / "checkpoints", f"{one(1).line}\n{one(2).line}\n"
    file.write_text(whole[:-cut])
    before = file.read_bytes()
    assert [*last(file), one(2)][:2] == [one(1), one(2)], "nothing that was never written"
    append(file, one(3).line)
    assert file.read_bytes().startswith(before)
    found = last(file)
    assert (found[0], found[-1]) == (one(1), one(3))
    assert set(found[1:-1]) <= {one(2)}


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_file_is_not_written(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "checkpoints"
    (tmp_path / "events.db").write_text("the log")
    {
        "link": lambda: file.symlink_to(tmp_path / "events.db"),
        "pipe": lambda: os.mkfifo(file),
        "folder": file.mkdir,
    }[kind]()
    for use in (lambda: append(file, one(1).line), lambda: last(file)):
        with pytest.raises(OSError, match=str(file)):
            use()
    assert (tmp_path / "events.db").read_text() == "the log"


async def test_a_checkpoint_is_made_at_intervals_if_the_log_has_moved_and_told_to_the_journal(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    file, known = tmp_path / "checkpoints", Verification()
    config = LogConfig(checkpoint_file=str(file), checkpoint_every=Duration(3600))
    clock = virtual(1.8e9)
    with (
        closing(EventLog.open(tmp_path / "events.db")) as log,
        structlog.testing.capture_logs() as said,
    ):
        journal = Journal(log, InlineWorker(), clock)
        checkpoints = Checkpoints(known, journal, InlineWorker(), lambda: config, clock)
        async with trio.open_nursery() as nursery:
            await nursery.start(journal.run)
            nursery.start_soon(checkpoints.run)
            await trio.sleep(10)
            assert not file.exists(), "there is nothing to say of a log without events"
            for _ in range(2):
                await journal.append([NewEvent("service", ServiceStarted(version="x"), "system")])
                await trio.sleep(3 * 3600)
            assert [one.position for one in last(file)] == [1, 2]
            assert last(file)[-1].hash == log.head.hash
            assert {one.origin for one in last(file)} == {origin(log.head.first)}
            assert known.checkpoint.line == file.read_text().splitlines()[-1]
            assert [one["line"] for one in said if one["event"] == "checkpoint"] == (
                file.read_text().splitlines()
            )
            await journal.append([NewEvent("service", ServiceStarted(version="x"), "system")])
            await checkpoints.make()
            assert last(file)[-1].position == 3, "and when it is asked for"
            config = LogConfig(checkpoint_file=str(file), checkpoint_every=Duration(0))
            await journal.append([NewEvent("service", ServiceStarted(version="x"), "system")])
            await trio.sleep(5 * 3600)
            assert last(file)[-1].position == 3, "never, after a reload said so"
            nursery.cancel_scope.cancel()


async def test_a_file_that_cannot_be_written_is_told_and_tried_again(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    file, known = tmp_path / "gone" / "checkpoints", Verification()
    config = LogConfig(checkpoint_file=str(file), checkpoint_every=Duration(3600))
    clock = virtual(1.8e9)
    with closing(EventLog.open(tmp_path / "events.db")) as log:
        journal = Journal(log, InlineWorker(), clock)
        checkpoints = Checkpoints(known, journal, InlineWorker(), lambda: config, clock)
        async with trio.open_nursery() as nursery:
            await nursery.start(journal.run)
            await journal.append([NewEvent("service", ServiceStarted(version="x"), "system")])
            nursery.start_soon(checkpoints.run)
            with structlog.testing.capture_logs() as said:
                await trio.sleep(10)
            assert [one["log_level"] for one in said] == ["info", "warning"]
            assert "No such file" in known.checkpoint.fault
            file.parent.mkdir()
            await trio.sleep(3600)
            assert known.checkpoint.fault == ""
            assert [one.position for one in last(file)] == [1]
            nursery.cancel_scope.cancel()


async def test_no_checkpoint_is_made_of_a_log_that_does_not_verify(tmp_path: Path) -> None:
    file, known = tmp_path / "checkpoints", Verification()
    config = LogConfig(checkpoint_file=str(file))
    with closing(EventLog.open(tmp_path / "events.db")) as log:
        journal = Journal(log, InlineWorker(), lambda: 1.8e9)
        async with trio.open_nursery() as nursery:
            await nursery.start(journal.run)
            await journal.append([NewEvent("service", ServiceStarted(version="x"), "system")])
            await journal.freeze("it does not verify")
            await Checkpoints(known, journal, InlineWorker(), lambda: config, lambda: 1.8e9).make()
            nursery.cancel_scope.cancel()
    assert not file.exists()
