"""The quickest client's frames, and the world's answers."""

import json

import pytest
from benchmarks.tap import discard
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
    answers = Answers("net.example.score")
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
