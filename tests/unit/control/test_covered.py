"""Do I have everything? The sentences: nothing claims success by silence."""

from typing import Any

import pytest

from backfilld.control import covered
from backfilld.control.covered import Found, Sought
from backfilld_events.faults import MEANINGS, Fault
from backfilld_events.ids import Did
from backfilld_events.projections.classes import Class, Need, Out
from backfilld_events.projections.listing import Listed
from backfilld_events.projections.tally import of_fault

ALL = {Class.SYNCED: 33_120, Class.EMPTY: 780, Class.FAILED: 212}
FAULTS = {Fault.TIMEOUT: 17, Fault.TOO_LARGE: 195}


def found(classes: dict[Class, int], **changes: Any) -> Found:
    given: dict[str, Any] = {
        "total": sum(classes.values()), "classes": classes, "faults": {}, "differing": 0, "left": 0,
        "listing": "ended",
    }  # fmt: skip
    return Found(**{**given, **changes})


def repository(kind: Class, **changes: Any) -> Listed:
    given: dict[str, Any] = {
        "id": 1, "did": Did("did:web:a.example"), "kind": kind, "since": 7, "live": 0, "removed": 0,
        "aside": 0, "handed": 5, "account": "active", "handle": None, "tap_state": None,
        "error": None, "rev": None, "tap_records": None, "observed": 7, "retries": 0,
        "fault": Fault.NONE, "host": None, "out": Out.IN, "due": 0, "need": Need.NONE, "need_at": 0,
        "differs": None,
    }  # fmt: skip
    return Listed(**{**given, **changes})


def test_when_all_is_explained_that_is_one_sentence_with_what_can_be_tried_again() -> None:
    whole = found(ALL, faults=FAULTS, retry=(17, "3b0d4f7e-1111"))
    assert covered.sentence(whole) == (
        "All 34,112 repositories explained: 33,120 synced, 780 empty, 212 failed (17 can be tried"
        " again: backfillctl retry 3b0d4f7e). Nothing open."
    )
    assert covered.complete(whole)


def test_what_is_open_is_told_apart_and_is_not_everything() -> None:
    part = found({**ALL, Class.HANDED_OFF: 5_942, Class.PARKED: 58, Class.HELD: 1})
    assert covered.sentence(part) == (
        "40,113 repositories: 33,120 synced, 780 empty, 212 failed."
        " 6,001 open: 5,942 handed off, 58 parked, 1 held."
    )
    assert (part.open, covered.complete(part)) == (6_001, False)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"listing": "under_way"}, "The listing goes on, so there may be more."),
        ({"listing": "failed"}, "The listing did not come to its end, so there may be more."),
        ({"listing": "none"}, "Only accounts that were named are counted"),
        ({"unlisted": ["a.b.c"], "listing": "failed"}, "a.b.c could not be listed: not in the"),
    ],
)
def test_what_was_not_listed_to_its_end_is_not_everything(
    changes: dict[str, Any], said: str
) -> None:
    part = found({Class.SYNCED: 3}, **changes)
    assert said in covered.sentence(part)
    assert not covered.complete(part)


def test_what_a_cancelled_job_left_is_named_and_not_waited_for() -> None:
    part = found({Class.SYNCED: 3, Class.DISCOVERED: 7}, left=7)
    assert covered.sentence(part) == (
        "All 3 repositories explained: 3 synced. Nothing open."
        " 7 more were found and never handed over: it was cancelled."
    )
    assert (part.open, covered.complete(part)) == (0, False)


def test_a_repository_in_no_class_is_called_a_bug() -> None:
    wrong = found({Class.SYNCED: 3}, total=4)
    assert wrong.unexplained == 1
    assert "1 repository is unexplained. This is a bug in backfilld" in covered.sentence(wrong)
    assert not covered.complete(wrong)


def test_nothing_found_is_no_success_before_the_listing_ended() -> None:
    assert covered.sentence(found({}, listing="under_way")).startswith("No repository is found yet")
    assert covered.sentence(found({})) == "No repository has it."


def test_every_class_kind_and_sum_has_a_word() -> None:
    for kind in Class:
        assert covered.sought(kind.name.lower()) == Sought((kind,))
    for fault in MEANINGS:
        assert covered.sought(f"failed:{fault.word}") == Sought((of_fault(fault),))
    assert covered.sought("differing") == Sought(differing=True)
    opened = covered.sought("open")
    assert opened is not None
    assert set(opened.codes) == {
        Class.DISCOVERED, Class.HANDED_OFF, Class.ARRIVING, Class.PARKED, Class.HELD
    }  # fmt: skip
    cancelled = covered.sought("open", cancelled=True)
    assert cancelled is not None
    assert Class.DISCOVERED not in cancelled.codes
    assert covered.sought("left", cancelled=True) == Sought((Class.DISCOVERED,))
    for nonsense in ("", "failed:", "failed:none", "synced:timeout", "Open"):
        assert covered.sought(nonsense) is None


def test_kinds_come_in_happyviews_order_and_say_whether_a_try_may_help() -> None:
    kinds = covered.kinds({Fault.TOO_LARGE: 2, Fault.REPO_NOT_FOUND: 1, Fault.TIMEOUT: 3})
    assert [(one.kind, one.count, one.retryable) for one in kinds] == [
        ("timeout", 3, True), ("repo_not_found", 1, False), ("too_large", 2, False)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "says", "then"),
    [
        (repository(Class.DISCOVERED, handed=None), "is not handed to Tap yet", "its turn comes"),
        (repository(Class.DISCOVERED, out=Out.AWAY), "out of Tap, to be", "again by itself"),
        (repository(Class.HANDED_OFF, due=9), "has sent nothing yet", "Tap is asked about it"),
        (repository(Class.HANDED_OFF, tap_state="resyncing"), "fetches it now", "goes on"),
        (repository(Class.ARRIVING, live=2), "2 records are here", "goes on by itself"),
        (
            repository(Class.ARRIVING, live=1, tap_state="active", tap_records=3),
            "1 record is here; Tap counts 3", "goes on by itself",
        ),
        (repository(Class.SYNCED, live=2, rev="3lk"), "complete as of rev 3lk", "Nothing"),
        (repository(Class.EMPTY), "no record of what is asked for", "Nothing"),
        (repository(Class.EMPTY, removed=2), "2 records were removed by hand", "Nothing"),
        (
            repository(Class.PARKED, host="pds.example", need=Need.PARKED, need_at=9),
            "pds.example asks for fewer requests", "taken up again by itself, from",
        ),
        (
            repository(Class.FAILED, fault=Fault.TIMEOUT, error="late", tap_state="error"),
            "late.", "Tap tries again by itself",
        ),
        (
            repository(Class.FAILED, fault=Fault.REPO_NOT_FOUND, error="no", out=Out.OUT),
            "no.", "was taken out of Tap",
        ),
        (
            repository(Class.FAILED, fault=Fault.FORGOTTEN, need=Need.FORGOTTEN),
            "Tap does not know it", "handed to Tap again by itself",
        ),
        (repository(Class.GONE, account="deleted"), "the account is deleted", "comes back"),
        (repository(Class.HELD), "Tap had it before", "--mode refetch"),
        (repository(Class.HELD, need=Need.LACKS), "Tap had it before", "fetched anew by itself"),
        (repository(Class.SYNCED, differs="2 of 3"), "It differs: 2 of 3", "Nothing"),
        (repository(Class.SYNCED, need=Need.SWEEP), "here", "once that is certain"),
    ],
)  # fmt: skip
def test_each_repository_says_how_it_stands_and_what_happens_by_itself(
    one: Listed, says: str, then: str
) -> None:
    assert says in covered.says(one)
    assert then in covered.comes_next(one)


def test_when_tap_tries_again_is_told_as_far_as_it_will() -> None:
    failing = repository(Class.FAILED, fault=Fault.TIMEOUT, tap_state="error", retries=3)
    assert covered.retry_at(failing, 1_000.0) == 1_000 + 4 * 60
    often = repository(Class.FAILED, fault=Fault.TIMEOUT, tap_state="error", retries=40)
    assert covered.retry_at(often, 0.0) == 60 * 60
    parked = repository(Class.PARKED, need=Need.PARKED, need_at=77)
    assert covered.retry_at(parked, 1_000.0) == 77
    for never in (
        repository(Class.FAILED, fault=Fault.TIMEOUT, out=Out.OUT),
        repository(Class.FAILED, fault=Fault.FORGOTTEN, tap_state="unknown"),
        repository(Class.FAILED, fault=Fault.TIMEOUT, handed=None),
    ):
        assert covered.retry_at(never, 1_000.0) is None
