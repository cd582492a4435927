"""A log goes out as text and comes back the same; whatever is done to the text is found."""

import json
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from benchmarks.log_events import AT, history
from hypothesis import given, settings
from hypothesis import strategies as st
from support.given import POSTS, handed_off, page, started
from unit.events.test_projections import History

from backfilld_events import chain
from backfilld_events.audit import form
from backfilld_events.audit.export import export
from backfilld_events.audit.exported import Export
from backfilld_events.audit.importing import import_log
from backfilld_events.audit.replay import replay
from backfilld_events.audit.source import LogFile
from backfilld_events.audit.verify import Broken
from backfilld_events.audit.whole import verify_source
from backfilld_events.catalog.service import BreakAccepted, ServiceStarted
from backfilld_events.cli import main, say
from backfilld_events.eventlog import EventLog
from backfilld_events.log.append import Append
from backfilld_events.log.file import BadFile
from backfilld_events.row import PREVIOUS, NewEvent

GOLDEN = Path(__file__).parents[2] / "golden"
PAGE = Path(__file__).parents[3] / "docs" / "audit.md"
NOW = "2027-03-01T04:01:07Z"
EVENTS = 12

Columns = tuple[Any, ...]


def logged(path: Path, *appends: list[NewEvent]) -> Path:
    log = EventLog.open(path)
    for events in appends:
        log.append([Append(events)], AT)
    log.close()
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of EVENTS events."""
    return logged(tmp_path / "events.db", list(history(EVENTS)))


def exported(log: Path, **asked: Any) -> bytes:
    text = BytesIO()
    with LogFile(log) as source:
        export(source, text, NOW, **asked)
    return text.getvalue()


def rows_of(log: Path) -> list[Columns]:
    with LogFile(log) as source:
        return list(source.columns(None, source.upto()))


def ran(*arguments: object) -> int:
    try:
        main([str(one) for one in arguments])
    except SystemExit as ended:
        return cast(int, ended.code)
    return say.OK


def tampered(log: Path, *statements: str) -> None:
    """The guards stay as they were."""
    with closing(sqlite3.connect(log)) as db:
        guards = db.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'event'"
        ).fetchall()
        for name, _ in guards:
            db.execute(f"DROP TRIGGER {name}")
        for statement in [*statements, *(sql for _, sql in guards)]:
            db.execute(statement)
        db.commit()


# --- any payload, byte for byte --------------------------------------------------------------

_scalars = st.one_of(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    st.binary(max_size=40),
).map(msgspec.msgpack.encode)
_odd = st.one_of(  # what no encoder of ours writes
    st.integers(-(2**63), 2**63 - 1).map(lambda one: b"\xd3" + one.to_bytes(8, "big", signed=True)),
    st.binary(min_size=4, max_size=4).map(lambda one: b"\xca" + one),
    st.binary(min_size=8, max_size=8).map(lambda one: b"\xcb" + one),
    st.binary(max_size=9).map(lambda one: b"\xd9" + bytes([len(one)]) + one),
    st.binary(min_size=1, max_size=1).map(lambda one: b"\xd4\x05" + one),
    st.binary(min_size=4, max_size=4).map(lambda one: b"\xd6\xff" + one),
)
_keys = st.sampled_from(["$bytes", "$msgpack", "a", ""]).map(msgspec.msgpack.encode)


def _maps(values: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    pairs = st.lists(st.tuples(_keys | _scalars, values), max_size=3)
    return pairs.map(lambda some: bytes([0x80 | len(some)]) + b"".join(k + v for k, v in some))


def _arrays(values: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    items = st.lists(values, max_size=3)
    short = items.map(lambda some: bytes([0x90 | len(some)]) + b"".join(some))
    return short | items.map(lambda some: b"\xdc" + len(some).to_bytes(2, "big") + b"".join(some))


PAYLOADS = st.recursive(
    _scalars | _odd, lambda inner: _maps(inner) | _arrays(inner), max_leaves=12
) | st.binary(max_size=30)
INTEGERS = st.integers(-(2**63), 2**63 - 1)


@given(
    st.tuples(
        INTEGERS, st.text(), INTEGERS, st.text(), INTEGERS, INTEGERS, st.text(),
        st.none() | INTEGERS, PAYLOADS, st.binary(max_size=32),
    )
)  # fmt: skip
def test_any_row_goes_out_and_comes_back_byte_for_byte(row: Columns) -> None:
    line = form.line_of(row)
    assert line.count(b"\n") == 1
    assert form.columns_of(line) == row
    assert isinstance(json.loads(line), dict), "any reader of JSON can read it"


def said(payload: Any) -> Any:
    packed = payload if isinstance(payload, bytes) else msgspec.msgpack.encode(payload)
    row = (1, "s", 1, "t", 1, 0, "a", None, packed, b"")
    assert form.columns_of(form.line_of(row)) == row
    return json.loads(form.line_of(row))["payload"]


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        ({"n": 2**64 - 1, "f": 1e16, "z": -0.0}, {"n": 2**64 - 1, "f": 1e16, "z": -0.0}),
        ({"b": b"\xff\xfe", "c": [b""]}, {"b": {"$bytes": "//4"}, "c": [{"$bytes": ""}]}),
        ({"$bytes": "//4"}, {"$msgpack": "gaYkYnl0ZXOjLy80"}),
        ({"$bytes": 1, "x": 2}, {"$bytes": 1, "x": 2}),
        ({"a": {"$msgpack": ""}}, {"a": {"$msgpack": ""}}),
        ({"$msgpack": "gA"}, {"$msgpack": "gagkbXNncGFja6JnQQ"}),
        ({1: 2}, {"$msgpack": "gQEC"}),
        (b"\xde\x00\x00", {"$msgpack": "3gAA"}),
        (b"\x82\xa1a\x01\xa1a\x01", {"$msgpack": "gqFhAaFhAQ"}),
        (b"\xca\x3f\x80\x00\x00", {"$msgpack": "yj+AAAA"}),
        (float("inf"), {"$msgpack": "y3/wAAAAAAAA"}),
        (b"\xa1\xff", {"$msgpack": "of8"}),
        (b"", {"$msgpack": ""}),
        (deep(form.DEPTH_MAX), deep(form.DEPTH_MAX)),
    ],
)  # fmt: skip
def test_what_json_can_say_stands_there_to_be_read_and_the_rest_as_bytes(
    payload: Any, wanted: Any
) -> None:
    assert said(payload) == wanted
    assert repr(said(payload)) == repr(wanted), "1 is not 1.0, 0.0 is not -0.0"


@pytest.mark.parametrize("levels", [form.DEPTH_MAX + 1, 200_000])
def test_a_deep_nest_is_kept_as_bytes_whoever_reads_it(levels: int) -> None:
    assert [*said(b"\x91" * levels + b"\x01")] == ["$msgpack"]


def test_every_event_that_ever_was_stands_there_to_be_read() -> None:
    for sample in (GOLDEN / "events").glob("*.json"):
        payload = bytes.fromhex(json.loads(sample.read_text())["payload"])
        assert [*said(payload)] != ["$msgpack"]


@pytest.mark.parametrize("column", range(10))
def test_a_row_of_a_table_made_anew_without_types_is_refused(column: int) -> None:
    row: list[Any] = [1, "s", 1, "t", 1, 0, "a", None, b"\x80", b""]
    row[column] = "text" if column in (8, 9) else b"\xff"
    with pytest.raises(form.BadLine, match="of another type"):
        form.line_of(tuple(row))


# --- out and in again ------------------------------------------------------------------------


@settings(max_examples=10)
@given(st.data())
def test_any_history_comes_back_as_it_was(data: st.DataObject) -> None:
    history = History()
    with tempfile.TemporaryDirectory() as folder:
        log, new, text = (Path(folder) / name for name in ("events.db", "new.db", "log.jsonl"))
        live = EventLog.open(log)
        for _ in range(data.draw(st.integers(0, 8))):
            live.append([Append(history.draw(data))], AT)
        text.write_bytes(exported(log))
        done = import_log(Export(text), new)
        again = EventLog.open(new)
        assert not again.rebuilt
        assert (again.state, again.unsettled) == (live.state, live.unsettled)
        assert rows_of(new) == rows_of(log)
        assert done.events == live.state.position
        assert replay(new).differ == 0
        again.close()
        live.close()


def test_an_export_is_a_log_to_every_verb(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, again = tmp_path / "log.jsonl", tmp_path / "again.jsonl"
    assert ran("export", log, text) == say.OK
    err = capsys.readouterr().err
    assert err.startswith("exported 12 events, unbroken\nbackfilld-log 1 ")
    (tmp_path / "kept").write_text(err)
    assert ran("verify", text, "--against", tmp_path / "kept") == say.OK
    assert "checkpoints  OK  1 agrees, the last at #12" in capsys.readouterr().out
    assert ran("checkpoint", text) == ran("checkpoint", log) == say.OK
    one, other = capsys.readouterr().out.splitlines()
    assert one[:-20] == other[:-20]
    assert ran("replay", text) == say.USAGE
    assert "import it first" in capsys.readouterr().err
    assert ran("export", text, again) == say.OK
    assert again.read_bytes().splitlines()[1:] == text.read_bytes().splitlines()[1:]
    assert ran("import", text, tmp_path / "new.db") == say.OK
    assert ran("verify", tmp_path / "new.db") == say.OK


def test_of_one_event_it_is_said_that_it_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, text = logged(tmp_path / "events.db", list(history(EVENTS))[:1]), tmp_path / "log.jsonl"
    for verb in (["export", log, text], ["import", text, tmp_path / "new.db"], ["stats", text]):
        assert ran(*verb) == say.OK
    out, err = capsys.readouterr()
    assert err.startswith("exported 1 event, unbroken\n")
    imported, counted, *_ = out.splitlines()
    assert imported.startswith("imported 1 event, unbroken; #1 is ")
    assert counted.startswith("1 event, ")


def test_an_empty_log_is_a_log(tmp_path: Path) -> None:
    text = tmp_path / "log.jsonl"
    text.write_bytes(exported(logged(tmp_path / "events.db")))
    assert verify_source(Export(text)).events == 0
    import_log(Export(text), tmp_path / "new.db")
    assert rows_of(tmp_path / "new.db") == []


def test_to_standard_output_goes_the_export_alone(
    log: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert ran("export", log, "-") == say.OK
    lines = capfdbinary.readouterr().out.splitlines(keepends=True)
    assert lines[1:] == exported(log).splitlines(keepends=True)[1:]


def test_a_log_that_grows_meanwhile_is_exported_up_to_where_it_stood(
    log: Path, tmp_path: Path
) -> None:
    class Growing(BytesIO):
        def write(self, text: Any) -> int:
            live.append([Append([NewEvent("service", ServiceStarted("0.1.0"), "system")])], AT)
            return super().write(text)

    live, file, text = EventLog.open(log), Growing(), tmp_path / "log.jsonl"
    with LogFile(log) as source:
        assert export(source, file, NOW).position == EVENTS
    live.close()
    text.write_bytes(file.getvalue())
    assert verify_source(Export(text)).events == EVENTS


# --- what is done to an export is found ------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The lines of an export of four events."""
    log = tmp_path_factory.mktemp("whole") / "events.db"
    events = [
        NewEvent("job/a", started(POSTS), "uid:7"),
        NewEvent("job/a", page(0, 3), "system", PREVIOUS),
        NewEvent("service", ServiceStarted("0.1.0"), "system"),
        NewEvent("job/a", handed_off(3), "system"),
    ]
    return exported(logged(log, events)).splitlines(keepends=True)


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], int | str | None]:
    """The position that `verify` finds wrong, or what is said of the first line; None: nothing."""
    text = tmp_path_factory.mktemp("verdict") / "log.jsonl"

    def found(content: bytes) -> int | str | None:
        text.write_bytes(content)
        try:
            with Export(text) as source:
                verify_source(source)
        except Broken as broken:
            return broken.position
        except BadFile as bad:
            return str(bad)
        return None

    return found


Verdict = Callable[[bytes], int | str | None]


def test_a_changed_character_is_found_at_its_event(whole: list[bytes], verdict: Verdict) -> None:
    time = whole[0].index(NOW.encode())
    assert verdict(b"".join(whole)) is None
    for number, line in enumerate(whole):
        for at in range(number % 3, len(line), 3):
            changed = line[:at] + bytes([line[at] ^ 1]) + line[at + 1 :]
            found = verdict(b"".join([*whole[:number], changed, *whole[number + 1 :]]))
            if number:
                assert found == number, changed
            elif not time <= at < time + len(NOW):  # for which nobody vouches
                assert found, changed


def test_a_line_removed_put_in_twice_or_in_anothers_place_is_found(
    whole: list[bytes], verdict: Verdict
) -> None:
    for at in range(1, len(whole)):
        assert verdict(b"".join([*whole[:at], *whole[at + 1 :]])) == at
        assert verdict(b"".join([*whole[: at + 1], *whole[at:]])) == at + 1
        for other in range(at + 1, len(whole)):
            lines = [*whole]
            lines[at], lines[other] = lines[other], lines[at]
            assert verdict(b"".join(lines)) == at


@given(st.data())
def test_whatever_is_done_to_an_export_is_found_or_named(
    whole: list[bytes], verdict: Verdict, data: st.DataObject
) -> None:
    text = b"".join(whole)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 60)))
    put = data.draw(
        st.binary(max_size=6) | st.sampled_from([b" ", b"\n", b"0", b"\\u0061", b"[" * 9000])
    )
    changed = text[:start] + put + text[end:]
    time = text.index(NOW.encode())
    if changed != text and not (time <= start and end <= time + len(NOW)):
        found = verdict(changed)
        assert found is not None
        if not isinstance(found, str):
            assert found >= text[:start].count(b"\n") or found == 1


@pytest.mark.parametrize(
    ("was", "now", "position", "what"),
    [
        (b'"payload":{', b'"payload": {', 2, "line 3: from byte 152 on it is not as an export"),
        (b'"version":', b'"verzion":', 2, r"line 3: .* unknown field `verzion`"),
        (b'"version":2', b'"version":"2"', 2, r"line 3: .*`int`, got `str` - at `\$.version"),
        (b'"cause":1,', b"", 2, "line 3: .*missing required field `cause`"),
        (b'"first":0', b'"first":184467440737095516160', 2, "line 3: field payload"),
        (b'"first":0', b'"first":' + b"9" * 9000, 2, "line 3: "),
        (b'{"$bytes":"', b'{"$bytes":"!', 2, "line 3: field payload"),
        (b'"hash":"', b'"hash":"g', 2, r"line 3: .*`\$.hash`"),
    ],
)  # fmt: skip
def test_a_line_that_is_not_as_it_should_be_is_named_with_its_field(
    whole: list[bytes], tmp_path: Path, was: bytes, now: bytes, position: int, what: str
) -> None:
    text = tmp_path / "log.jsonl"
    line = whole[2].replace(was, now)
    assert line != whole[2]
    text.write_bytes(b"".join([*whole[:2], line, *whole[3:]]))
    with pytest.raises(Broken, match=what) as broken:
        verify_source(Export(text))
    assert broken.value.position == position


@pytest.mark.parametrize(
    ("was", "now", "what"),
    [
        (b"-log/1", b"-log/2", "this version reads 'backfilld-log/1'"),
        (b'"origin":"', b'"origin":"g', r"line 1: .*\$.origin"),
        (b'"at"', b'"as"', "line 1: .*unknown field `as`"),
        (b"}\n", b"}", "line 1: it has no end"),
    ],
)
def test_a_first_line_that_is_not_as_it_should_be_is_no_export(
    whole: list[bytes], tmp_path: Path, was: bytes, now: bytes, what: str
) -> None:
    text = tmp_path / "log.jsonl"
    text.write_bytes(whole[0].replace(was, now))
    with pytest.raises(BadFile, match=what):
        Export(text)


def test_an_export_that_was_cut_or_belongs_to_another_log_is_found(
    whole: list[bytes], verdict: Verdict
) -> None:
    assert verdict(b"".join(whole[:3])) == 3
    header = form.header(whole[0])
    for change, position in (
        ({"position": 3}, 4), ({"position": 9}, 5), ({"hash": "00" * 32}, 4), ({"origin": "0"}, 1),
    ):  # fmt: skip
        other = msgspec.structs.replace(header, **change)
        assert verdict(b"".join([other.line, *whole[1:]])) == position


def test_a_line_without_end_is_not_read_to_its_end(
    whole: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "log.jsonl"
    text.write_bytes(b"".join(whole[:2]) + b"[" * 5_000)
    for module in ("form", "exported"):
        monkeypatch.setattr(f"backfilld_events.audit.{module}.LINE_BYTES_MAX", 2_000)
    with pytest.raises(Broken, match="line 3: it is longer than 2000 bytes"):
        verify_source(Export(text))
    monkeypatch.setattr("backfilld_events.audit.form.LINE_BYTES_MAX", 200)
    with pytest.raises(form.BadLine, match="longer than 200"):
        form.line_of((1, "s", 1, "t", 1, 0, "a", None, bytes(200), b""))


# --- a broken log ----------------------------------------------------------------------------

EDIT = "UPDATE event SET actor = 'uid:0' WHERE position = 7"


def test_a_broken_log_is_not_exported_as_if_it_were_whole(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tampered(log, EDIT)
    assert ran("export", log, tmp_path / "log.jsonl") == say.BROKEN
    assert "event 7: its hash does not follow" in capsys.readouterr().err
    assert not list(tmp_path.glob("log*"))


def test_for_evidence_it_is_exported_as_it_stands_and_says_so(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tampered(log, EDIT, "DELETE FROM event WHERE position IN (1, 9)")
    text = tmp_path / "log.jsonl"
    assert ran("export", "--broken", log, text) == say.BROKEN
    assert "exported as it stands" in capsys.readouterr().err
    with Export(text) as source:
        assert source.header.broken == form.Flaw(1, "missing; the next row has position 2")
        assert list(source.columns(None, source.upto())) == rows_of(log)
    assert ran("verify", text) == say.BROKEN
    assert "event 1: missing" in capsys.readouterr().out
    assert ran("import", text, tmp_path / "new.db") == say.BROKEN
    assert not list(tmp_path.glob("new.db*"))


def test_of_a_log_that_is_whole_it_says_nothing(log: Path) -> None:
    assert exported(log, broken=True) == exported(log)


def test_a_row_that_sqlite_cannot_read_stays_evidence_in_its_file(log: Path) -> None:
    tampered(log, "UPDATE event SET actor = CAST(x'75ff' AS TEXT) WHERE position = 7")
    with pytest.raises(BadFile, match="cannot even be read, so keep the file itself"):
        exported(log, broken=True)


def accepted(log: Path, position: int, *tampering: str) -> None:
    """Breaks the log there, and has somebody accept it."""
    tampered(log, *tampering)
    rows = {row[0]: row for row in rows_of(log)}
    before = rows.get(position - 1) or rows[position - 2]
    link = chain.link(before[9], rows[position][:9])
    event = BreakAccepted(position, link, "what", "a test of ours")
    live = EventLog.open(log)
    live.append([Append([NewEvent("service", event, "uid:1000")])], AT)
    live.close()


def test_a_break_that_was_accepted_goes_out_and_in_with_the_rest(log: Path, tmp_path: Path) -> None:
    accepted(log, 7, EDIT)
    text = tmp_path / "log.jsonl"
    text.write_bytes(exported(log))
    assert verify_source(Export(text)).passed == (7,)
    assert import_log(Export(text), tmp_path / "new.db").passed == (7,)
    assert rows_of(tmp_path / "new.db") == rows_of(log)


def test_an_acceptance_that_cannot_be_read_accepts_nothing(log: Path, tmp_path: Path) -> None:
    accepted(log, 7, EDIT)
    text = tmp_path / "log.jsonl"
    text.write_bytes(exported(log)[:-9] + b"\n")
    tampered(log, f"UPDATE event SET payload = x'c1' WHERE position = {EVENTS + 1}")
    for source in (LogFile(log), Export(text)):
        with source, pytest.raises(Broken) as broken:
            verify_source(source)
        assert broken.value.position == 7


def test_a_gap_that_was_accepted_stays_in_its_own_file(log: Path, tmp_path: Path) -> None:
    accepted(log, 8, "DELETE FROM event WHERE position = 7")
    text = tmp_path / "log.jsonl"
    text.write_bytes(exported(log))
    assert verify_source(Export(text)).passed == (8,)
    with pytest.raises(Broken, match="a new file refuses it, though it was accepted") as broken:
        import_log(Export(text), tmp_path / "new.db")
    assert broken.value.position == 7
    assert not list(tmp_path.glob("new.db*"))


# --- new files -------------------------------------------------------------------------------


@pytest.mark.parametrize("there", ["new", "new.partial", "new-wal", "new-journal"])
@pytest.mark.parametrize("verb", ["export", "import"])
def test_nothing_that_is_there_is_written_over(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str, there: str
) -> None:
    (tmp_path / there).write_text("mine")
    assert ran(verb, log, tmp_path / "new") == say.USAGE
    assert f"{there}: " in capsys.readouterr().err
    assert (tmp_path / there).read_text() == "mine"
    assert len(list(tmp_path.glob("new*"))) == 1


def test_a_folder_that_is_not_there_is_named(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for verb in ("export", "import"):
        assert ran(verb, log, tmp_path / "none" / "new") == say.USAGE
        assert "none/new" in capsys.readouterr().err


def test_events_from_which_no_state_follows_make_no_file(tmp_path: Path) -> None:
    (event,) = [new for new in history(40) if "dids" in new.event.__struct_fields__][:1]
    torn = msgspec.structs.replace(event.event, dids=b"torn")
    log, text = tmp_path / "events.db", tmp_path / "log.jsonl"
    logged(log, [*history(3), NewEvent("service", ServiceStarted("0.1.0"), "system")])
    rows, previous, last = rows_of(log), chain.GENESIS, 0
    packed = msgspec.msgpack.encode(torn)
    rows[3] = (4, event.stream, 2, "job.page-discovered", 1, *rows[3][5:8], packed, b"")
    lines = []
    for row in rows:
        previous = chain.link(previous, row[:9])
        lines.append(form.line_of((*row[:9], previous)))
        last = row[0]
    header = msgspec.structs.replace(
        form.header(exported(log).splitlines(keepends=True)[0]), position=last, hash=previous.hex()
    )
    text.write_bytes(b"".join([header.line, *lines]))
    assert verify_source(Export(text)).events == 4
    with pytest.raises(BadFile, match="no state follows from them"):
        import_log(Export(text), tmp_path / "new.db")
    assert not list(tmp_path.glob("new.db*"))


# --- for ten years ---------------------------------------------------------------------------


def test_the_form_is_what_it_was() -> None:
    """Frozen: this export must verify, and be written again to the byte, by every version."""
    golden, again = GOLDEN / "export.jsonl", BytesIO()
    with Export(golden) as source:
        export(source, again, source.header.at)
    assert again.getvalue() == golden.read_bytes()


def blocks(language: str) -> Iterator[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def test_the_verifier_on_the_page_needs_nothing_of_ours(whole: list[bytes], tmp_path: Path) -> None:
    (source,) = [block for block in blocks("python") if "sha256" in block]
    assert len([line for line in source.splitlines() if line]) <= 40
    assert "backfilld_events" not in source
    script, text = tmp_path / "check.py", tmp_path / "log.jsonl"
    script.write_text(source)

    def check(content: bytes) -> subprocess.CompletedProcess[str]:
        text.write_bytes(content)
        return subprocess.run(
            [sys.executable, script, text], capture_output=True, text=True, check=False
        )

    good = check((GOLDEN / "export.jsonl").read_bytes())
    assert (good.returncode, good.stderr) == (0, "")
    assert (
        form.header((GOLDEN / "export.jsonl").read_bytes().splitlines(keepends=True)[0]).hash
        in good.stdout
    )
    for lines, position in (
        ([*whole[:3], whole[3].replace(b'"stream":"', b'"stream":"x'), *whole[4:]], 3),
        ([*whole[:2], *whole[3:]], 2),
        (whole[:3], 3),
    ):
        bad = check(b"".join(lines))
        assert bad.returncode == 1
        assert f"event {position}:" in bad.stderr


def test_every_verb_is_on_the_page() -> None:
    from backfilld_events.cli import VERBS

    names = [module.__name__.rpartition(".")[2].replace("importing", "import") for module in VERBS]
    for name in names:
        assert f"backfill-audit {name} " in PAGE.read_text(), f"docs/audit.md: say what {name} does"
