"""The Tap that we run is told of in words that say what happens next."""

import pytest
from msgspec.structs import replace

from backfilld.control.health import verdict
from backfilld.control.ourtap import child_shape
from backfilld.control.shapes import ChannelShape
from backfilld.tapchild.child import Now
from backfilld_events.folds.child import Child
from backfilld_events.ids import Nsid

NOON = 1_800_000_000.0
POSTS = Nsid("a.b.posts")
RUNS = Now(77, 143 * 2**20, 12.0, wanted=True, lacking=[], again_at=None)
IDLE = Now(None, None, None, wanted=False, lacking=[], again_at=None)
WAITS = replace(IDLE, wanted=True, again_at=NOON + 4)
LIVING = Child(running=True, since=NOON - 100, filters=(POSTS,))
FAILED = Child(since=NOON, failures=3, code=0, tail="service error: disk I/O error")


def sentence(child: Child, now: Now) -> str:
    return child_shape(child, now, NOON).sentence


def test_running_it_says_what_it_costs() -> None:
    said = sentence(LIVING, RUNS)
    assert said.startswith("We run Tap: process 77 since ")
    assert said.endswith(", 143 MiB, 12% of a processor on average.")


def test_a_restart_that_is_due_is_announced() -> None:
    said = sentence(LIVING, replace(RUNS, lacking=[POSTS], again_at=NOON + 4))
    assert ". It is started again " in said
    assert said.endswith(" with a.b.posts.")


@pytest.mark.parametrize(
    ("child", "now", "state", "words"),
    [
        (Child(), IDLE, "idle", "there is no record lexicon yet"),
        (
            FAILED,
            WAITS,
            "waiting",
            "Tap ended by itself, 3 times in a row, exit code 0. Its last words: s",
        ),
        (FAILED, WAITS, "waiting", " Next try "),
        (replace(FAILED, tail="", code=None), WAITS, "waiting", "nobody saw how. It said nothing."),
        (replace(FAILED, code=-9), WAITS, "waiting", "killed by signal 9 (was memory short?)"),
        (replace(FAILED, code=-11), WAITS, "waiting", "by signal 11"),
        (replace(FAILED, obstacle="the port is taken"), WAITS, "waiting", "Tap cannot be started"),
        (Child(), replace(WAITS, again_at=None), "waiting", "Tap is being started."),
        (LIVING, RUNS, "running", "We run Tap"),
    ],
)
def test_each_way_it_can_be_has_its_words(child: Child, now: Now, state: str, words: str) -> None:
    shape = child_shape(child, now, NOON)
    assert shape.state == state
    assert words in shape.sentence


DOWN = ChannelShape(connected=False, since=None, why="connection refused", unacked=0)


def test_the_verdict_names_a_tap_of_ours_that_does_not_run() -> None:
    status, said = verdict([], DOWN, child_shape(FAILED, WAITS, NOON))
    assert status == "degraded"
    assert said.startswith("No records come in. Tap ended by itself, 3 times in a row")


def test_a_tap_that_there_is_nothing_to_run_for_is_no_trouble() -> None:
    status, said = verdict([], DOWN, child_shape(Child(), IDLE, NOON))
    assert (status, said[:40]) == ("ok", "Nothing is waiting. Tap is not started: ")
