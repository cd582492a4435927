"""What Tap does with repositories and with its channel, as far as a client can see."""

import re

import pytest
import trio
from ports.peers import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    RETRY_TIMEOUT_S,
    Channel,
    Ended,
    Event,
    TapPeer,
    ack,
    frame,
)

PLC_404 = "failed to resolve DID: DID not found: PLC directory 404"
NEVER = 2**53  # no event has this number


def number(info: dict[str, object], key: str) -> int:
    return int(str(info[key]))


def records(events: list[Event]) -> list[Event]:
    return [event for event in events if event.kind == "record"]


async def alive(channel: Channel) -> bool:
    """Whether a ping is answered, whatever events come before."""
    await channel.send(frame(b"still there", PING))
    with trio.fail_after(10):
        while True:
            try:
                opcode, payload = await channel.receive()
            except Ended:
                return False
            if opcode == PONG:
                assert payload == b"still there"
                return True


# --- repositories -----------------------------------------------------------------------------


async def test_an_added_repository_becomes_active_and_all_its_records_come(
    clock: object, tap: TapPeer
) -> None:
    info = await tap.added()
    async with tap.channel() as channel:
        events = await tap.events(channel, info)
    assert [event.kind for event in events[:2]] == ["identity", "record"]
    assert events[0].content == {
        "did": info["did"],
        "handle": info["handle"],
        "is_active": True,
        "status": "active",
    }
    came = records(events)
    assert len({event.path for event in came}) == info["records"] == len(came)
    assert {event.content["rev"] for event in came} == {info["rev"]}
    assert {event.content["action"] for event in came} == {"create"}
    assert {event.content["live"] for event in came} == {False}


async def test_records_of_a_fetch_are_numbered_in_the_order_of_their_paths(
    clock: object, tap: TapPeer
) -> None:
    info = await tap.added(records_min=5)
    async with tap.channel() as channel:
        came = records(await tap.events(channel, info))
    assert [event.path for event in came] == sorted(event.path for event in came)


async def test_the_keys_of_a_frame_have_one_order(clock: object, tap: TapPeer) -> None:
    info = await tap.added()
    async with tap.channel() as channel:
        events = await tap.events(channel, info)
    identity = (
        rb'\{"id":\d+,"type":"identity","identity":\{"did":"[^"]+","handle":"[^"]*",'
        rb'"is_active":true,"status":"active"\}\}'
    )
    record = (
        rb'\{"id":\d+,"type":"record","record":\{"live":false,"did":"[^"]+","rev":"\w{13}",'
        rb'"collection":"[^"]+","rkey":"[^"]+","action":"create"(,"record":\{.*\})?,'
        rb'"cid":"bafyrei\w+"\}\}'
    )
    assert re.fullmatch(identity, events[0].raw)
    for event in events[1:]:
        assert re.fullmatch(record, event.raw, re.DOTALL), event.raw


async def test_adding_a_known_repository_again_sends_nothing(clock: object, tap: TapPeer) -> None:
    info = await tap.added()
    did = str(info["did"])
    async with tap.channel() as channel:
        await tap.events(channel, info)
        assert (await tap.post("/repos/add", [did])).status_code == 200
        await tap.quiet(channel, did, 1.5)
    assert await tap.info(did) == info


async def test_a_removed_repository_added_again_sends_everything_anew(
    clock: object, tap: TapPeer
) -> None:
    info = await tap.added()
    did = str(info["did"])
    async with tap.channel() as channel:
        first = await tap.events(channel, info)
        await tap.post("/repos/remove", [did])
        assert await tap.info(did) == {"state": "unknown"}
        await tap.quiet(channel, did, 0.5)
        await tap.post("/repos/add", [did])
        again = await tap.events(channel, info)
    assert [event.kind for event in again] == [event.kind for event in first]
    assert {event.path for event in records(again)} == {event.path for event in records(first)}
    assert {event.content["action"] for event in records(again)} == {"create"}
    assert not {event.number for event in again} & {event.number for event in first}
    assert (await tap.settled(did))["records"] == info["records"]


async def test_what_waited_for_a_reader_comes_even_after_the_repository_was_removed(
    clock: object, tap: TapPeer
) -> None:
    info = await tap.added()
    await tap.post("/repos/remove", [str(info["did"])])
    async with tap.channel() as channel:
        assert len(records(await tap.events(channel, info))) == info["records"]


@pytest.mark.parametrize(
    ("did", "error"),
    [
        ("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", PLC_404),
        ("did:plc:Malformed", PLC_404),
        ("did:key:zQ3abc", "failed to resolve DID: DID method not supported: key"),
        ("not a did", "failed to resolve DID: DID method not supported: "),
        (
            "did:web:localhost",
            "failed to resolve DID: did:web identifier not a simple hostname: localhost",
        ),
        (
            "did:web:nosuch.invalid",
            "failed to resolve DID: did:web hostname has disallowed TLD: nosuch.invalid",
        ),
    ],
)
async def test_a_hopeless_did_fails_in_these_words(
    clock: object, tap: TapPeer, did: str, error: str
) -> None:
    await tap.post("/repos/add", [did])
    with trio.fail_after(10):
        while (info := await find(tap, did))["state"] != "error":
            await trio.sleep(0.1)
    assert info["error"] == error
    assert (info["retries"], info["records"], info["rev"], info["handle"]) == (1, 0, "", "")


async def find(tap: TapPeer, did: str) -> dict[str, object]:
    """/info of a DID that may hold spaces."""
    return await tap.info(did.replace(" ", "%20"))


# --- acks and redelivery ----------------------------------------------------------------------


async def test_an_unacked_event_comes_again_after_the_retry_timeout_byte_for_byte(
    clock: object, tap: TapPeer
) -> None:
    before = trio.current_time()
    info = await tap.added()
    sent = trio.current_time()
    async with tap.channel() as channel:
        first = await tap.events(channel, info, acked=False)
        while (again := await channel.event()).did != info["did"]:  # of an account before ours
            await channel.send(ack(again.number))
        now = trio.current_time()
        assert now - before > RETRY_TIMEOUT_S * 0.9
        assert now - sent < RETRY_TIMEOUT_S * 2.2
        assert again.raw in {event.raw for event in first}
        for event in first:
            await channel.send(ack(event.number))


async def test_an_acked_event_does_not_come_again(clock: object, tap: TapPeer) -> None:
    info = await tap.added()
    async with tap.channel() as channel:
        await tap.events(channel, info)
        await tap.quiet(channel, str(info["did"]), 2.5 * RETRY_TIMEOUT_S)


async def test_what_was_taken_over_a_dead_connection_comes_over_the_next(
    clock: object, tap: TapPeer
) -> None:
    info = await tap.added()
    async with tap.channel() as channel:
        first = await tap.events(channel, info, acked=False)
    async with tap.channel() as channel:
        again = await tap.events(channel, info)
    assert {event.raw for event in again} >= {event.raw for event in records(first)}


async def test_acked_events_leave_the_outbox_within_ten_seconds(
    clock: object, tap: TapPeer
) -> None:
    info = await tap.added()
    buffer = "/stats/outbox-buffer"
    async with tap.channel() as channel:
        assert (await tap.http.get(buffer)).json()["outbox_buffer"] > number(info, "records")
        await tap.events(channel, info)
        with trio.fail_after(11 + RETRY_TIMEOUT_S):
            while (await tap.http.get(buffer)).json() != {"outbox_buffer": 0}:
                with trio.move_on_after(0.2):
                    await channel.send(ack((await channel.event()).number))


@pytest.mark.parametrize(
    "form",
    [
        b'{"type":"ack","id":%d}',
        b'{"TYPE":"ack","Id":%d}',
        b'{"more":[1,{}],"id":%d,"type":"ack"}',
        b' {"type":"ack","id":%d}\n',
        b'{"type":"ack","id":%d}{"type":"ack","id":"no"}',
        b'{"type":"no","type":"ack","id":7,"id":%d}',
    ],
)
async def test_this_is_an_ack(clock: object, tap: TapPeer, form: bytes) -> None:
    info = await tap.added()
    async with tap.channel() as channel:
        for event in await tap.events(channel, info, acked=False):
            await channel.send(frame(form % event.number))
        await tap.quiet(channel, str(info["did"]), 2.2 * RETRY_TIMEOUT_S)


async def test_a_binary_frame_and_two_fragments_are_acks_too(clock: object, tap: TapPeer) -> None:
    info = await tap.added()
    async with tap.channel() as channel:
        for n, event in enumerate(await tap.events(channel, info, acked=False)):
            text = b'{"type":"ack","id":%d}' % event.number
            if n % 2:
                await channel.send(frame(text, BINARY))
            else:
                await channel.send(frame(text[:9], final=False) + frame(text[9:], 0))
        await tap.quiet(channel, str(info["did"]), 2.2 * RETRY_TIMEOUT_S)


@pytest.mark.parametrize(
    "message",
    [
        b'{"type":"ack","id":%d}' % NEVER,
        b'{"type":"ack","id":0}',
        b'{"type":"ack"}',
        b'{"type":"ack","id":null}',
        b'{"type":"nack","id":%d}' % NEVER,
        b'{"id":%d}' % NEVER,
        b"{}",
        b"null",
        b'{"type":"ack","id":%d,"pad":"%b"}' % (NEVER, b"x" * 2**20),
    ],
)
async def test_a_message_that_says_nothing_leaves_the_connection_open(
    clock: object, tap: TapPeer, message: bytes
) -> None:
    async with tap.channel() as channel:
        await channel.send(frame(message))
        assert await alive(channel)


@pytest.mark.parametrize(
    "message",
    [
        b'[{"type":"ack","id":1}]',
        b'{"type":"ack","id":"1"}',
        b'{"type":"ack","id":1.5}',
        b'{"type":"ack","id":1.0}',
        b'{"type":"ack","id":-1}',
        b'{"type":"ack","id":1e2}',
        b'{"type":"ack","id":18446744073709551616}',
        b'{"type":5,"id":1}',
        b'"ack"',
        b"7",
        b"",
        b"   ",
        b"ack",
        b'{"type":"ack","id":1',
        b'{"type":"ack","id":NaN}',
    ],
)
async def test_a_message_it_cannot_read_ends_the_connection_without_a_close_frame(
    clock: object, tap: TapPeer, message: bytes
) -> None:
    async with tap.channel() as channel:
        await channel.send(frame(message))
        assert await ended(channel) is None


async def ended(channel: Channel) -> bytes | None:
    """What a close frame said, None if there was none, once the connection has ended."""
    with trio.fail_after(10):
        while True:
            try:
                await channel.receive()
            except Ended as over:
                return over.farewell


@pytest.mark.parametrize(
    ("data", "farewell"),
    [
        (frame(b"{}", masked=False), b"\x03\xeabad MASK"),
        (frame(b"{}", 3), b"\x03\xeabad opcode 3"),
        (frame(b"{}", 0x40 | 1), b"\x03\xeaRSV1 set"),
        (frame(b"{}", 0x60 | 1), b"\x03\xeaRSV1 set, RSV2 set"),
        (frame(b"{}", 0), b"\x03\xeacontinuation after FIN"),
        (frame(b"{", final=False) + frame(b"}"), b"\x03\xeadata before FIN"),
        (frame(b"", PING, final=False), b"\x03\xeaFIN not set on control"),
        (frame(b"\x03\xe8", CLOSE), b"\x03\xe8"),
        (frame(b"\x03\xe8bye", CLOSE), b"\x03\xe8"),
        (frame(b"\x0f\xa0", CLOSE), b"\x0f\xa0"),
        (frame(b"", CLOSE), b""),
        (frame(b"\x00\x01", CLOSE), b"\x03\xeabad close code 1"),
        (frame(b"\x03\xe8\xff", CLOSE), b"\x03\xeainvalid utf8 payload in close frame"),
    ],
)
async def test_a_close_or_a_broken_frame_is_answered_with_this_close_frame(
    clock: object, tap: TapPeer, data: bytes, farewell: bytes
) -> None:
    async with tap.channel() as channel:
        await channel.send(data)
        assert await ended(channel) == farewell


async def test_a_ping_is_answered_with_its_payload(clock: object, tap: TapPeer) -> None:
    async with tap.channel() as channel:
        await channel.send(frame(b"", PING) + frame(b"x" * 125, PING) + frame(b"y", PONG))
        pongs = [await channel.receive() for _ in range(2)]
    assert pongs == [(PONG, b""), (PONG, b"x" * 125)]


async def test_the_handshake_refuses_compression_and_looks_at_no_origin(
    clock: object, tap: TapPeer
) -> None:
    async with tap._connect() as stream:
        head = await Channel(stream).shake_hands(headers=["Origin: https://elsewhere.example"])
    lines = head.split("\r\n")
    assert lines[0] == "HTTP/1.1 101 Switching Protocols"
    assert [line.lower() for line in lines[1:]] == [
        "upgrade: websocket",
        "connection: upgrade",
        "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=",
    ]


async def test_who_speaks_before_the_handshake_is_done_is_cut_off(
    clock: object, tap: TapPeer
) -> None:
    async with tap._connect() as stream:
        channel = Channel(stream)
        with pytest.raises(Ended):
            await channel.shake_hands(more=frame(b"{}"))


async def test_two_connections_share_the_events_and_get_none_twice(
    clock: object, tap: TapPeer
) -> None:
    async with tap.channel() as one, tap.channel() as two, trio.open_nursery() as nursery:
        infos = [await tap.added() for _ in range(3)]
        wanted = sum(number(info, "records") for info in infos)
        mine = {info["did"] for info in infos}
        got: list[list[int]] = [[], []]

        async def read(channel: Channel, into: list[int]) -> None:
            while True:
                event = await channel.event()
                await channel.send(ack(event.number))
                if event.kind == "record" and event.did in mine:
                    into.append(event.number)

        nursery.start_soon(read, one, got[0])
        nursery.start_soon(read, two, got[1])
        with trio.fail_after(10):
            while len(got[0]) + len(got[1]) < wanted:
                await trio.sleep(0.05)
        nursery.cancel_scope.cancel()
    assert len({*got[0], *got[1]}) == wanted
