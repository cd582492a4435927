"""Whatever is done to a log, verify names the first position that is wrong."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.given import LIKES, POSTS, handed_off, page, started

from backfilld_events import chain, codec
from backfilld_events.audit import whole
from backfilld_events.audit.verify import Broken, verify_columns
from backfilld_events.catalog.service import BreakAccepted
from backfilld_events.cli import main, say
from backfilld_events.log import read
from backfilld_events.log.append import Append, append
from backfilld_events.log.file import open_reader, open_writer
from backfilld_events.row import PREVIOUS, NewEvent

EVENTS = 12
COLUMNS = (
    "stream",
    "version",
    "type",
    "schema",
    "recorded_at",
    "actor",
    "cause",
    "payload",
    "hash",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of EVENTS rows whose streams all begin in its first half and go on in its second."""
    path = tmp_path / "events.db"
    events = [
        NewEvent(f"job/{job}", event, "uid:7", cause)
        for job, event, cause in [
            ("a", started(POSTS), None), ("b", started(LIKES), 1), ("a", page(0, 3), PREVIOUS),
            ("b", page(0, 1), 2), ("a", handed_off(3), 3), ("b", handed_off(1), None),
        ]
    ]  # fmt: skip
    with closing(open_writer(path, "backfilld_events.log")) as db:
        db.execute("BEGIN IMMEDIATE")
        append(db, [Append(events), Append(events)], 1_800_000_000_000_000, lambda row, event: None)
        db.execute("COMMIT")
    return path


def tampered(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        for trigger in ("event_next", "event_no_update", "event_no_delete"):
            db.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            db.execute(statement)
        db.commit()


def rows_of(path: Path) -> list[tuple[Any, ...]]:
    with closing(open_reader(path)) as db:
        return list(read.columns(db, None, EVENTS))


def flips(value: Any) -> list[Any]:
    """The value with one bit another, for each of its bits; NULL becomes a number."""
    match value:
        case None:
            return [1]
        case int():
            return [value ^ 1 << bit for bit in range(63)]
        case str():
            raw = flips(value.encode())
            return [text for text in (one.decode(errors="ignore") for one in raw) if text != value]
        case _:
            bits = range(len(value) * 8)
            whole = int.from_bytes(value, "big")
            return [(whole ^ 1 << bit).to_bytes(len(value), "big") for bit in bits]


def test_every_flipped_bit_of_every_column_is_found_at_its_row(path: Path) -> None:
    rows = rows_of(path)
    for at, row in enumerate(rows):
        for column in range(1, len(row)):
            for flipped in flips(row[column]):
                wrong = (*row[:column], flipped, *row[column + 1 :])
                with pytest.raises(Broken) as broken:
                    verify_columns([*rows[:at], wrong, *rows[at + 1 :]])
                assert broken.value.position == at + 1


def test_rows_swapped_removed_or_put_in_are_found_at_the_first_wrong_position(path: Path) -> None:
    rows = rows_of(path)
    for at in range(EVENTS - 1):
        swapped = [*rows[:at], rows[at + 1], rows[at], *rows[at + 2 :]]
        renumbered = [(n, *row[1:]) for n, row in enumerate(swapped, 1)]
        removed = rows[:at] + rows[at + 1 :]
        twice = rows[: at + 1] + rows[at:]
        for wrong, position in [(swapped, at), (renumbered, at), (removed, at), (twice, at + 1)]:
            with pytest.raises(Broken) as broken:
                verify_columns(wrong)
            assert broken.value.position == position + 1


def relinked(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows with hashes that follow: the work of somebody who knows the chain."""
    previous, linked = chain.GENESIS, []
    for row in rows:
        previous = chain.link(previous, row[:9])
        linked.append((*row[:9], previous))
    return linked


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        (2, 3, "goes from version 1 to 3"),
        (7, 4, "its cause 4 is not an earlier event"),
        (7, 0, "its cause 0 is not an earlier event"),
        (7, "1", "its column cause is of another type"),
        (2, 2.0, "its column version is of another type"),
        (4, 1.0, "its column schema is of another type"),
        (5, "now", "its column recorded_at is of another type"),
        (6, None, "its column actor is of another type"),
        (8, "a text", "its column payload is of another type"),
        (8, b"\x91" * 100_000 + b"\xc0", "'job.page-discovered'"),
        (3, "job.unheard-of", "not known to this version"),
        (4, 9, "not known to this version"),
        (8, b"\xc1", "'job.page-discovered' schema 1"),
        (8, msgspec.msgpack.encode({"tap": b""})[:-2] + b"\xa1\xff", "'job.page-discovered'"),
    ],
)
def test_what_a_right_hash_hides_is_found_all_the_same(
    path: Path, column: int, value: Any, said: str
) -> None:
    rows = rows_of(path)
    rows[3] = (*rows[3][:column], value, *rows[3][column + 1 :])
    with pytest.raises(Broken, match=said) as broken:
        verify_columns(relinked(rows))
    assert broken.value.position == 4


def test_a_row_before_the_first_is_found(path: Path) -> None:
    tampered(path, "UPDATE event SET position = -4 WHERE position = 1")
    with pytest.raises(Broken, match="the next row has position -4") as broken:
        whole.verify_file(path)
    assert broken.value.position == 1


def test_a_text_that_is_no_utf8_is_a_broken_row_and_not_a_broken_file(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tampered(path, "UPDATE event SET actor = CAST(x'75ff' AS TEXT) WHERE position = 7")
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(path)])
    assert ended.value.code == say.BROKEN
    assert "event 7: it cannot be read" in capsys.readouterr().out


TAMPERINGS = [
    "UPDATE event SET hash = zeroblob(32) WHERE position = %d",
    "UPDATE event SET recorded_at = recorded_at + 1 WHERE position = %d",
    "UPDATE event SET version = version + 50 WHERE position = %d",
    "UPDATE event SET position = position + 500 WHERE position = %d",
    "DELETE FROM event WHERE position = %d",
]


def in_this_process(path: Path, cuts: list[int]) -> list[whole.Stretch | None]:
    return [whole.stretch(path, after, upto) for after, upto in pairwise(cuts)]


def verdict(work: Callable[[], object]) -> object:
    try:
        return work()
    except Broken as broken:
        return str(broken)


@pytest.mark.parametrize("cores", [2, 3, 5])
def test_stretches_say_what_one_walk_says(
    path: Path, monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(whole, "_walked", in_this_process)
    original = path.read_bytes()
    alone = whole.verify_file(path)
    assert whole.verify_file(path, 1) == alone
    assert alone.events == EVENTS
    for tampering in TAMPERINGS:
        for position in range(1, EVENTS + 1):
            path.write_bytes(original)
            tampered(path, tampering % position)
            said = verdict(lambda: whole.verify_file(path))
            assert verdict(lambda: whole.verify_file(path, 1)) == said


def test_a_seam_is_held_to_versions_as_well(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of one stream that skip a version over the seam, with hashes that follow."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(whole, "_walked", in_this_process)
    rows = relinked([(*row[:2], row[2] + (row[0] > 6), *row[3:]) for row in rows_of(path)])
    tampered(path, "DELETE FROM event")
    with closing(sqlite3.connect(path)) as db:
        db.executemany(f"INSERT INTO event VALUES ({', '.join('?' * 10)})", rows)
        db.commit()
    with pytest.raises(Broken, match="goes from version 3 to 5") as broken:
        whole.verify_file(path, 1)
    assert broken.value.position == 7


def test_processes_verify_a_log_while_its_writer_has_it_open(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    walked: list[int] = []
    real = whole._walked
    monkeypatch.setattr(whole, "_walked", lambda p, cuts: walked.append(len(cuts)) or real(p, cuts))
    with closing(open_writer(path, "backfilld_events.log")) as db:
        db.execute("BEGIN IMMEDIATE")
        done = whole.verify_file(path, 1)
        db.execute("COMMIT")
        assert done == verify_columns(read.columns(db, None, EVENTS))
    assert walked == [3]


def test_readers_are_looked_up_once_and_name_what_they_cannot_read() -> None:
    readers = codec.Readers()
    assert readers.decode("job.picked-up", 1, b"\x80") == readers.decode(
        "job.picked-up", 1, b"\x80"
    )
    assert list(readers) == [("job.picked-up", 1)]
    with pytest.raises(codec.Undecodable, match="service.started"):
        readers.decode("service.started", 1, b"\x81\xa7version\xa1\xff")


def test_an_acceptance_is_told_even_where_the_rows_are_right(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a tail that was cut off nothing shows in the rows that are left."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(whole, "_walked", in_this_process)
    accepted = BreakAccepted(EVENTS, rows_of(path)[-1][-1], "its tail is cut off", "a test")
    with closing(open_writer(path, "backfilld_events.log")) as db:
        db.execute("BEGIN IMMEDIATE")
        new = NewEvent("service", accepted, "uid:7")
        append(db, [Append([new])], 1_800_000_000_000_000, lambda row, event: None)
        db.execute("COMMIT")
    assert [whole.verify_file(path, n).passed for n in (1, 1_000)] == [(EVENTS,), (EVENTS,)]


def test_breaks_that_were_accepted_are_named_as_a_sentence_has_them(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of(path)
    for positions in ((EVENTS,), (1, 2)):
        accepted = [BreakAccepted(at, rows[at - 1][-1], "x", "a test") for at in positions]
        with closing(open_writer(path, "backfilld_events.log")) as db:
            db.execute("BEGIN IMMEDIATE")
            new = [NewEvent("service", one, "uid:7") for one in accepted]
            append(db, [Append(new)], 1_800_000_000_000_000, lambda row, event: None)
            db.execute("COMMIT")
        main(["verify", "--log-only", str(path)])
    one, three = capsys.readouterr().out.splitlines()
    assert f", but for the break at #{EVENTS}, which was accepted; #" in one
    assert f", but for the breaks at #1, #2 and #{EVENTS}, which were accepted; #" in three


def test_one_checkpoint_agrees_and_one_other_line_holds_none(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["checkpoint", str(path)])
    kept = tmp_path / "kept"
    kept.write_text(f"a mail\n{capsys.readouterr().out}")
    main(["verify", "--log-only", "--against", str(kept), str(path)])
    out, err = capsys.readouterr()
    assert f"checkpoints  OK  1 agrees, the last at #{EVENTS}" in out
    assert err == f"note: 1 line of {kept} holds no checkpoint, the first is 1\n"
