"""What a repository needs, and when Tap is asked about it: functions of what is known of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfilld_events.faults import Fault, fault_of
from backfilld_events.projections import judged
from backfilld_events.projections.classes import Ask, Class, Need, Out
from backfilld_events.projections.judged import Repo

NOW = 1_800_000_000.0


def repo(state: str | None, error: str = "", **known: Any) -> Repo:
    """A repository that was handed over, and of which Tap has said so."""
    one = Repo(1, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, tap_state=state, tap_error=error)
    one.fault = int(fault_of(state or "", error))
    for name, value in known.items():
        setattr(one, name, value)
    one.kind = judged.classified(one)
    return one


def need(one: Repo) -> Need:
    return judged.needed(one, NOW)[0]


NOT_ON_PLC = "failed to resolve DID: DID not found: PLC directory 404"
DEACTIVATED = "failed to get repo: API request failed (HTTP 400): RepoDeactivated: x"
DOWN = 'failed to get repo: Get "http://h/x": dial tcp 1.2.3.4:1: connect: connection refused'


def test_what_tap_has_forgotten_is_handed_over_again_unless_the_account_is_gone() -> None:
    assert need(repo("unknown")) is Need.FORGOTTEN
    assert need(repo("unknown", account="deleted")) is Need.NONE
    assert need(repo("unknown", account="active")) is Need.FORGOTTEN


def test_what_is_parked_and_holds_nothing_is_taken_up_when_its_hosts_ten_seconds_are_over() -> None:
    parked = repo("desynchronized", retries=1)
    assert (parked.kind, judged.needed(parked, NOW)) == (Class.PARKED, (Need.PARKED, int(NOW) + 11))
    late = repo("desynchronized", retries=1, came=3)
    assert need(late) is Need.PARKED, "what came is of a fetch before it was taken out"
    late.rev = "3aaaaaaaaaaa2"
    assert need(late) is Need.NONE, "Tap has it, and sends the difference"


def test_what_tap_has_only_to_fetch_again_after_a_restart_is_not_called_parked() -> None:
    assert repo("desynchronized").kind is Class.HANDED_OFF
    assert repo("desynchronized", live=3).kind is Class.ARRIVING
    assert need(repo("desynchronized")) is Need.NONE


def test_what_differs_from_its_server_is_fetched_anew_as_soon_as_tap_is_not_at_it() -> None:
    assert need(repo("active", mend=1)) is Need.DIFFERS
    assert need(repo("active", mend=1, tap_records=3)) is Need.DIFFERS, "some have not come"
    assert need(repo("resyncing", mend=1)) is Need.NONE
    assert need(repo("active", mend=1, out=int(Out.LEAVING))) is Need.NONE
    assert need(repo("active", mend=1, account="deleted")) is Need.NONE


def test_the_moment_at_which_something_is_needed_does_not_move() -> None:
    parked = repo("desynchronized", retries=1)
    parked.need, parked.need_at = judged.needed(parked, NOW)
    assert judged.needed(parked, NOW + 5) == (Need.PARKED, int(NOW) + 11)


def test_a_failure_that_is_final_is_taken_out_when_it_came_twice() -> None:
    assert need(repo("error", NOT_ON_PLC, retries=1)) is Need.NONE
    assert need(repo("error", NOT_ON_PLC, retries=2)) is Need.FINAL


def test_an_account_that_may_come_back_is_waited_for_about_a_day() -> None:
    assert need(repo("error", DEACTIVATED, retries=23)) is Need.NONE
    assert need(repo("error", DEACTIVATED, retries=24)) is Need.FINAL


def test_no_repository_comes_to_the_64th_try_from_which_on_tap_does_not_pause() -> None:
    for error in (DOWN, "", "failed to verify signature: x"):
        assert need(repo("error", error, retries=judged.TRIES_RESTLESS - 1)) is Need.NONE
        assert need(repo("error", error, retries=judged.TRIES_RESTLESS)) is Need.RESTLESS
    assert judged.TRIES_RESTLESS < 64


@given(
    state=st.sampled_from([None, "pending", "resyncing", "active", "error", "desynchronized"]),
    known=st.fixed_dictionaries(
        {
            "held": st.sampled_from([0, 1, 2]),
            "live": st.integers(0, 3),
            "sweep": st.sampled_from([0, 1, judged.LOOK]),
            "back": st.sampled_from([0, 1]),
            "drained": st.sampled_from([0, 1]),
            "retries": st.integers(0, 70),
            "out": st.sampled_from(list(Out)),
            "rev": st.sampled_from([None, "3aaaaaaaaaaa2"]),
        }
    ),
)
def test_nothing_is_taken_out_while_it_is_fetched_or_is_out_already(
    state: str | None, known: dict[str, Any]
) -> None:
    one = repo(state, DOWN if state == "error" else "", **known)
    if state == "resyncing" or one.out:
        assert need(one) is Need.NONE


def test_what_lacks_a_collection_is_fetched_anew_where_a_job_wants_that() -> None:
    assert need(repo("active", held=2, live=1, tap_records=1)) is Need.LACKS
    assert need(repo("active", held=1, live=1, tap_records=1)) is Need.NONE, "mode add"


def test_an_account_that_came_back_without_its_records_is_fetched_anew() -> None:
    assert need(repo("active", back=1, drained=1, live=0, tap_records=4)) is Need.REACTIVATED
    assert need(repo("active", back=1, live=4, tap_records=4)) is Need.NONE, "they were hidden only"
    assert need(repo("error", DEACTIVATED, back=1, retries=3)) is Need.REACTIVATED


def test_after_a_refetch_what_was_here_before_does_not_pass_for_what_came() -> None:
    one = repo("active", live=10, came=10, tap_records=10)
    assert one.kind is Class.SYNCED
    one.begins_anew(9)
    assert judged.classified(one) is Class.ARRIVING
    one.tap_state, one.tap_records = "active", 8
    assert judged.classified(one) is Class.ARRIVING, "nothing has come yet"
    one.came = 8
    assert judged.classified(one) is Class.SYNCED
    one.kind = Class.SYNCED
    assert need(one) is Need.SWEEP, "two of the rows may be gone from the network"


def test_a_record_that_cannot_be_read_is_no_reason_to_look_for_ghosts() -> None:
    one = repo("active", live=7, aside=1, came=8, tap_records=8, sweep=1, drained=1)
    assert not judged.may_have_ghosts(one)
    one.live = 8
    assert judged.may_have_ghosts(one), "one of the rows did not come"


def test_rows_that_are_not_as_many_as_tap_counts_are_named_only_when_tap_has_sent_all() -> None:
    assert judged.unlike(repo("active", live=3, tap_records=5)) is None
    assert "has sent 3" in str(judged.unlike(repo("active", live=3, tap_records=5, drained=1)))
    assert "some are gone" in str(judged.unlike(repo("active", live=6, tap_records=5, drained=1)))
    assert judged.unlike(repo("active", live=3, aside=2, tap_records=5, drained=1)) is None


@pytest.mark.parametrize(
    ("one", "queue"),
    [
        (repo(None), Ask.SILENT),
        (repo("pending"), Ask.SILENT),
        (repo(None, account="active"), Ask.DELIVERED),
        (repo(None, live=2), Ask.DELIVERED),
        (repo("active", live=2, tap_records=5), Ask.DELIVERED),
        (repo("desynchronized", retries=1), Ask.PARKED),
        (repo("desynchronized", live=2), Ask.DELIVERED),
        (repo("error", DOWN), Ask.FAILING),
        (repo("active", live=5, tap_records=5), Ask.NEVER),
        (repo("active", live=5, tap_records=5, held=1), Ask.HELD),
        (repo("unknown"), Ask.NEVER),
        (repo("error", DOWN, out=Out.OUT), Ask.NEVER),
        (repo("active", account="deleted"), Ask.NEVER),
    ],
)
def test_who_can_have_changed_is_asked_about_and_nobody_else(one: Repo, queue: Ask) -> None:
    assert judged.queued(one) is queue


@given(retries=st.integers(1, 200))
def test_what_fails_is_asked_about_when_its_next_try_is_over(retries: int) -> None:
    one = repo("error", DOWN, retries=retries)
    _, due, _ = judged.first_ask(one, NOW)
    assert NOW + 60 <= due <= NOW + 3600 + 60, "tap: the waits are one minute to one hour"


@given(state=st.sampled_from([None, "pending", "error", "desynchronized", "resyncing"]))
def test_the_same_answer_again_is_asked_for_later_and_later_and_never_not_at_all(
    state: str | None,
) -> None:
    one = repo(state, DOWN if state == "error" else "")
    one.ask, one.due, one.wait = judged.first_ask(one, NOW)
    waits = []
    for _ in range(20):
        one.ask, one.due, one.wait = judged.next_ask(one, NOW)
        waits.append(one.wait)
    assert waits == sorted(waits)
    assert waits[-1] <= 3600
    assert one.due > NOW


def test_a_repository_that_is_out_of_tap_for_a_moment_is_open_and_not_lost() -> None:
    assert repo(None, live=3, out=Out.AWAY).kind is Class.DISCOVERED
    assert repo(None).fault == Fault.NONE
