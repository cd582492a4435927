"""What Tap says comes into our log at its level, bounded and printable whatever it is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfilld.failures import MESSAGE_CHARS_MAX
from backfilld.tapchild.lines import (
    BURST,
    FIELDS_MAX,
    LINE_BYTES_MAX,
    PER_S,
    TAIL_CHARS,
    Cutter,
    Line,
    Sieve,
    Tail,
    parse,
)

# lines of a real Tap
DIALING = (
    b'{"time":"2026-11-27T06:46:19.8689931Z","level":"WARN","msg":"dialing failed","system":"tap",'
    b'"component":"firehose","error":"dial tcp 127.0.0.1:1: connect: connection refused",'
    b'"retries":0}'
)
REQUEST = (
    b'{"time":"2026-11-27T06:46:21.86038631Z","id":"","remote_ip":"127.0.0.1","host":'
    b'"127.0.0.1:24871","method":"GET","uri":"/info/did:plc:aaaaaaaaaaaaaaaaaaaaaaaa","user_agent":'
    b'"curl/7.88.1","status":404,"error":"code=404, message=repo not found","latency":599613}'
)
REFUSED = "dial tcp 127.0.0.1:1: connect: connection refused"


def test_a_line_keeps_its_level_and_its_fields() -> None:
    about = {"component": "firehose", "error": REFUSED, "retries": "0"}
    assert parse(DIALING) == Line("warning", "dialing failed", about)


@pytest.mark.parametrize(
    ("level", "ours"),
    [("DEBUG", "debug"), ("INFO", "info"), ("WARN", "warning"), ("ERROR", "error"), ("X", "info")],
)
def test_each_level_has_one_of_ours(level: str, ours: str) -> None:
    line = parse(json.dumps({"level": level, "msg": "x"}).encode())
    assert line is not None
    assert line.level == ours


def test_a_line_for_a_request_of_ours_is_left_out() -> None:
    assert parse(REQUEST) is None


def test_plain_text_is_a_warning_for_it_is_a_panic_or_an_error_of_the_start() -> None:
    said = parse(b"panic: non-positive interval for NewTicker")
    assert said == Line("warning", "panic: non-positive interval for NewTicker", {}, plain=True)
    assert parse(b"") is None
    assert parse(b"  \t") is None


@given(st.binary(max_size=3 * LINE_BYTES_MAX) | st.text(max_size=500).map(str.encode))
def test_whatever_it_says_is_printable_and_short(raw: bytes) -> None:
    line = parse(raw)
    if line is not None:
        for text in (line.text, *line.about, *line.about.values()):
            assert text.isprintable()
            assert len(text) <= MESSAGE_CHARS_MAX + 1


@pytest.mark.parametrize("depth", range(900, 1000))
def test_a_line_as_deep_as_can_just_be_read_is_told_all_the_same(depth: int) -> None:
    deep = b"[" * depth + b"]" * depth
    for raw in (b'{"msg":%s}' % deep, b'{"msg":"x","error":%s}' % deep):
        assert parse(raw) is not None


def test_a_line_that_is_no_utf_8_is_plain_text() -> None:
    assert parse(b'{"msg":"\xff"}') == Line("warning", '{"msg":"\ufffd"}', {}, plain=True)


@given(st.dictionaries(st.text(max_size=60), st.text(max_size=900) | st.integers(), max_size=30))
def test_so_are_the_fields_of_a_line_and_they_are_few(fields: dict[str, object]) -> None:
    line = parse(json.dumps({**fields, "msg": "x"}).encode())
    assert line is not None
    assert len(line.about) <= FIELDS_MAX
    assert all(f"{key}{value}".isprintable() for key, value in line.about.items())


@given(st.lists(st.binary(max_size=40).filter(lambda one: b"\n" not in one)), st.data())
def test_lines_are_the_same_however_they_are_read(said: list[bytes], data: st.DataObject) -> None:
    whole, cutter, found = b"".join(one + b"\n" for one in said), Cutter(), []
    while whole:
        size = data.draw(st.integers(1, len(whole)))
        found += cutter.lines(whole[:size])
        whole = whole[size:]
    assert found == said


def test_a_line_without_an_end_takes_no_more_memory_than_a_long_one() -> None:
    cutter = Cutter()
    for _ in range(100):
        assert cutter.lines(b"x" * LINE_BYTES_MAX) == []
    (line, other) = cutter.lines(b"\nshort\n")
    assert (len(line), other) == (LINE_BYTES_MAX, b"short")


def test_a_flood_is_let_through_in_part_and_the_rest_is_counted() -> None:
    sieve = Sieve(0.0)
    assert sum(sieve.passes(0.0) for _ in range(1000)) == BURST
    assert sieve.left_out == 1000 - BURST
    assert sum(sieve.passes(1.0) for _ in range(1000)) == PER_S
    assert sum(sieve.passes(3600.0) for _ in range(1000)) == BURST


def tail(*raw: bytes) -> str:
    found = Tail()
    for line in map(parse, raw):
        if line is not None:
            found.add(line)
    return found.text()


def test_the_last_words_are_its_errors_and_not_the_small_talk_after_them() -> None:
    error = b'{"level":"ERROR","msg":"service error","error":"bind: address already in use"}'
    talk = [b'{"level":"INFO","msg":"shutting down"}'] * 10
    assert tail(*talk, error, *talk) == "service error: bind: address already in use"
    assert tail(*talk) == "\n".join(["shutting down"] * 5), "where there is none, the last it said"


def test_of_a_panic_the_reason_is_kept_and_not_the_place() -> None:
    trace = [b"panic: runtime error", b"", b"goroutine 73 [running]:", *[b"main.run(...)"] * 30]
    assert tail(b"a line before", *trace) == "panic: runtime error"


def test_a_repository_that_cannot_be_fetched_is_no_reason_of_an_end() -> None:
    fetch = b'{"level":"ERROR","msg":"resync failed","component":"resyncer","error":"HTTP 400"}'
    error = b'{"level":"ERROR","msg":"service error","error":"disk I/O error"}'
    assert tail(fetch, error, *[fetch] * 9) == "service error: disk I/O error"


@given(st.lists(st.text(max_size=2000).map(str.encode), max_size=20))
def test_the_last_words_are_short(said: list[bytes]) -> None:
    assert len(tail(*said)) <= TAIL_CHARS
