"""Is data lost? "None" is a finding, and each thing that is not proved is named instead."""

from typing import Any

import pytest
from unit.control.test_covered import ALL, found

from backfilld.control.losses import lost
from backfilld.verification.known import Problem, Verification
from backfilld_events.faults import Fault
from backfilld_events.projections.classes import Class

NOON = 1_800_000_000.0
VERIFIED = Verification(whole=40_902, hash=b"\0" * 32, at=NOON)


def said(
    *,
    log: Verification = VERIFIED,
    connected: bool = True,
    census: bool = False,
    restored: float | None = None,
    **changes: Any,
) -> str:
    of = found(changes.pop("classes", ALL), **changes)
    return lost(of, what="3b0d", connected=connected, census=census, log=log, restored=restored)


def test_none_is_said_only_with_its_proofs() -> None:
    calm = said()
    assert calm.startswith("None: the log verified at ")
    assert calm.endswith(
        " up to #40,902, nothing is unexplained, and Tap knew all that it was given when it was"
        " asked last."
    )


@pytest.mark.parametrize(
    ("changes", "doubt"),
    [
        ({"log": Verification()}, "has not been verified since backfilld started: backfillctl log"),
        ({"log": Verification(tail=40_000)}, "has not been verified since backfilld started"),
        ({"log": Verification(under_way=(1, 9))}, "the log is being verified"),
        (
            {"log": Verification(whole=9, at=NOON, passed=(7,))},
            "the log has a break at #7, which was accepted",
        ),
        (
            {"log": Verification(whole=9, at=NOON, passed=(5, 7))},
            "the log has breaks at #5 and #7, which were accepted",
        ),
        ({"total": 34_113}, "1 are unexplained"),
        ({"faults": {Fault.FORGOTTEN: 3}}, "Tap has forgotten 3"),
        ({"classes": {**ALL, Class.HANDED_OFF: 5}}, "of 5 that Tap was given nothing has come yet"),
        ({"classes": {**ALL, Class.HELD: 5}}, "Tap sends nothing again of 5 that are held"),
        ({"census": True}, "is asked about each"),
        ({"connected": False}, "Tap is not reached"),
        ({"restored": NOON}, "the index is a backup of "),
        ({"restored": NOON}, "what came after it: backfillctl start --all --mode refetch"),
    ],
)
def test_whatever_is_not_proved_is_named(changes: dict[str, Any], doubt: str) -> None:
    told = said(**changes)
    assert told.startswith("None that we know of. Not proved: ")
    assert doubt in told


def test_repositories_that_differ_are_a_loss_until_shown_otherwise_with_the_command() -> None:
    told = said(differing=2)
    assert told == (
        "Perhaps: 2 repositories do not have the records that should be here:"
        " backfillctl coverage 3b0d --class differing."
    )
    assert said(differing=1, connected=False).endswith(" Not proved: Tap is not reached.")


def test_when_the_log_does_not_verify_nothing_is_said_of_loss_but_that() -> None:
    broken = Verification(whole=9, at=NOON, problem=Problem(7, "missing", NOON))
    told = said(log=broken, differing=2)
    assert told.startswith("Not known. The log does not verify: event 7: missing. Nothing more")
    assert "None" not in told
