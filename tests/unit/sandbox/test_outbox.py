"""The outbox's laws: order per DID, nothing lost, numbers."""

import random
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfilld.sandbox.tap.outbox import SEND_QUEUE_EVENTS, Event, Outbox

TIMEOUT_S = 60.0
HEAD = b"frame of "
LINES = st.lists(st.tuples(st.sampled_from("ABC"), st.booleans()), max_size=40)


def outbox(rows: dict[int, Event] | None = None, capacity: int = 100_000) -> Outbox:
    """An outbox after its start."""
    made = Outbox({} if rows is None else rows, capacity, TIMEOUT_S)
    made.load(0)
    return made


def put(box: Outbox, *lines: tuple[str, bool], now: float = 0) -> list[int]:
    """Adds an event (DID, live) each; their numbers."""
    numbers = list(box.numbers(len(lines)))
    events = [Event(n, *line, HEAD + b"%d" % n) for n, line in zip(numbers, lines, strict=True)]
    box.add(events, now)
    return numbers


def taken(box: Outbox, now: float = 0) -> list[int]:
    """The numbers of all that can go out now."""
    found: list[int] = []
    while events := box.take(1000, 10, now):
        found += [event.number for event in events]
    return found


def lines(text: str) -> list[tuple[str, bool]]:
    return [("A", kind == "L") for kind in text]


def test_live_events_are_barriers_and_others_go_together() -> None:
    box = outbox()
    put(box, *lines("HHLLHHLH"))
    waves = []
    while wave := taken(box):
        waves.append(wave)
        for number in wave:
            box.ack(number, 0)
    assert waves == [[1, 2], [3], [4], [5, 6], [7], [8]]


def test_other_dids_flow_past_a_barrier() -> None:
    box = outbox()
    put(box, ("A", True), ("A", True), ("B", False), ("A", False), ("C", True))
    assert taken(box) == [1, 3, 5]


@given(LINES, st.randoms(use_true_random=False))
def test_whatever_the_order_of_acks_a_did_keeps_its_order(
    events: list[tuple[str, bool]], chance: random.Random
) -> None:
    box = outbox()
    put(box, *events)
    live = {n: line[1] for n, line in enumerate(events, 1)}
    did = {n: line[0] for n, line in enumerate(events, 1)}
    flying: dict[str, set[int]] = defaultdict(set)
    last: dict[str, int] = defaultdict(int)
    seen = []
    while fresh := taken(box) or any(flying.values()):
        for number in fresh if isinstance(fresh, list) else []:
            mine = flying[did[number]]
            assert number > last[did[number]], "first copies come in order"
            assert not (live[number] and mine), "a live event waits for all before it"
            assert not any(live[other] for other in mine), "and all after it wait for its ack"
            last[did[number]] = number
            mine.add(number)
            seen.append(number)
        candidates = sorted(n for mine in flying.values() for n in mine)
        if candidates:
            number = chance.choice(candidates)
            flying[did[number]].remove(number)
            box.ack(number, 0)
    assert sorted(seen) == list(live)


def test_what_is_unacked_comes_again_one_to_two_timeouts_later_and_every_timeout_after() -> None:
    box = outbox()
    put(box, ("A", False), now=10)
    assert taken(box, 10) == [1]
    came = []
    for sweep in range(1, 6):
        box.sweep(sweep * TIMEOUT_S)
        came += [sweep] * len(taken(box))
    assert came == [2, 3, 4, 5]


def test_an_ack_stops_the_redelivery_at_once() -> None:
    box = outbox()
    put(box, ("A", False), ("A", False))
    taken(box)
    box.ack(1, 1)
    box.sweep(100)
    assert taken(box) == [2]


def test_unread_copies_pile_up_to_the_send_queue_and_no_further() -> None:
    box = outbox()
    put(box, *[("A", False)] * 500)
    for sweep in range(2, 100):
        box.sweep(sweep * TIMEOUT_S)
    assert len(taken(box)) >= SEND_QUEUE_EVENTS
    box.sweep(200 * TIMEOUT_S)
    assert set(taken(box)) == set(range(1, 501))


def test_acked_rows_are_deleted_by_the_thousand_or_when_told() -> None:
    rows: dict[int, Event] = {}
    box = outbox(rows)
    put(box, *[(str(n), False) for n in range(1500)])
    taken(box)
    for number in range(1, 1500):
        box.ack(number, 0)
    assert sorted(rows) == list(range(1001, 1501))
    box.delete_acked(0)
    assert sorted(rows) == [1500]


def test_an_ack_of_what_was_not_sent_destroys_it() -> None:
    rows: dict[int, Event] = {}
    box = outbox(rows)
    put(box, ("A", True), ("A", True), ("A", False))
    assert taken(box) == [1]
    box.ack(2, 0)
    box.delete_acked(0)
    box.ack(1, 0)
    assert taken(box) == [3]
    assert sorted(rows) == [1, 3]


def test_an_ack_of_a_number_that_comes_later_destroys_that_event_too() -> None:
    rows: dict[int, Event] = {}
    box = outbox(rows)
    box.ack(1, 0)
    put(box, ("A", False))
    box.delete_acked(0)
    assert rows == {}


@pytest.mark.parametrize("number", [0, 7, 2**60])
def test_acks_of_nothing_and_second_acks_are_nothing(number: int) -> None:
    box = outbox()
    put(box, ("A", False), ("A", True))
    assert taken(box) == [1]
    box.ack(number, 0)
    assert taken(box) == []
    box.ack(1, 0)
    box.ack(1, 0)
    assert taken(box) == [2]


def test_numbers_start_at_one_after_a_restart_with_nothing_left() -> None:
    rows: dict[int, Event] = {}
    box = outbox(rows)
    put(box, ("A", False))
    taken(box)
    box.ack(1, 0)
    box.delete_acked(0)
    assert put(outbox(rows), ("A", False)) == [1]


def test_numbers_go_on_two_after_the_last_row_left() -> None:
    rows: dict[int, Event] = {}
    put(outbox(rows), ("A", False), ("A", False), ("B", False))
    assert put(outbox(rows), ("A", False)) == [5]


@given(LINES, st.lists(st.integers(1, 40), max_size=30), st.integers(0, 40))
def test_whatever_was_acked_when_the_rest_comes_after_a_kill(
    events: list[tuple[str, bool]], acks: list[int], reads: int
) -> None:
    """Nothing that was not acked is lost; what was acked may come again."""
    rows: dict[int, Event] = {}
    box = outbox(rows)
    put(box, *events)
    box.take(10**6, reads, 0)
    for number in acks:
        box.ack(number, 0)
    again = outbox(rows)
    came: set[int] = set()
    while wave := taken(again):
        came |= set(wave)
        for number in wave:
            again.ack(number, 0)
    assert came >= set(range(1, len(events) + 1)) - set(acks)


def test_a_large_outbox_is_loaded_as_acks_make_room_and_nothing_new_comes_before() -> None:
    rows: dict[int, Event] = {}
    put(outbox(rows), *[(str(n), False) for n in range(5000)])
    box = outbox(rows, capacity=2000)
    assert not box.ready
    assert taken(box) == list(range(1, 2001))
    for number in range(1, 1001):
        box.ack(number, 0)
    assert taken(box) == list(range(2001, 3001))
    for number in range(1001, 5001):
        box.ack(number, 0)
        taken(box)
    assert box.ready
    assert rows == {}


def test_it_is_full_until_acked_events_are_deleted() -> None:
    box = outbox(capacity=3)
    put(box, *[("A", False)] * 3)
    assert not box.ready
    taken(box)
    box.ack(1, 0)
    assert not box.ready
    box.delete_acked(0)
    assert box.ready


def test_the_firehose_waits_at_twice_the_capacity() -> None:
    box = outbox(capacity=10)
    put(box, *[("A", False)] * (SEND_QUEUE_EVENTS + 19))
    assert not box.overfull
    put(box, ("A", False))
    assert box.overfull
