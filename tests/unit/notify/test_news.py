"""What is news, when, and once: decided from state, projections and time alone."""

import pytest
from msgspec.structs import replace
from support.given import LIKES, NOON, POSTS, RELAY, TAP, given, handed_off, page, started

from backfilld.backfill.plan import Limits
from backfilld.backfill.standing import Scene
from backfilld.notify import news
from backfilld.notify.news import DEAD_LETTERS_S, DISK_FREE_MIN, DOWN_S, STALL_S, Found
from backfilld_events.catalog import Event
from backfilld_events.catalog.job import (
    AttemptFailed,
    JobCancelAsked,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobPaused,
    JobPickedUp,
    ListingFailed,
)
from backfilld_events.catalog.notify import NewsRaised, TargetAdded
from backfilld_events.catalog.source import (
    TapConnected,
    TapDisconnected,
    TapMoving,
    TapStalled,
)
from backfilld_events.folds import INITIAL, State, evolve
from backfilld_events.folds import job as fold
from backfilld_events.folds.job import Job
from backfilld_events.folds.notify import Notices
from backfilld_events.folds.source import Source
from backfilld_events.projections.classes import Class
from backfilld_events.row import Row

SCENE = Scene(Limits(relays=(RELAY,)))
ALL = ["job.stalled", "job.resumed", "dependency.down", "dependency.up", "dead_letter"]


class Story:
    """A state that somebody wants to be told of, made by what happens at some time."""

    def __init__(self) -> None:
        self.state, self.at = INITIAL, NOON
        self.happens("notify/t", TargetAdded("t", "/bin/page", ALL, [], 0))

    def happens(self, stream: str, *events: Event) -> State:
        for event in events:
            position = self.state.position + 1
            row = Row(position, stream, 1, "", 1, round(self.at * 1e6), "x", None, b"", b"")
            self.state = evolve(self.state, row, event)
        return self.state

    def stalled(self) -> list[str]:
        """What is told of stalls now; it is in the log then."""
        raised = news.stalls(self.state, SCENE, self.at)
        self.happens("notify", *(event for _, event in raised))
        return [event.sentence for _, event in raised]

    def resumed(self, *over: Job) -> list[NewsRaised]:
        found = {job.id: Found(job, {Class.SYNCED: 3}) for job in over}
        raised = [event for _, event in news.resumptions(self.state, SCENE, found)]
        self.happens("notify", *raised)
        return raised

    def channel(self, began: float = 0.0) -> NewsRaised | None:
        raised = news.channel(self.state.source, self.state.notices, self.at, began)
        self.happens("notify", *([] if raised is None else [raised]))
        return raised


def failed(attempt: int = 1) -> AttemptFailed:
    return AttemptFailed(
        "hand-off", TAP, "unreachable", "cannot connect: connection refused", attempt, NOON + 60
    )


@pytest.fixture
def story() -> Story:
    story = Story()
    story.happens("job/abcdefghij", started(POSTS), page(0, 3, cursor=None), failed())
    return story


def test_a_stall_is_told_after_ten_minutes_and_once(story: Story) -> None:
    story.at = NOON + STALL_S - 1
    assert story.stalled() == []
    story.at = NOON + STALL_S
    (sentence,) = story.stalled()
    assert sentence.startswith(f"Job abcdefgh, {POSTS}: Waiting for Tap since ")
    assert "connection refused" in sentence
    story.at += 10 * STALL_S
    assert story.stalled() == []
    story.happens("job/abcdefghij", failed(9))
    assert story.stalled() == story.resumed() == []


def test_the_end_of_a_stall_that_was_told_is_told(story: Story) -> None:
    assert story.resumed() == [], "nobody was told that it stood"
    story.at = NOON + STALL_S
    story.stalled()
    story.happens("job/abcdefghij", handed_off(2))
    (event,) = story.resumed()
    assert (event.kind, event.state, event.job) == ("job.resumed", "running", "abcdefghij")
    assert "No longer stalled. " in event.sentence
    assert story.resumed() == []


def test_a_restart_ends_no_stall(story: Story) -> None:
    """The daemon tries again at once when it is back, and has come no further by that."""
    story.at = NOON + STALL_S
    story.stalled()
    story.happens("job/abcdefghij", JobPickedUp())
    assert story.resumed() == []
    story.happens("job/abcdefghij", failed())
    story.at += 2 * STALL_S
    assert story.stalled() == story.resumed() == []


def test_one_step_further_and_stalled_again_is_the_end_of_one_and_later_another(
    story: Story,
) -> None:
    story.at = NOON + STALL_S
    story.stalled()
    story.happens("job/abcdefghij", handed_off(2), failed())
    (event,) = story.resumed()
    assert (event.state, "came a step further" in event.sentence) == ("stalled", True)
    assert story.stalled() == []
    story.at += STALL_S
    assert len(story.stalled()) == 1


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([JobPaused("PDS maintenance")], "paused"),
        ([JobCancelAsked("")], "cancelling"),
        ([JobCancelAsked(""), JobCancelled(3, 0)], "cancelled"),
        ([handed_off(3), JobCompleted(3, 3, 0, [])], "completed"),
    ],
)
def test_a_stall_ends_too_when_somebody_acts_or_the_job_is_over(
    story: Story, events: list[Event], state: str
) -> None:
    story.at = NOON + STALL_S
    story.stalled()
    before = story.state.jobs["abcdefghij"]
    story.happens("job/abcdefghij", *events)
    over = [] if "abcdefghij" in story.state.jobs else [_after(before, *events)]
    assert [event.state for event in story.resumed(*over)] == [state]
    assert not story.state.notices.stalled


def test_a_job_that_only_one_lane_of_waits_is_not_stalled(story: Story) -> None:
    story.happens("job/b", started(LIKES), page(0, 1, collection=LIKES), failed())
    story.at = NOON + STALL_S
    assert len(story.stalled()) == 1


def _after(job: Job, *events: Event) -> Job:
    for event in events:
        job = fold.evolve(job, event, NOON)  # type: ignore[arg-type]
    return job


def test_the_channel_is_told_after_a_minute_and_its_end_at_once() -> None:
    story = Story()
    assert story.channel() is None, "it was never up"
    story.happens("tap", TapConnected(TAP))
    assert story.channel() is None
    story.happens("tap", TapDisconnected(TAP, "cut", "the connection ended"))
    story.at = NOON + DOWN_S - 1
    assert story.channel() is None
    story.at = NOON + DOWN_S
    down = story.channel()
    assert down is not None
    assert (down.kind, down.state, down.since) == ("dependency.down", "down", NOON)
    assert "the connection ended" in down.sentence
    story.at += 3600
    assert story.channel() is None, "once"
    story.happens("tap", TapConnected(TAP))
    up = story.channel()
    assert up is not None
    assert (up.kind, up.since) == ("dependency.up", story.at)
    assert story.channel() is None


def test_a_short_break_of_the_channel_is_no_news() -> None:
    story = Story()
    story.happens("tap", TapConnected(TAP), TapDisconnected(TAP, "cut", "x"))
    story.at += DOWN_S - 1
    story.happens("tap", TapConnected(TAP))
    story.at += 3600
    assert story.channel() is None


def test_a_daemon_that_was_away_gives_the_channel_its_minute() -> None:
    story = Story()
    story.happens("tap", TapDisconnected(TAP, "cut", "x"))
    story.at += 86_400
    assert story.channel(began=story.at - 1) is None
    assert story.channel(began=story.at - DOWN_S) is not None


def test_what_of_tap_stands_still_is_told_after_ten_minutes_and_once_and_so_is_its_end(
    story: Story,
) -> None:
    def told() -> list[NewsRaised]:
        raised = news.stuck(story.state.source, story.state.notices, story.at)
        story.happens("notify", *raised)
        return raised

    story.happens("tap", TapConnected(TAP))
    story.happens("tap", TapStalled("workers_stuck", "Tap hangs.", NOON))
    story.happens("tap", TapStalled("host_parked", "a server limits Tap.", NOON))
    story.at = NOON + STALL_S - 1
    assert told() == []
    story.at = NOON + STALL_S
    (down,) = told()
    assert (down.kind, down.state, down.since) == ("dependency.down", "workers_stuck", NOON)
    assert down.sentence == "Tap hangs."
    assert told() == []
    assert story.state.notices.down is None, "it is not the channel"
    story.happens("tap", TapMoving("workers_stuck"), TapMoving("host_parked"))
    (up,) = told()
    assert (up.kind, up.state) == ("dependency.up", "workers_stuck")
    assert up.sentence.startswith("Over: workers stuck, since ")
    assert told() == []


@pytest.mark.parametrize("connected", [True, False])
def test_a_tap_that_is_down_is_told_by_its_channel_unless_that_is_up(
    story: Story, connected: bool
) -> None:
    story.happens("tap", TapConnected(TAP))
    if not connected:
        story.happens("tap", TapDisconnected(TAP, "cut", "x"))
    story.happens("tap", TapStalled("tap_down", "Tap does not answer.", NOON))
    raised = news.stuck(story.state.source, story.state.notices, NOON + STALL_S)
    assert bool(raised) is connected


def test_a_disk_that_is_nearly_full_is_told_once_a_day() -> None:
    assert news.disk("/data", DISK_FREE_MIN, Notices(), NOON) is None
    event = news.disk("/data", DISK_FREE_MIN - 1, Notices(), NOON)
    assert event is not None
    assert event.sentence.startswith("1,024 MiB are free on the disk of data_dir, /data.")
    told = Notices(disk_at=NOON)
    assert news.disk("/data", 0, told, NOON + 86_399) is None
    assert news.disk("/data", 0, told, NOON + 86_400) is not None


def test_dead_letters_are_told_together() -> None:
    notices = Notices(dead=3)
    assert news.dead_letters(notices, 3, NOON) is None
    event = news.dead_letters(notices, 8, NOON)
    assert event is not None
    assert (event.kind, event.count) == ("dead_letter", 5)
    assert event.sentence.startswith("5 messages of Tap could not be used")
    told = replace(notices, dead=8, dead_at=NOON)
    assert news.dead_letters(told, 9, NOON + DEAD_LETTERS_S - 1) is None
    one = news.dead_letters(told, 9, NOON + DEAD_LETTERS_S)
    assert one is not None
    assert one.sentence.startswith("1 message of Tap could not be used")


def test_the_end_of_a_job_is_told_in_the_words_of_the_api() -> None:
    good = given(started(POSTS), page(0, 3, None), handed_off(3), JobCompleted(3, 3, 0, []))
    event = news.ended(Found(good, {Class.HANDED_OFF: 3}))
    assert (event.kind, event.state, event.count) == ("job.completed", "completed", 3)
    assert event.sentence == f"Job 7, {POSTS}: All 3 repositories are handed to Tap."
    odd = page(0, 3, None, malformed=["x"])
    some = given(started(POSTS), odd, handed_off(3), JobCompleted(3, 3, 1, []))
    event = news.ended(Found(some, {Class.HANDED_OFF: 3}))
    assert event.kind == "job.completed_with_errors"
    assert "1 refused as malformed" in event.sentence
    failure = ListingFailed(POSTS, RELAY, "server_error", "answered 500", 8, None)
    bad = given(started(POSTS), failure, JobFailed("listing_failed", "it could not be listed"))
    event = news.ended(Found(bad, {}))
    assert (event.kind, event.state) == ("job.failed", "failed")
    assert "it could not be listed" in event.sentence


@pytest.mark.parametrize(
    ("classes", "state"),
    [
        ({Class.SYNCED: 2, Class.EMPTY: 1}, "synced"),
        ({Class.SYNCED: 2, Class.GONE: 1}, "synced"),
        ({Class.SYNCED: 2, Class.FAILED: 1}, "synced_with_failures"),
        ({Class.SYNCED: 2, Class.ARRIVING: 1}, None),
        ({Class.SYNCED: 2, Class.PARKED: 1}, None),
        ({Class.SYNCED: 2, Class.HELD: 1}, None),
    ],
)
def test_a_job_is_synced_when_no_repository_of_it_is_open(
    classes: dict[Class, int], state: str | None
) -> None:
    job = given(started(POSTS), page(0, 3, None), handed_off(3), JobCompleted(3, 3, 0, []))
    event = news.synced(Found(job, classes))
    assert (event and event.state) == state
    assert event is None or event.kind == "job.synced"


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (started(POSTS), f"{POSTS}"),
        (started(POSTS, LIKES), "all collections"),
        (started(POSTS, given=True), f"3 accounts for {POSTS}"),
        (replace(started(POSTS, given=True), asked_did="did:plc:abc"), f"did:plc:abc for {POSTS}"),
    ],
)
def test_a_sentence_says_what_the_job_is_about(start: Event, what: str) -> None:
    job = given(start, page(0, 3, None), handed_off(3), JobCompleted(3, 3, 0, []))  # type: ignore[arg-type]
    assert news.ended(Found(job, {})).sentence.startswith(f"Job 7, {what}: ")


def test_a_source_that_was_never_reached_is_no_news() -> None:
    assert news.channel(Source(), Notices(), NOON, 0.0) is None
