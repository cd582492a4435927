"""The quickest client's frames, and the world's answers."""

import json

import pytest
from benchmarks.programs.tap_parked import at_rest
from benchmarks.tap import discard
from benchmarks.tap.limits import WINDOW_S, Limit, OneRefusal, Window
from benchmarks.tap.process import Counts
from benchmarks.tap.world_server import Answers
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader


def framed(number: int, filling: int) -> bytes:
    """A message as Tap sends it, by a WebSocket server that is not ours."""
    text = b'{"id":%d,"type":"record","record":{"note":"%s"}}' % (number, b"x" * filling)
    return Frame(Opcode.TEXT, text).serialize(mask=False)


@given(
    st.lists(st.tuples(st.integers(0, 10**12), st.sampled_from([0, 60, 90, 500, 65_500, 70_000]))),
    st.floats(0, 1),
)
def test_frames_are_cut_wherever_a_read_ended(messages: list[tuple[int, int]], part: float) -> None:
    data = b"".join(framed(number, filling) for number, filling in messages)
    first = data[: int(len(data) * part)]
    early, upto = discard.cut(first)
    late, end = discard.cut(data[upto:])
    assert [int(number) for number in early + late] == [number for number, _ in messages]
    assert upto + end == len(data)


def test_a_frame_of_another_kind_is_not_taken_for_a_message() -> None:
    with pytest.raises(ValueError, match="begins with 880a"):
        discard.cut(Frame(Opcode.CLOSE, b"\x03\xe8good bye").serialize(mask=False))


@given(st.lists(st.integers(0, 10**18)))
def test_acks_are_what_a_websocket_server_reads(numbers: list[int]) -> None:
    reader = StreamReader()
    reader.feed_data(discard.acks([b"%d" % number for number in numbers]))
    found = []
    while reader.buffer:
        parsing = Frame.parse(reader.read_exact, mask=True)
        with pytest.raises(StopIteration) as done:
            next(parsing)
        frame = done.value.value
        assert (frame.opcode, frame.fin) == (Opcode.TEXT, True)
        found.append(json.loads(bytes(frame.data)))
    assert found == [{"type": "ack", "id": number} for number in numbers]


def body(answer: bytes) -> bytes:
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert b"Content-Length: %d" % len(rest) in head
    return rest


def test_the_world_answers_as_plc_pds_and_relay() -> None:
    answers = Answers("net.example.score", Limit())
    dids = [f"did:plc:{n:024}" for n in range(5)]
    for did in dids:
        answers.add(did, b'{"id":"%s"}' % did.encode(), b"car of " + did.encode())
    assert json.loads(body(answers.to(f"/{dids[2]}"))) == {"id": dids[2]}
    get_repo = "/xrpc/com.atproto.sync.getRepo?did="
    for written in (dids[1], dids[1].replace(":", "%3A")):
        assert body(answers.to(get_repo + written)) == b"car of " + dids[1].encode()
    listing = "/xrpc/com.atproto.sync.listReposByCollection?limit=2&collection="
    found, cursor = [], ""
    while True:
        page = json.loads(body(answers.to(listing + "net.example.score" + cursor)))
        found += [repo["did"] for repo in page["repos"]]
        if "cursor" not in page:
            break
        cursor = f"&cursor={page['cursor']}"
    assert found == dids
    assert json.loads(body(answers.to(listing + "net.example.other"))) == {"repos": []}
    for nothing in ("/did:plc:none", get_repo + "none", "/xrpc/com.atproto.sync.other"):
        assert answers.to(nothing).startswith(b"HTTP/1.1 404 ")


def test_a_pds_refuses_one_request_or_those_beyond_its_window_and_counts_them() -> None:
    one = OneRefusal(3)
    assert [one.refuses() for _ in range(5)] == [False, False, True, False, False]
    assert (one.asked, one.refused) == (5, 1)
    moment = 100.0
    window = Window(2, lambda: moment)
    assert [window.refuses() for _ in range(4)] == [False, False, True, True]
    moment += WINDOW_S - 0.1
    assert window.refuses()
    moment += 0.1
    assert [window.refuses() for _ in range(3)] == [False, False, True]
    assert (window.asked, window.refused) == (8, 4)


def test_a_refused_repository_is_a_429_and_the_pds_says_how_often_it_was_asked() -> None:
    answers = Answers("net.example.score", OneRefusal(2))
    did = f"did:plc:{1:024}"
    answers.add(did, b"{}", b"its car")
    get_repo = f"/xrpc/com.atproto.sync.getRepo?did={did}"
    assert body(answers.to(get_repo)) == b"its car"
    assert answers.to(get_repo).startswith(b"HTTP/1.1 429 ")
    assert body(answers.to(get_repo)) == b"its car"
    assert json.loads(body(answers.to("/asked"))) == {"asked": 3, "refused": 1}


def test_tap_is_at_rest_when_all_is_fetched_and_what_it_sent_is_acked() -> None:
    """Here: of 2 repositories with 3 records each, one was told of twice, for it was put aside."""
    assert at_rest(Counts(held=9, sent=9, acked=9, resynced=2, failed=1), events=8, repos=2)
    assert not at_rest(Counts(held=9, sent=9, acked=8, resynced=2, failed=1), events=8, repos=2)
    assert not at_rest(Counts(held=6, sent=6, acked=6, resynced=2, failed=1), events=8, repos=2)
    assert not at_rest(Counts(held=9, sent=9, acked=9, resynced=1, failed=1), events=8, repos=2)
