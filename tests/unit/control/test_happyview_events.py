"""A script that filters HappyView's events finds ours under the names it knows."""

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from support.given import LIKES, POSTS, did, page, started

from backfilld.backfill.plan import Limits
from backfilld.backfill.standing import Scene
from backfilld.control import happyview_events as happyview
from backfilld.control.happyview_events import About, Shown
from backfilld.control.shapes.reads import EventCount, EventShape
from backfilld.control.views import base as views_base
from backfilld.control.views import events as views_events
from backfilld.control.views.events import POSITION_MAX, EventViews, Filters
from backfilld.records.sqlite import SqliteStore
from backfilld.worker import InlineWorker
from backfilld_events import codec
from backfilld_events.catalog import TYPES, Event
from backfilld_events.catalog.control import CommandRefused, KeyCreated, KeyRevoked
from backfilld_events.catalog.dead import DeadLettersHandled
from backfilld_events.catalog.index import (
    GhostsRemoved,
    RecordsCommitted,
    RecordsRemoved,
    RemovalAsked,
    Removed,
    RowsRecounted,
)
from backfilld_events.catalog.job import (
    AttemptFailed,
    JobCancelAsked,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobPaused,
    JobResumed,
)
from backfilld_events.catalog.lexicon import LexiconDeleted, LexiconFetched, LexiconUploaded
from backfilld_events.catalog.service import ServiceStarted
from backfilld_events.catalog.source import ReposObserved, TapConnected, TapDisconnected
from backfilld_events.eventlog import EventLog
from backfilld_events.ids import Did, Rev, pack_one
from backfilld_events.log.append import Append
from backfilld_events.log.file import open_reader
from backfilld_events.row import NewEvent, Row

JOB = "job/3b0d4f7e-0c58-4f1e-9a53-5a0b3f0f8d11"
ID = JOB.removeprefix("job/")
ABOUT = About(collection=POSTS, repos=18_234, records=913_004, accounts=None)


def row(stream: str, event: Event) -> Row:
    name, schema, payload = codec.encode(event)
    return Row(48_213, stream, 1, name, schema, 1_800_000_000_021_000, "uid:1", None, payload, b"")


def uploaded(revision: int) -> LexiconUploaded:
    return LexiconUploaded(POSTS, revision, "record", True, None, b"{}")


def fetched(revision: int) -> LexiconFetched:
    return LexiconFetched(
        POSTS, revision, "record", True, None, b"{}", Did("did:web:a.example"), "at://x", "bafy"
    )


LEXICON = f"lexicon/{POSTS}"
DENIED = CommandRefused(
    "POST /admin/backfill", "permission-denied", "Missing permission: backfill:create"
)
REFUSED = CommandRefused("POST /admin/backfill", "bad-nsid", "'x' is not an NSID")
KEY = KeyCreated("ci", "hv_1234abcd", b"\x07" * 32, ["backfill:create"], None, None)


@pytest.mark.parametrize(
    ("stream", "event", "name", "severity", "subject", "detail"),
    [
        (JOB, started(POSTS), "backfill.started", "info", POSTS, {"scope": "network"}),
        (
            JOB, replace(started(POSTS, given=True), retries="3b0d", kinds=["timeout"]),
            "backfill.retry_started", "info", POSTS,
            {"source_job_id": "3b0d", "kinds": ["timeout"], "scope": "accounts"},
        ),
        (
            JOB, JobCompleted(18_240, 18_240, 0, []), "backfill.completed", "info", POSTS,
            {"total_repos": 18_234, "total_records": 913_004},
        ),
        (JOB, JobFailed("x", "no."), "backfill.failed", "error", POSTS, {"error": "no."}),
        (JOB, JobCancelAsked("why"), "backfill.cancelling", "info", POSTS, {"reason": "why"}),
        (JOB, JobCancelled(3, 2), "backfill.cancelled", "info", POSTS, {"handed_off": 2}),
        (JOB, JobPaused("why"), "backfill.pausing", "info", POSTS, {"reason": "why"}),
        (JOB, JobResumed(""), "backfill.resumed", "info", POSTS, {}),
        (JOB, page(0, 3), "job.page-discovered", "info", POSTS, {"count": 3}),
        (
            JOB, AttemptFailed("discovery", "r", "timeout", "m", 1, 2.0), "job.attempt-failed",
            "warn", POSTS, {"kind": "timeout"},
        ),
        ("tap", TapConnected("http://t"), "tap.connected", "info", None, {"url": "http://t"}),
        (
            "tap", TapDisconnected("http://t", "gone", "refused"), "tap.disconnected", "warn",
            None, {"reason": "refused"},
        ),
        (LEXICON, uploaded(1), "lexicon.created", "info", POSTS, {"revision": 1}),
        (LEXICON, uploaded(2), "lexicon.updated", "info", POSTS, {"revision": 2}),
        (LEXICON, fetched(1), "lexicon.created", "info", POSTS, {"revision": 1}),
        (LEXICON, LexiconDeleted(POSTS), "lexicon.deleted", "info", POSTS, {}),
        ("key/k1", KEY, "api_key.created", "info", "k1", {"name": "ci"}),
        ("key/k1", KeyRevoked(), "api_key.revoked", "info", "k1", {}),
        ("control", DENIED, "auth.permission_denied", "warn", "backfill:create", {}),
        ("control", REFUSED, "control.refused", "warn", None, {"code": "bad-nsid"}),
        (
            "index", RecordsRemoved(1, POSTS, "at://x", None, True, [Removed(b"x", 3)]),
            "index.records-removed", "info", POSTS, {"uri": "at://x", "deleted": 3},
        ),
        (
            "index", GhostsRemoved(1, pack_one(did(7)), Rev("3aaaaaaaaaaa2"), 5, [(POSTS, 3)]),
            "index.ghosts-removed", "info", did(7), {"records": 5, "collections": [(POSTS, 3)]},
        ),
        (
            "index", RowsRecounted(1, pack_one(did(7)), Rev("3aaaaaaaaaaa2"), [(POSTS, 3, 1)]),
            "index.rows-recounted", "info", did(7), {"collections": [(POSTS, 3, 1)]},
        ),
        (
            "dead-letters", DeadLettersHandled(action="retry", ids=[1], failed=[2]),
            "dead-letters.handled", "info", None, {"action": "retry", "ids": [1], "failed": [2]},
        ),
        ("service", ServiceStarted("1"), "service.started", "info", None, {"version": "1"}),
    ],
)  # fmt: skip
def test_an_event_has_happyviews_name_where_it_has_one_and_ours_otherwise(
    stream: str, event: Event, name: str, severity: str, subject: str | None, detail: dict[str, Any]
) -> None:
    shown = happyview.shown(row(stream, event), ABOUT if stream == JOB else None)
    assert (shown.event_type, shown.severity, shown.subject) == (name, severity, subject)
    wanted = {"job_id": ID, **detail} if stream == JOB else detail
    assert wanted.items() <= shown.detail.items()
    assert shown.event_type in happyview.NAMES[codec.encode(event)[0]]


def test_every_type_of_the_catalog_has_a_name() -> None:
    assert happyview.NAMES.keys() == TYPES.keys()


def test_what_is_told_of_a_key_does_not_help_to_guess_it() -> None:
    shown = happyview.shown(row("key/k1", KEY))
    assert "digest" not in shown.detail


@pytest.mark.parametrize(
    ("stream", "event"),
    [
        (JOB, page(0, 3)),
        (LEXICON, uploaded(1)),
        ("index", RecordsCommitted(1, 3, [], [], [], 0)),
        ("tap", ReposObserved("t", True, [])),
    ],
)
def test_what_is_large_in_an_event_is_not_decoded_for_the_list(stream: str, event: Event) -> None:
    large = {"dids": 7, "document": 7, "tallies": 7, "observations": 7}
    fields = msgspec.msgpack.decode(row(stream, event).payload)
    spoilt = msgspec.msgpack.encode({**fields, **{k: v for k, v in large.items() if k in fields}})
    name, schema, _ = codec.encode(event)
    unreadable = Row(1, stream, 1, name, schema, 1, "x", None, spoilt, b"")
    with pytest.raises(codec.Undecodable):
        _ = unreadable.event
    assert happyview.shown(unreadable).detail


# --- the list: what is found is what fits, whatever the pages ---------------------------------

EVENTS: list[tuple[str, Event]] = [
    ("job/a", started(POSTS)),
    ("job/b", started(LIKES)),
    ("job/a", page(0, 2)),
    ("job/b", page(0, 2)),
    ("tap", TapConnected("http://t")),
    ("tap", ReposObserved("t", True, [])),
    ("job/a", JobPaused("")),
    (LEXICON, uploaded(1)),
    (LEXICON, uploaded(2)),
    ("control", DENIED),
    ("control", REFUSED),
    ("removal/r", RemovalAsked("r", LIKES, 1)),
    ("service", ServiceStarted("1")),
]


@contextmanager
def views_of(
    folder: Path, events: list[tuple[str, Event]], times: list[int]
) -> Iterator[EventViews]:
    """A log of these events, recorded at these microseconds."""
    with closing(EventLog.open(folder / "events.db")) as log:
        for (stream, event), at in zip(events, times, strict=True):
            log.append([Append([NewEvent(stream, event, "uid:1")])], at)
        SqliteStore.open(folder / "records.db", 20).close()
        files = [open_reader(folder / name) for name in ("events.db", "records.db")]
        limits = Limits((), 1, 1, 1.0, 1, 1, 1)
        views = EventViews(*files, InlineWorker(), lambda: Scene(limits))
        with closing(views):
            yield views


def pages_of(views: EventViews, filters: Filters, limit: int) -> list[EventShape]:
    found: list[EventShape] = []
    below = POSITION_MAX
    for _ in range(1000):
        page = views._events_page(filters, below, limit)
        assert len(page.events) <= limit
        found += page.events
        if page.cursor is msgspec.UNSET:
            return found
        assert int(str(page.cursor)) < below, "it goes on"
        below = int(str(page.cursor))
    raise AssertionError("no last page")


def fitting(views: EventViews, filters: Filters) -> list[int]:
    """One by one, from the first to the last."""
    found = []
    for one in [Row(*columns) for columns in views._events.execute("SELECT * FROM event")]:
        about = views._about(one.stream) if one.stream.startswith("job/") else None
        shown: Shown = happyview.shown(one, about)
        if (
            filters.event_type in (None, shown.event_type)
            and filters.subject in (None, shown.subject)
            and filters.severity in (None, shown.severity)
            and filters.category in (None, shown.event_type.split(".")[0])
            and (filters.after is None or one.recorded_at >= filters.after)
            and (filters.before is None or one.recorded_at < filters.before)
        ):
            found.append(one.position)
    return found[::-1]


names = [name for shown in happyview.NAMES.values() for name in shown]
filters_drawn = st.builds(
    Filters,
    event_type=st.none() | st.sampled_from(names),
    category=st.none() | st.sampled_from(sorted({name.split(".")[0] for name in names})),
    severity=st.sampled_from([None, None, "info", "warn", "error"]),
    subject=st.sampled_from([None, None, POSTS, LIKES, "backfill:create", "nobody"]),
    after=st.none() | st.integers(0, 40),
    before=st.none() | st.integers(0, 40),
)


@settings(max_examples=80)
@given(
    st.lists(st.sampled_from(EVENTS[2:]), max_size=25),
    filters_drawn,
    st.integers(1, 4),
    st.integers(1, 30),
)
def test_pages_have_every_event_that_fits_once_newest_first_however_little_a_request_looks_at(
    events: list[tuple[str, Event]], filters: Filters, limit: int, looked_max: int
) -> None:
    whole = [*EVENTS[:2], *events]
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
        views_of(Path(folder), whole, [n + n % 3 for n in range(len(whole))]) as views,
    ):
        patch.setattr(views_events, "LOOKED_MAX", looked_max)
        patch.setattr(views_base, "PIECE", looked_max)
        wanted = fitting(views, filters)
        assert [int(one.id) for one in pages_of(views, filters, limit)] == wanted
        assert trio.run(views.count_events, filters) == EventCount(len(wanted), exact=True)


def test_what_is_seldom_is_found_without_looking_at_what_is_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views_events, "LOOKED_MAX", 3)
    many = [("tap", ReposObserved("t", False, [])) for _ in range(50)]
    events: list[tuple[str, Event]] = [("job/a", started(POSTS)), *many, ("job/a", page(0, 2))]
    with views_of(tmp_path, events, list(range(52))) as views:
        page_one = views._events_page(Filters(event_type="backfill.started"), POSITION_MAX, 10)
        assert [one.id for one in page_one.events] == ["1"]
        assert page_one.cursor is msgspec.UNSET
        nothing = views._events_page(Filters(subject="nobody"), POSITION_MAX, 10)
        assert (nothing.events, nothing.cursor) == ([], "50"), "it says how far it has looked"


async def test_a_count_of_more_than_is_looked_at_says_that_it_is_not_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views_events, "COUNTED_MAX", 10)
    events = EVENTS + EVENTS[2:]
    with views_of(tmp_path, events, list(range(len(events)))) as views:
        assert (await views.count_events(Filters())).count == len(events)
        some_of_it = await views.count_events(Filters(category="job"))
        assert (some_of_it.count < 4, some_of_it.exact) == (True, False)
        connected = await views.count_events(Filters(event_type="tap.connected"))
        assert connected == EventCount(2, exact=True)


async def test_a_count_lets_others_have_their_turn_after_every_piece_and_is_the_only_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views_base, "PIECE", 4)
    events = EVENTS + EVENTS[2:] * 2
    pieces: list[tuple[object, int]] = []
    count = views_events._Search.count

    def counted(search: views_events._Search, looked_max: int) -> int:
        pieces.append((search, looked_max))
        return count(search, looked_max)

    monkeypatch.setattr(views_events._Search, "count", counted)
    with views_of(tmp_path, events, list(range(len(events)))) as views:
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(views.count_events, Filters(subject="nobody"))
    assert {looked_max for _, looked_max in pieces} == {4}
    one, other = dict.fromkeys(search for search, _ in pieces)
    assert [search for search, _ in pieces] == [one] * 9 + [other] * 9
