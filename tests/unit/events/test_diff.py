"""What is another between two logs is named, and nothing else."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.given import LIKES, POSTS, handed_off, page, started

from backfilld_events import chain
from backfilld_events.audit.diff import Compared, diff
from backfilld_events.audit.source import LogFile, open_source
from backfilld_events.catalog.job import JobPaused
from backfilld_events.catalog.service import BreakAccepted
from backfilld_events.cli import main, say
from backfilld_events.eventlog import EventLog
from backfilld_events.log.append import Append
from backfilld_events.row import COLUMNS, NewEvent

AT = 1_800_000_000_000_000
EVENTS = [
    NewEvent("job/a", started(POSTS), "uid:7"),
    NewEvent("job/a", page(0, 3), "system"),
    NewEvent("job/a", handed_off(3), "system"),
    NewEvent("job/b", started(LIKES), "uid:7"),
    NewEvent("job/b", JobPaused("maintenance"), "uid:7"),
    NewEvent("job/b", page(0, 5), "system"),
]
LATER = [NewEvent("job/c", started(POSTS), "uid:7"), NewEvent("job/c", page(0, 1), "system")]


def logged(path: Path, *events: list[NewEvent]) -> Path:
    log = EventLog.open(path)
    for some in events:
        log.append([Append(some)], AT)
    log.close()
    return path


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return logged(tmp_path / "one.db", EVENTS)


@pytest.fixture
def other(one: Path, tmp_path: Path) -> Path:
    """The same, in another file."""
    return Path(shutil.copy(one, tmp_path / "other.db"))


def edited(path: Path, *statements: str, relink: bool = False) -> None:
    """With the guards gone; `relink`: the chain made anew behind it."""
    with closing(sqlite3.connect(path)) as db:
        for name in ("event_next", "event_no_update", "event_no_delete"):
            db.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            db.execute(statement)
        previous = chain.GENESIS
        for row in db.execute(f"SELECT {COLUMNS} FROM event ORDER BY position").fetchall():
            previous = chain.link(previous, row[:9])
            if relink:
                db.execute("UPDATE event SET hash = ? WHERE position = ?", (previous, row[0]))
        db.commit()


Verb = Callable[..., tuple[int, str]]


@pytest.fixture
def verb(capsys: pytest.CaptureFixture[str]) -> Verb:
    """The exit code of `backfill-audit diff`, and what it says."""

    def ran(*arguments: object) -> tuple[int, str]:
        code = say.OK
        try:
            main(["diff", *map(str, arguments)])
        except SystemExit as ended:
            code = cast(int, ended.code)
        said = capsys.readouterr()
        return code, said.out + said.err

    return ran


def compared(one: Path, other: Path) -> Compared:
    with open_source(one) as a, open_source(other) as b:
        return diff(a, b)


def test_a_log_and_its_copy_and_its_export_are_the_same(
    one: Path, other: Path, tmp_path: Path, verb: Verb
) -> None:
    main(["export", str(one), str(tmp_path / "log.jsonl")])
    for file in (one, other, tmp_path / "log.jsonl"):
        assert verb(one, file)[0] == verb(file, one)[0] == say.OK
    assert verb(one, other)[1] == "the same  6 events in both\n"


def test_where_one_goes_on_and_with_how_much_is_said(one: Path, other: Path, verb: Verb) -> None:
    logged(other, LATER)
    done = compared(one, other)
    assert (done.same, done.parted, done.more, done.more_from, done.more_in_other) == (
        6, None, 2, 7, True,
    )  # fmt: skip
    code, said = verb(other, one)
    assert code == say.NO
    assert f"{other} goes on where {one} ends: 2 more events, from #7 on" in said


def test_when_an_event_was_is_told_as_people_tell_time(one: Path, other: Path, verb: Verb) -> None:
    edited(other, "UPDATE event SET recorded_at = recorded_at + 1500000 WHERE position = 2")
    told = "  recorded_at: 2027-01-15T08:00:00.000Z -> 2027-01-15T08:00:01.500Z\n"
    assert told in verb(one, other)[1]


def test_what_is_less_than_people_tell_is_told_in_microseconds(
    one: Path, other: Path, verb: Verb
) -> None:
    edited(other, "UPDATE event SET recorded_at = recorded_at + 1 WHERE position = 2")
    assert f"  recorded_at: {AT} -> {AT + 1}\n" in verb(one, other)[1]


def test_one_of_a_kind_is_said_as_one(tmp_path: Path, verb: Verb) -> None:
    one, other = logged(tmp_path / "one.db", EVENTS[:1]), tmp_path / "other.db"
    shutil.copy(one, other)
    assert verb(one, other)[1] == "the same  1 event in both\n"
    logged(other, EVENTS[1:2])
    said = verb(one, other)[1].splitlines()
    assert said[0] == "differ    1 event is the same in both, from the first on"
    assert said[1].endswith(f"{other} goes on where {one} ends: 1 more event, from #2 on")
    logged(one, EVENTS[1:3])
    logged(other, EVENTS[2:3])
    edited(other, "UPDATE event SET actor = 'uid:0' WHERE position > 1")
    said = verb(one, other)[1].splitlines()
    assert said[-1] == "after it  1 event has another content: #3"


def test_a_hash_is_shown_in_hex_to_people_and_programs_alike(tmp_path: Path, verb: Verb) -> None:
    accepted = [BreakAccepted(1, n * 32, "", "") for n in (b"\xd0", b"\x9f")]
    one, other = (
        logged(tmp_path / f"{number}.db", [NewEvent("service", event, "x")])
        for number, event in enumerate(accepted)
    )
    assert f"  payload hash: {'d0' * 32} -> {'9f' * 32}\n" in verb(one, other)[1]
    (field,) = json.loads(verb("--json", one, other)[1])["parted"]["payload"]
    assert field == {"name": "hash", "one": "d0" * 32, "other": "9f" * 32}


def test_logs_that_went_on_differently_part_where_they_did(one: Path, other: Path) -> None:
    logged(one, LATER)
    pages = [NewEvent("job/c", page(first, 2), "system") for first in (0, 2, 4)]
    logged(other, [*LATER[:1], *pages])
    done = compared(one, other)
    assert done.parted is not None
    assert (done.same, done.parted.position, done.later, done.more, done.more_from) == (
        7, 8, 0, 2, 9,
    )  # fmt: skip


def test_one_edited_event_in_a_chain_made_anew_is_named_alone(
    one: Path, other: Path, verb: Verb
) -> None:
    with LogFile(one) as source:
        row = list(source.columns(None, 6))[4]
    payload = row[8].replace(b"maintenance", b"MAINTENANCE").hex()
    edited(other, f"UPDATE event SET payload = x'{payload}' WHERE position = 5", relink=True)
    code, said = verb(one, other)
    assert code == say.NO
    lines = said.splitlines()
    assert lines[0] == "differ    4 events are the same in both, from the first on"
    assert lines[1] == f"part at   #5 job/b job.paused, {one} -> {other}:"
    assert lines[2] == "  payload reason: maintenance -> MAINTENANCE"
    assert lines[3].startswith(f"  hash: {row[9].hex()} -> ")
    assert lines[4:] == [
        "after it  no event has another content; 1 has another hash, so a chain was made anew",
    ]


def test_an_edit_in_place_has_nothing_after_it(one: Path, other: Path, verb: Verb) -> None:
    edited(other, "UPDATE event SET actor = 'uid:0', cause = 1 WHERE position = 4")
    _, said = verb(one, other)
    assert said.splitlines()[2:] == [
        "  actor: uid:7 -> uid:0",
        "  cause: nothing -> 1",
        "after it  no event is another",
    ]


def test_of_many_edits_the_first_ten_are_named(tmp_path: Path, verb: Verb) -> None:
    pages = [NewEvent("job/a", started(POSTS), "x")] + [NewEvent("job/a", page(0, 0), "x")] * 30
    one = logged(tmp_path / "one.db", pages)
    other = Path(shutil.copy(one, tmp_path / "other.db"))
    edited(other, "UPDATE event SET actor = 'y' WHERE position % 2 = 0", relink=True)
    code, said = verb("--json", one, other)
    data = json.loads(said)
    assert code == say.NO
    assert (data["same"], data["events"], data["parted"]["position"]) == (False, 1, 2)
    assert data["parted"]["columns"][0] == {"name": "actor", "one": "x", "other": "y"}
    assert (data["later"], data["positions"]) == (14, [*range(4, 24, 2)])
    assert (data["rehashed"], data["more"]) == (15, None)
    assert "14 events have another content: #4, #6" in verb(one, other)[1]


def test_an_event_that_only_one_has_is_named(one: Path, other: Path, verb: Verb) -> None:
    edited(other, "DELETE FROM event WHERE position = 3")
    assert (
        f"part at   #3, which is in {one} alone: job/a job.batch-handed-off" in verb(one, other)[1]
    )
    _, said = verb("--json", other, one)
    assert json.loads(said)["parted"] == {
        "position": 3, "in": "other", "columns": [], "payload": [],
    }  # fmt: skip


def differing(one: Path, other: Path, payload: bytes, position: int = 2) -> list[tuple[Any, ...]]:
    """What is said of the payload, when the other has this one."""
    edited(other, f"UPDATE event SET payload = x'{payload.hex()}' WHERE position = {position}")
    done = compared(one, other)
    assert done.parted is not None
    return [(field.name, field.one, field.other) for field in done.parted.payload]


def test_of_a_page_the_repositories_that_differ_are_named(one: Path, other: Path) -> None:
    new = msgspec.structs.replace(page(0, 4), malformed=["x"])
    assert differing(one, other, msgspec.msgpack.encode(new)) == [
        ("count", 3, 4),
        ("dids[3]", None, "did:plc:aaaaaaaaaaaaaaaaaaaaaaad"),
        ("malformed[0]", None, "x"),
    ]


def test_the_same_in_other_bytes_is_told_from_another_content(
    one: Path, other: Path, verb: Verb
) -> None:
    with LogFile(one) as source:
        packed = list(source.columns(None, 6))[1][8]
    assert differing(one, other, b"\xde\x00" + bytes([packed[0] & 0xF]) + packed[1:]) == []
    assert "payload: says the same in other bytes" in verb(one, other)[1]


@pytest.mark.parametrize("payload", [b"\xc1", b"", b"\x80", b"\x81\x01\xc4\x01a", b"\x91" * 9000])
def test_what_cannot_be_read_is_compared_all_the_same(
    one: Path, other: Path, verb: Verb, payload: bytes
) -> None:
    assert differing(one, other, payload)
    assert verb(one, other)[0] == verb("--json", other, one)[0] == say.NO


def test_of_a_large_payload_some_fields_are_shown_and_all_counted(
    one: Path, other: Path, verb: Verb
) -> None:
    differing(one, other, msgspec.msgpack.encode(page(50, 3)))
    other_page = msgspec.msgpack.encode(page(0, 300))
    edited_again = Path(shutil.copy(one, other.with_name("more.db")))
    differing(one, edited_again, other_page)
    assert "and 278 more fields of the payload" in verb(one, edited_again)[1]


def test_a_broken_export_is_named(one: Path, tmp_path: Path, verb: Verb) -> None:
    text = tmp_path / "log.jsonl"
    main(["export", str(one), str(text)])
    text.write_bytes(text.read_bytes()[:-5])
    code, said = verb(one, text)
    assert code == say.BROKEN
    assert f"event 6: {text}: line 7: it has no end" in said


_columns = st.sampled_from(["actor", "stream", "cause"])


@given(edits=st.dictionaries(st.integers(1, 6), _columns, max_size=6), relink=st.booleans())
def test_any_edits_are_found_and_no_others(
    tmp_path_factory: pytest.TempPathFactory, edits: dict[int, str], relink: bool
) -> None:
    rows = [(n, f"s{n}", 1, "t", 1, AT, "x", None, b"\x80") for n in range(1, 7)]

    class Rows:
        path = Path("rows")

        def __init__(self, rows: list[Any], *, relink: bool) -> None:
            previous, self._rows = chain.GENESIS, []
            for row, was in zip(rows, originals, strict=True):
                previous = chain.link(previous, row if relink else was)
                self._rows.append((*row, previous))

        def upto(self) -> int:
            return 6

        def columns(self, after: int | None, upto: int) -> Any:
            return iter(self._rows)

    originals = rows
    new = [
        tuple("edited" if COLUMNS.split(", ")[at] == edits.get(row[0]) else value
              for at, value in enumerate(row))
        for row in rows
    ]  # fmt: skip
    done = diff(cast(LogFile, Rows(rows, relink=True)), cast(LogFile, Rows(new, relink=relink)))
    found = [] if done.parted is None else [done.parted.position, *done.positions]
    assert found == sorted(edits)
    assert done.is_same == (not edits)
    assert done.later == max(0, len(edits) - 1)
    if relink and edits:
        assert done.rehashed + done.later == 6 - min(edits)
