"""Who is asked about next: what may have changed just now first, and nobody never."""

from hypothesis import given
from hypothesis import strategies as st

from backfilld.backfill.queues import chosen
from backfilld_events.projections.classes import Ask

QUEUES = [queue for queue in Ask if queue is not Ask.NEVER]


def waiting(queue: Ask, count: int) -> list[int]:
    return [1000 * queue + n for n in range(count)]


def queue_of(number: int) -> Ask:
    return Ask(number // 1000)


@given(st.fixed_dictionaries({queue: st.integers(0, 300) for queue in QUEUES}), st.integers(1, 200))
def test_no_more_than_the_rate_and_as_many_as_may_be(counts: dict[Ask, int], limit: int) -> None:
    queues = {queue: waiting(queue, count) for queue, count in counts.items()}
    found = chosen(queues, limit)
    assert len(found) <= limit
    assert len(set(found)) == len(found)
    for queue in QUEUES:
        mine = [one for one in found if queue_of(one) is queue]
        assert mine == queues[queue][: len(mine)], "each queue in its order"
    if counts[Ask.DELIVERED] + counts[Ask.PARKED] >= limit:
        assert len(found) == limit


@given(st.integers(20, 200))
def test_what_was_just_delivered_has_most_of_it_and_no_queue_is_left_out(limit: int) -> None:
    found = chosen({queue: waiting(queue, 1000) for queue in QUEUES}, limit)
    counts = {queue: sum(queue_of(one) is queue for one in found) for queue in QUEUES}
    assert len(found) == limit
    assert min(counts.values()) >= 1
    assert counts[Ask.DELIVERED] > limit / 2


@given(st.integers(1, 200))
def test_the_silent_are_asked_about_at_half_the_rate_at_most(limit: int) -> None:
    """A window of a hundred thousand of them would else be gone round and round in vain."""
    found = chosen({Ask.SILENT: waiting(Ask.SILENT, 1000)}, limit)
    assert 1 <= len(found) <= max(1, limit // 2)
