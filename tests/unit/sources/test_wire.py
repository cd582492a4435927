"""The way around the library gives what the library gives, wherever the reads are cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from backfilld.sources.tap import wire

FRAME_MAX = 70_000


def library() -> ClientProtocol:
    """The library's end, its handshake done."""
    return ClientProtocol(parse_uri("ws://tap.test/channel"), max_size=FRAME_MAX, state=State.OPEN)


def through(splitter: wire.Splitter, protocol: ClientProtocol, piece: bytes) -> list[Frame]:
    """What `piece` brings, in order, as FastChannel puts it together."""
    found: list[Frame] = []
    splitter.add(piece)
    while protocol.state is State.OPEN:
        found += [Frame(Opcode.TEXT, text) for text in splitter.texts()]
        rest = splitter.others()
        if not rest:
            break
        protocol.receive_data(rest)
        found += [event for event in protocol.events_received() if isinstance(event, Frame)]
    return found


def alone(protocol: ClientProtocol, piece: bytes) -> list[Frame]:
    protocol.receive_data(piece)
    return [event for event in protocol.events_received() if isinstance(event, Frame)]


def outcome(frames: list[Frame], protocol: ClientProtocol) -> tuple[object, ...]:
    said = [(frame.opcode, bytes(frame.data), frame.fin) for frame in frames]
    return said, protocol.state, protocol.close_sent, b"".join(protocol.data_to_send())[:1]


sizes = st.sampled_from([0, 1, 125, 126, 127, 600, 65_535, 65_536, FRAME_MAX, FRAME_MAX + 1])


def frame(opcode: int, size: int, fin: bool, masked: bool, reserved: bool) -> bytes:
    """Any frame, right or wrong: Tap is not trusted."""
    size = min(size, 125) if opcode >= 8 else size
    sent = Frame(Opcode(opcode), b"x" * size, fin or opcode >= 8).serialize(mask=masked)
    return bytes((sent[0] | reserved << 6,)) + sent[1:]


seldom = st.sampled_from([False] * 19 + [True])
frames = st.builds(
    frame,
    st.sampled_from([1, 1, 1, 1, 1, 1, 0, 2, 9, 10]),
    sizes,
    st.sampled_from([True, True, True, False]),
    seldom,
    seldom,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(frames, max_size=8), st.lists(st.integers(1, 300_000), max_size=6), st.binary())
def test_it_is_the_library_wherever_the_reads_are_cut(
    sent: list[bytes], cuts: list[int], noise: bytes
) -> None:
    whole = b"".join(sent) + noise + bytes(14)  # so that no header is left half way
    ours, theirs = library(), library()
    splitter = wire.Splitter(FRAME_MAX)
    found, expected, start = [], [], 0
    for cut in [*sorted(cuts), len(whole)]:
        found += through(splitter, ours, whole[start:cut])
        expected += alone(theirs, whole[start:cut])
        start = max(start, cut)
    assert outcome(found, ours) == outcome(expected, theirs)


@pytest.mark.parametrize("step", [1, 2, 3, 7])
def test_headers_that_come_in_crumbs(step: int) -> None:
    texts = [b"", b"a", b"b" * 126, b"c" * 65_536, b"d"]
    whole = b"".join(Frame(Opcode.TEXT, text).serialize(mask=False) for text in texts)
    splitter, protocol = wire.Splitter(FRAME_MAX), library()
    found: list[Frame] = []
    for at in range(0, len(whole), step):
        found += through(splitter, protocol, whole[at : at + step])
    assert [bytes(frame.data) for frame in found] == texts


def test_a_large_frame_in_many_reads_is_not_copied_at_each() -> None:
    text = b"x" * 48_000_000
    whole = Frame(Opcode.TEXT, text).serialize(mask=False)
    splitter, protocol = wire.Splitter(64 * 2**20), library()
    found: list[Frame] = []
    for at in range(0, len(whole), 1000):  # copied at each read this would be a terabyte
        found += through(splitter, protocol, whole[at : at + 1000])
    assert [bytes(frame.data) for frame in found] == [text]


@given(st.lists(st.sampled_from([0, 1, 3, 27, 28, 125, 126, 65_536]), max_size=12))
def test_a_server_reads_what_is_masked_in_bulk(lengths: list[int]) -> None:
    messages = [bytes(n % 251 for n in range(length)) for length in lengths]
    server = ServerProtocol(max_size=None, state=State.OPEN)
    server.receive_data(wire.masked(messages))
    read = [bytes(event.data) for event in server.events_received() if isinstance(event, Frame)]
    assert read == messages
    assert server.state is State.OPEN


def test_each_frame_has_a_key_of_its_own() -> None:
    frames = wire.masked([b"12345678"] * 1000)
    keys = {frames[at + 2 : at + 6] for at in range(0, len(frames), 14)}
    assert len(keys) > 990
