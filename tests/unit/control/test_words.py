"""A job in words: the same sentence everywhere, and HappyView's words in `status`."""

import re

import pytest
from msgspec.structs import replace
from support.given import LIKES, NOON, POSTS, RELAY, TAP, given, handed_off, page, started

from backfilld.backfill.plan import Limits
from backfilld.backfill.standing import Scene, Standing, standing
from backfilld.control import words
from backfilld.control.jobs import outlook
from backfilld.control.present import job_shape
from backfilld.control.shapes import JobShape
from backfilld_events.catalog.job import (
    AttemptFailed,
    JobCancelAsked,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobPaused,
    JobResumed,
    ListingFailed,
)
from backfilld_events.folds.job import Job, evolve
from backfilld_events.ids import Did
from backfilld_events.projections.classes import Class

LIMITS = Limits(relays=(RELAY,), batch_size=10, read_ahead=30)
PAUSED, CANCEL = JobPaused(reason="PDS maintenance"), JobCancelAsked(reason="")
TAP_DOWN = AttemptFailed("hand-off", TAP, "unreachable", "connection refused", 1, NOON + 30)
FAILED = ListingFailed(POSTS, RELAY, "refused", "answered 400", 8, None)
RUNNING = given(started(POSTS), page(0, 20), handed_off(10))


def by(job: Job, *events: object, actor: str = "alice") -> Job:
    for event in events:
        job = evolve(job, event, NOON, actor)  # type: ignore[arg-type]
    return job


def shape(job: Job, *, ahead: int = 0, busy: bool = False, **classes: int) -> JobShape:
    counts = {Class[name.upper()]: n for name, n in classes.items()} or {
        Class.DISCOVERED: job.discovered - job.handed_off, Class.HANDED_OFF: job.handed_off,
    }  # fmt: skip
    scene = Scene(LIMITS, {job.id: ahead} if ahead else {}, frozenset([job.id] if busy else []))
    return job_shape(job, 7, counts, scene)


ENDED = JobCompleted(20, 20, 0, [])
WITH_ERRORS = JobCompleted(20, 20, 3, [])
LISTING_FAILED = JobCompleted(20, 20, 0, [POSTS])
ALL = given(started(POSTS), page(0, 20, None), handed_off(20))


@pytest.mark.parametrize(
    ("job", "state", "status"),
    [
        (given(started(POSTS)), "pending", "pending"),
        (RUNNING, "running", "running"),
        (by(ALL, ENDED), "completed", "completed"),
        (replace(by(ALL, WITH_ERRORS), malformed=3), "completed_with_errors", "completed"),
        (
            by(given(started(POSTS, LIKES), FAILED, page(0, 5, None, LIKES)), LISTING_FAILED),
            "completed_with_errors",
            "failed",
        ),
        (by(given(started(POSTS)), JobFailed("listing_failed", "x")), "failed", "failed"),
        (by(RUNNING, PAUSED), "paused", "paused"),
        (by(RUNNING, CANCEL), "cancelling", "cancelling"),
        (by(RUNNING, CANCEL, JobCancelled(20, 10)), "cancelled", "cancelled"),
        (
            by(given(started(POSTS), page(0, 3, None)), TAP_DOWN),
            "stalled",
            "running",
        ),
        (by(given(started()), JobFailed("no_collections", "x")), "failed", "completed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_status_is_happyviews_word_and_state_is_ours(job: Job, state: str, status: str) -> None:
    found = shape(job)
    assert (found.state, found.status) == (state, status)
    if found.completed_at is not None:
        assert found.stage == status
    good = state == "completed"
    assert (found.error is None) == (found.completed_at is None or good)


def test_a_job_that_waits_says_how_many_are_ahead() -> None:
    found = shape(given(started(POSTS)), ahead=1)
    assert (found.state, found.ahead) == ("pending", 1)
    assert found.sentence == "Waiting for its turn: 1 job ahead."
    assert shape(given(started(POSTS)), ahead=1_200).sentence.endswith("1,200 jobs ahead.")


def test_a_paused_job_says_since_when_by_whom_why_and_what_tap_goes_on_with() -> None:
    found = shape(by(RUNNING, PAUSED))
    assert re.fullmatch(
        r"Paused since \d\d:\d\d:\d\d \S+ by alice: 'PDS maintenance'\. "
        r"Tap goes on with the 10 it already has\.",
        found.sentence,
    )
    assert found.since == "2027-01-15T08:00:00.000Z"
    assert shape(by(given(started(POSTS)), JobPaused(reason=""))).sentence.endswith(" by alice.")


def test_a_job_is_pausing_while_its_last_step_is_under_way() -> None:
    found = shape(by(RUNNING, PAUSED), busy=True)
    assert (found.state, found.status) == ("pausing", "pausing")
    assert "finished first" in found.sentence


def test_a_resumed_job_no_longer_says_that_it_was_paused() -> None:
    found = shape(by(RUNNING, PAUSED, JobResumed(reason="")))
    assert found.sentence == "Finding repositories and handing them to Tap."


def test_a_cancelled_job_says_who_where_it_stood_and_what_stays() -> None:
    found = shape(by(RUNNING, CANCEL, JobCancelled(20, 10)))
    assert found.sentence == "Cancelled by alice at 10 of 20. Those stay in Tap."
    assert found.error == "cancelled by alice"
    never = shape(by(given(started(POSTS)), CANCEL, JobCancelled(0, 0)))
    assert never.sentence == "Cancelled by alice."


def test_a_stalled_job_says_who_does_not_answer_and_that_it_goes_on_by_itself() -> None:
    found = shape(by(given(started(POSTS), page(0, 3, None)), TAP_DOWN))
    assert found.sentence.startswith("Waiting for Tap since ")
    assert "connection refused" in found.sentence
    assert found.sentence.endswith("Goes on by itself.")
    assert found.reason == "tap_unreachable"


def test_a_stall_that_a_person_must_end_says_so() -> None:
    waiting = AttemptFailed("hand-off", TAP, "unauthorized", "answered 401", 1, NOON + 30)
    found = shape(by(given(started(POSTS), page(0, 3, None)), waiting))
    assert found.sentence.startswith("Needs you: Tap refuses our password.")


def test_the_sync_of_a_cancelled_job_is_about_what_it_handed_over() -> None:
    cancelled = by(RUNNING, CANCEL, JobCancelled(20, 10))
    found = shape(cancelled, discovered=10, synced=4, handed_off=6)
    assert (found.sync.state, found.sync.open) == ("syncing", 6)
    found = shape(cancelled, discovered=10, synced=9, failed=1)
    assert (found.sync.state, found.sync.open) == ("synced_with_failures", 0)
    assert found.sync.sentence == (
        "9 are here, or empty; 1 failed, each with a reason; "
        "10 more were found and never handed over."
    )
    assert found.sync.active + found.sync.failed + found.sync.gone + found.sync.open == 10


def test_a_look_for_new_repositories_says_how_many_are_new_and_counts_no_others() -> None:
    look = replace(by(ALL, ENDED), actor="schedule")
    found = shape(look, synced=3)
    assert (found.total_repos, found.processed_repos) == (3, 3)
    assert found.sentence == ("Listed 20 entries and handed them to Tap: 3 repositories are new.")
    assert (found.sync.state, found.sync.sentence) == ("synced", "All 3 are here, or empty.")


def test_a_look_that_found_nothing_new_says_so_and_waits_for_nothing() -> None:
    found = shape(replace(by(ALL, ENDED), actor="schedule"), discovered=0)
    assert found.sentence.endswith("handed them to Tap: no repository is new.")
    assert (found.sync.state, found.sync.open) == ("synced", 0)
    assert found.sync.sentence == "No repository is new: nothing is waited for."


def test_what_a_look_found_new_is_handed_over_only_when_it_is() -> None:
    found = shape(replace(RUNNING, actor="schedule"), discovered=2, handed_off=1)
    assert (found.total_repos, found.processed_repos) == (3, 1)


def test_a_look_with_entries_that_are_no_dids_says_both() -> None:
    look = replace(by(ALL, WITH_ERRORS), malformed=3, actor="schedule")
    assert shape(look, synced=1).sentence == (
        "Listed 20 entries and handed them to Tap: 1 repository is new; 3 refused as malformed."
    )


def test_a_job_for_nothing_at_all_reads_as_happyview_has_it() -> None:
    job = by(given(started()), JobFailed("no_collections", "no backfill-eligible collections: add"))
    found = shape(job)
    assert (found.status, found.error) == ("completed", "no backfill-eligible collections")
    assert found.sentence.startswith("no backfill-eligible collections: add. Start again:")


@pytest.mark.parametrize("state", ["completed", "completed_with_errors"])
def test_an_end_says_how_many(state: str) -> None:
    assert "1,234" in words.sentence(ALL, Standing(state), 1234)  # type: ignore[arg-type]


def test_every_state_has_a_sentence() -> None:
    for job in (RUNNING, by(RUNNING, PAUSED), by(RUNNING, CANCEL)):
        assert words.sentence(job, standing(job, Scene(LIMITS)), 20)


@pytest.mark.parametrize(
    ("job", "command"),
    [
        (ALL, f"backfillctl start {POSTS} --mode refetch"),
        (
            replace(ALL, asked_did=Did("did:web:a.example"), given=True),
            f"backfillctl start {POSTS} --did did:web:a.example --mode refetch",
        ),
        (replace(ALL, given=True), f"backfillctl start {POSTS} --from FILE --mode refetch"),
        (replace(ALL, asked_for=None), "backfillctl start --all --mode refetch"),
    ],
    ids=["a collection", "an account", "a list", "everything"],
)
def test_what_tap_had_before_is_held_in_mode_add_and_the_sentence_is_the_remedy(
    job: Job, command: str
) -> None:
    found = shape(by(replace(job, mode="add"), ENDED), synced=17, held=3)
    assert found.sync.state == "syncing"
    assert found.sync.sentence == (
        "17 of 20 are here, or empty; 3 were with Tap before, and Tap does not"
        f" send their records again; to have them fetched anew: {command}."
    )


@pytest.mark.parametrize("mode", ["auto", "refetch"])
def test_what_tap_had_before_is_fetched_again_by_itself_in_the_other_modes(mode: str) -> None:
    found = shape(by(replace(ALL, mode=mode), ENDED), synced=19, held=1)
    assert found.sync.sentence == (
        "19 of 20 are here, or empty; 1 was with Tap before, and is to be fetched again."
    )


def test_a_job_that_waits_for_room_in_tap_says_so_and_is_not_stalled() -> None:
    listed = given(started(POSTS), page(0, 20, None), handed_off(10))
    full = replace(LIMITS, room=0, unsettled=100_000)
    stands = standing(listed, Scene(full))
    assert (stands.state, stands.held_up) == ("running", "room")
    assert words.sentence(listed, stands, 20) == (
        "Tap has 100,000 repositories to work on; the next batch goes when some are settled."
    )
    assert standing(listed, Scene(replace(full, room=10))).held_up is None
    unlisted = given(started(POSTS), page(0, 20), handed_off(10))
    assert standing(unlisted, Scene(full)).held_up is None, "it goes on finding repositories"


def test_a_job_whose_collection_tap_does_not_fetch_yet_says_so() -> None:
    new = given(started(POSTS))
    stands = standing(new, Scene(replace(LIMITS, filters=frozenset({LIKES}))))
    assert (stands.state, stands.held_up) == ("running", "filter")
    assert words.sentence(new, stands, 0).endswith("is started with another filter.")
    assert standing(new, Scene(replace(LIMITS, filters=frozenset({POSTS})))).held_up is None


def test_while_the_log_does_not_verify_an_unfinished_job_needs_a_person() -> None:
    frozen = Scene(LIMITS, frozen=True)
    for job in (given(started(POSTS)), given(started(POSTS), page(0, 20), handed_off(10))):
        stands = standing(job, frozen)
        assert (stands.state, stands.held_up) == ("stalled", "log")
        assert words.sentence(job, stands, 20).startswith("Needs you: the log does not verify")
        assert outlook.comes_next(job, stands, {}).startswith("Nothing, until you decide")
        assert job_shape(job, 0, {}, frozen).reason == "log_broken"
    ended = given(started(POSTS), page(0, 20, None), handed_off(20), JobCompleted(20, 20, 0, []))
    assert standing(ended, frozen).state == "completed"
    paused = given(started(POSTS), JobPaused(reason=""))
    assert standing(paused, frozen).state == "paused"


def test_a_job_is_never_called_synced_while_tap_seems_to_leave_its_collection_out() -> None:
    done = given(
        started(POSTS), page(0, 20, cursor=None), handed_off(20), JobCompleted(20, 20, 0, [])
    )
    classes = {Class.EMPTY: 20}
    assert words.sync(done, classes)[0] == "synced"
    word, text = words.sync(done, classes, silent={POSTS})
    assert word == "syncing"
    assert f"nothing of {POSTS} ever came" in text
    assert words.sync(done, classes, silent={LIKES})[0] == "synced"
