"""Whether the log verifies, in the words of every face; one that does not comes before all else."""

from types import SimpleNamespace
from typing import Any

import pytest
from litestar.datastructures import State
from msgspec.structs import replace

from backfilld.control import problems, verified
from backfilld.control.health import verdict
from backfilld.control.shapes import ChannelShape
from backfilld.verification.known import FILE, Kept, Problem, Verification

NOON = 1_800_000_000.0
UP = ChannelShape(connected=True, since=None, why=None, unacked=0)
DOWN = ChannelShape(connected=False, since=None, why="refused", unacked=0)
PROBLEM = Problem(7, "its hash does not follow from the row and the one before", NOON)
WELL = Verification(whole=48_213, hash=b"\x9f" * 32, at=NOON)


def test_a_log_that_does_not_verify_is_the_verdict_whatever_else_is_wrong() -> None:
    assert verdict([], DOWN, problem=PROBLEM) == (
        "broken",
        "The log does not verify: event 7: its hash does not follow from the row and the one"
        " before. Nothing more is written to it until you decide: docs/audit.md.",
    )
    assert verdict([], UP)[0] == "ok"


def test_a_fault_of_the_file_names_no_event() -> None:
    said = verified.verdict(Problem(FILE, "the log can be changed: no trigger", NOON))
    assert said.startswith("The log does not verify: the log can be changed: no trigger. Nothing")


@pytest.mark.parametrize(
    ("known", "state", "says"),
    [
        (Verification(), "none", "It has not been verified since backfilld started."),
        (Verification(tail=40_000), "none", "It has not been verified since backfilld started."),
        (Verification(under_way=(12, 48_213)), "running", "It is at event 12 of 48,213."),
        (WELL, "ok", f"48,213 events, unbroken; #48213 is {'9f' * 32}"),
        (
            Verification(whole=9, hash=b"\0" * 32, at=NOON, passed=(7,)),
            "ok",
            f"9 events, unbroken, but for the break at #7, which was accepted; #9 is {'00' * 32}",
        ),
        (
            Verification(whole=9, hash=b"\0" * 32, at=NOON, passed=(5, 7)),
            "ok",
            "9 events, unbroken, but for the breaks at #5 and #7, which were accepted; "
            f"#9 is {'00' * 32}",
        ),
        (Verification(problem=PROBLEM), "broken", verified.verdict(PROBLEM)),
        (Verification(problem=PROBLEM, under_way=(1, 9)), "broken", verified.verdict(PROBLEM)),
    ],
)
def test_verifying_has_one_state_and_its_sentence(
    known: Verification, state: str, says: str
) -> None:
    shape = verified.verification_shape(known)
    assert (shape.state, shape.sentence) == (state, says)
    assert (shape.position is not None) == (state == "running")
    assert (shape.hash is not None) == (known.at is not None)


def test_one_that_goes_on_still_tells_of_the_last_that_ended() -> None:
    again = Verification(whole=9, hash=b"\0" * 32, at=NOON, under_way=(3, 12))
    shape = verified.verification_shape(again)
    assert (shape.state, shape.position, shape.upto) == ("running", 3, 12)
    assert (shape.verified_position, shape.at) == (9, "2027-01-15T08:00:00.000Z")


def test_what_is_not_verified_yet_is_neither_right_nor_wrong() -> None:
    assert verified.verifies(Verification()) is None
    assert verified.verifies(Verification(tail=7, under_way=(1, 9))) is None
    assert verified.verifies(WELL) is True
    assert verified.verifies(Verification(whole=9, at=NOON, problem=PROBLEM)) is False


def test_the_answer_about_all_has_the_problem_with_what_a_person_may_do() -> None:
    known = Verification(problem=PROBLEM, under_way=(1, 9), checkpoint=Kept(fault="no space"))
    shape = verified.log_shape(48_213, rebuilt=False, known=known)
    assert shape.problem is not None
    assert (shape.problem.position, shape.problem.what) == (7, PROBLEM.what)
    assert "restore events.db" in shape.problem.remedy
    assert (shape.under_way, shape.checkpoint_fault) == (None, "no space")


def test_a_verification_that_could_not_read_the_log_is_told_beside_the_one_before() -> None:
    fault = "it could not be read: disk I/O error"
    shape = verified.verification_shape(replace(WELL, fault=fault))
    assert (shape.state, shape.fault) == ("ok", fault)
    assert shape.sentence.endswith(f"{'9f' * 32}. Later {fault}")
    never = verified.verification_shape(Verification(fault=fault))
    assert never.sentence == f"It has not been verified since backfilld started: {fault}."
    assert verified.log_shape(9, rebuilt=False, known=Verification(fault=fault)).verify_fault


def test_the_age_of_a_verification_that_never_came_to_its_end_is_that_of_the_life() -> None:
    known = Verification(began=NOON)
    assert verified.age_s(known, NOON + 9, again=True) == 9
    assert verified.age_s(known, NOON + 9, again=False) is None, "nobody wants one"
    assert verified.age_s(replace(known, at=NOON + 4), NOON + 9, again=False) == 5
    assert verified.age_s(known, NOON - 9, again=True) == 0, "a clock that was set back"


CHECKPOINT = "the log ends with #5, its tail is cut off: a checkpoint of 2027 says that #9 is 9f"


def test_what_a_checkpoint_says_otherwise_is_not_offered_to_be_accepted_while_it_is_there() -> None:
    remedy = Problem(6, CHECKPOINT, NOON).remedy
    assert remedy.startswith("stop backfilld, and restore a backup of events.db that is as new as")
    assert remedy.endswith("move it away, and then: backfilld accept-break")
    gone = Problem(FILE, "there is none in x, and a checkpoint of 2027 says that #9 is 9f", NOON)
    assert gone.remedy.endswith("move it away, and start backfilld again")
    assert gone.remedy in gone.told
    known = Verification(problem=gone)
    asked: Any = SimpleNamespace(app=SimpleNamespace(state=State({"verification": known})))
    assert problems.remedy(asked) == gone.remedy, "so it is where a command is refused"


def test_what_the_daemon_knew_itself_can_be_accepted_though_it_is_a_checkpoint_too() -> None:
    own = Problem(6, CHECKPOINT, NOON, end="9f")
    assert own.remedy == PROBLEM.remedy
    assert "go on with it as it is: backfilld accept-break" in own.remedy


def test_what_was_accepted_is_in_the_answer_about_all() -> None:
    shape = verified.log_shape(9, rebuilt=False, known=replace(WELL, passed=(5, 7)))
    assert shape.accepted == [5, 7]


def test_of_very_many_breaks_the_first_are_named_and_the_others_counted() -> None:
    many = Verification(whole=99, hash=b"\0" * 32, at=NOON, passed=tuple(range(1, 31)))
    said = verified.verification_shape(many).sentence
    assert ", #19, #20 and 10 more, which were accepted; #99 is" in said
