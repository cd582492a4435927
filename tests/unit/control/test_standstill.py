"""Stalls in the verdict and in words: the worst first, each with what comes next and what helps."""

import pytest
from support.given import NOON

from backfilld.backfill.stalls import KINDS
from backfilld.control import standstill
from backfilld.control.health import verdict
from backfilld.control.shapes import ChannelShape
from backfilld_events.folds.source import Stall

UP = ChannelShape(connected=True, since=None, why=None, unacked=0)


def stall(kind: str, since: float = NOON) -> Stall:
    return Stall(kind, since, f"The sentence of {kind}.")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_what_comes_next_what_may_be_done_and_whether_data_is_lost(
    kind: str,
) -> None:
    shape = standstill.stall_shape(stall(kind))
    assert (shape.kind, shape.sentence) == (kind, f"The sentence of {kind}.")
    assert shape.since == "2027-01-15T08:00:00.000Z"
    assert all((shape.next, shape.you_may, shape.data))


def test_a_kind_of_a_later_version_is_shown_all_the_same() -> None:
    shape = standstill.stall_shape(stall("moon_full"))
    assert (shape.sentence, shape.next) == ("The sentence of moon_full.", "")
    assert [one.kind for one in standstill.ordered([stall("moon_full"), stall("tap_down")])] == [
        "tap_down", "moon_full",
    ]  # fmt: skip


def test_the_verdict_is_the_worst_of_them_since_when_and_how_many_more() -> None:
    some = [stall("window_full"), stall("workers_stuck"), stall("host_parked")]
    status, said = verdict([], UP, None, some)
    assert status == "degraded"
    assert said.startswith("The sentence of workers_stuck. So since ")
    assert said.endswith(" 1 more: backfillctl why.")


def test_a_server_that_limits_tap_is_told_and_nothing_is_wrong() -> None:
    assert verdict([], UP, None, [stall("host_parked")]) == (
        "ok", "Nothing is waiting. The sentence of host_parked.",
    )  # fmt: skip
