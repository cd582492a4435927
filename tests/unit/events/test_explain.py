"""The history of an account or a job is told from the rows of the log alone, in the daemon's words,
each line with its position."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import get_args

import pytest
from support.given import LIKES, NOON, POSTS, RELAY, SECOND, TAP, did, dids, handed_off, page

from backfilld_events import chronicle, ids
from backfilld_events.audit import account, job, jobwords
from backfilld_events.catalog import Event
from backfilld_events.catalog.index import Account, RecordsCommitted, Tally
from backfilld_events.catalog.job import (
    AttemptFailed,
    DidsGiven,
    JobCancelAsked,
    JobCancelled,
    JobCompleted,
    JobEstimated,
    JobEvent,
    JobFailed,
    JobPaused,
    JobPickedUp,
    JobResumed,
    JobStarted,
    ListedFrom,
    ListingFailed,
    ListingRestarted,
)
from backfilld_events.catalog.lexicon import LexiconUploaded
from backfilld_events.catalog.notify import NewsRaised
from backfilld_events.catalog.reconcile import ReconcileAsked
from backfilld_events.catalog.source import (
    Observation,
    ReposLeaving,
    ReposLeft,
    ReposObserved,
    ReposReturned,
    TapConnected,
    TapDisconnected,
    TapMoving,
    TapStalled,
)
from backfilld_events.cli import main, say
from backfilld_events.codec import encode
from backfilld_events.ids import Did, Handle, Rev, pack_one
from backfilld_events.log.append import Append, append
from backfilld_events.log.file import open_writer
from backfilld_events.row import NewEvent, Row, utc_text

A, B = "3b0d4f7e-0001", "3b0d9999-0002"
JOB, OTHER = f"job/{A}", f"job/{B}"
ME = did(2)
AT = utc_text(NOON)
REV = Rev("3jzfcijpj2z2a")


def started(**fields: object) -> JobStarted:
    all_of = {"collections": [POSTS], "asked_for": POSTS, "asked_did": None, "given": False}
    return JobStarted(**{**all_of, "mode": "add", **fields})  # type: ignore[arg-type]


def failed(attempt: int, lane: str = "discovery") -> AttemptFailed:
    peer = RELAY if lane == "discovery" else TAP
    return AttemptFailed(lane, peer, "timeout", "no answer", attempt, NOON)  # type: ignore[arg-type]


def rows(*events: tuple[str, Event], actor: str = "system") -> list[Row]:
    found = []
    for position, (stream, event) in enumerate(events, 1):
        name, schema, payload = encode(event)
        at, cause = int(NOON * 1_000_000), 1 if stream == JOB and position == 2 else None
        found.append(Row(position, stream, 1, name, schema, at, actor, cause, payload, bytes(32)))
    return found


def of_job(*events: tuple[str, Event], actor: str = "system") -> list[tuple[str, str]]:
    """(where, what) of each line about A."""
    told = job.explain(rows(*events, actor=actor), A)
    return [
        (f"{one.position}-{one.last} {one.events}" if one.events > 1 else str(one.position),
         one.says)
        for one in told
    ]  # fmt: skip


def own(*events: Event) -> list[tuple[str, Event]]:
    return [(JOB, event) for event in events]


# --- an account ----------------------------------------------------------------------------

HISTORY: list[tuple[str, Event]] = [
    (OTHER, page(90, 1)),
    (JOB, page(0, 0)),
    (JOB, page(0, 2)),
    (JOB, page(2, 2)),
    (OTHER, page(0, 2)),
    (OTHER, handed_off(2)),
    (JOB, handed_off(2)),
    (JOB, handed_off(4, 2)),
    (JOB, JobCompleted(4, 4, 0, [])),
    ("index", RecordsCommitted(1, 1, [POSTS], [Tally(pack_one(ME), 0, inserted=3)], [], 0)),
    ("index", RecordsCommitted(2, 2, [POSTS], [Tally(pack_one(did(3)), 0, 1)], [], 0)),
    ("tap", ReposLeaving("lacks", True, 1, ids.pack([did(3)]))),
    ("tap", ReposLeaving("parked", True, 2, ids.pack([ME, did(3)]))),
    ("tap", ReposLeft(12)),
    ("tap", ReposLeft(13)),
    ("tap", ReposReturned(13, TAP)),
    ("tap", ReposReturned(13, TAP)),
    ("tap", ReposLeaving("final", False, 1, ids.pack([ME]))),
    ("tap", ReposLeft(18)),
    ("tap", ReposReturned(18, TAP)),
    ("tap", ReposObserved(TAP, False, [Observation(pack_one(ME), "active", "", REV, 3)])),
    (OTHER, DidsGiven(2, 2, ids.pack([did(8), ME]))),
    (OTHER, handed_off(4, 2)),
]
TOLD = [
    (4, f"found by {RELAY}, page 2, in job 3b0d4f7e ({POSTS})"),
    (8, "handed to Tap with entries 3-4 of job 3b0d4f7e: accepted"),
    (10, f"{POSTS}: 3 records committed (receipt 1)"),
    (13, "about to be taken out of Tap, to be fetched anew: its server's pause is over"),
    (15, "out of Tap"),
    (16, "handed to Tap once more: accepted, and all of it will come again"),
    (18, "about to be taken out of Tap, for good: it fails for good, and Tap would try for ever"),
    (19, "out of Tap"),
    (21, f"Tap says active: 3 records, rev {REV}"),
    (22, "named in job 3b0d9999"),
    (23, "handed to Tap with entries 3-4 of job 3b0d9999: accepted"),
]


def test_an_account_is_told_of_from_the_page_that_found_it_to_what_tap_says_last() -> None:
    told = list(account.explain(rows(*HISTORY), ME))
    assert [(one.position, one.says) for one in told] == TOLD
    assert not list(account.explain(rows(*HISTORY), did(77)))


def refetched(*events: tuple[str, Event]) -> list[str]:
    """Why it left Tap, each time, after a job in mode refetch had found it."""
    given = [(OTHER, started()), (OTHER, page(0, 3)), (OTHER, handed_off(3))]
    asked = [(JOB, started(mode="refetch")), (JOB, page(0, 3))]
    told = account.explain(rows(*given, *asked, *events), ME)
    return [one.says.split(": ", 1)[1] for one in told if "about to be" in one.says]


def leaves(why: str = "lacks") -> tuple[str, Event]:
    return "tap", ReposLeaving(why, True, 1, ids.pack([ME]))  # type: ignore[arg-type]


def test_of_a_job_in_mode_refetch_it_is_said_that_it_asks_for_all_of_it() -> None:
    anew, either = "job 3b0d4f7e asks for all of it (mode refetch)", chronicle.WHY["lacks"]
    over = own(handed_off(3), JobCompleted(3, 3, 0, []))
    assert "later" not in either, "what is not known of the job is not said"
    assert refetched(leaves()) == [anew], "as soon as it was found"
    assert refetched(*over, leaves()) == [anew], "and when the job is over, too"
    assert refetched(leaves("parked")) == [chronicle.WHY["parked"]], (
        "not of what has its own reason"
    )
    back = [leaves(), ("tap", ReposLeft(6)), ("tap", ReposReturned(6, TAP))]
    assert refetched(*back, leaves()) == [anew, either], "once"
    assert refetched(*own(JobCancelled(3, 0)), leaves()) == [either]
    assert refetched(*own(handed_off(3), JobCancelled(3, 3)), leaves()) == [anew]


def test_what_tap_is_given_by_the_job_itself_is_not_said_to_be_fetched_anew_for_it() -> None:
    found = own(started(mode="refetch"), page(0, 3), handed_off(3))
    told = list(account.explain(rows(*found, leaves()), ME))
    assert told[-1].says.endswith(chronicle.WHY["lacks"])


def test_an_account_is_told_of_whole_where_the_beginning_of_a_job_cannot_be_read() -> None:
    some = rows(*own(started(mode="refetch")), *HISTORY)
    some[0] = Row(*[*some[0].columns[:8], b"\xc1", bytes(32)])
    told = list(account.explain(some, ME))
    assert [(one.says, one.unreadable) for one in told[:1]] == [(TOLD[0][1], False)]


def test_the_walk_keeps_nothing_of_what_is_over() -> None:
    walk = account._Walk(account.Named(ME))
    for row in rows(*HISTORY):
        list(walk.take(row))
    assert walk._outings == {}
    assert walk._pages == {OTHER: 3}
    assert walk._ordinals == {OTHER: []}


def test_an_event_that_cannot_be_read_is_told_and_the_history_goes_on() -> None:
    some = rows(*HISTORY)
    for position in (10, 11, 13):
        payload = b"\xc1" + some[position - 1].payload
        some[position - 1] = Row(*[*some[position - 1].columns[:8], payload, bytes(32)])
    told = list(account.explain(some, ME))
    assert [one.position for one in told if one.unreadable] == [10, 13]
    assert "index.records-committed cannot be read" in told[2].says
    assert [one.position for one in told if not one.unreadable] == [4, 8, 18, 19, 21, 22, 23]


def test_a_handle_is_of_whom_it_was_said_last() -> None:
    def said(n: int, handle: str) -> tuple[str, Event]:
        accounts = [Account(pack_one(did(n)), "active", handle)]
        return "index", RecordsCommitted(1, 1, [], [], accounts, 0)

    some = rows(said(1, "Alice.example"), said(2, "alice.example"), said(3, "b.alice.example"))
    some.append(Row(*[*some[0].columns[:8], b"\xc1alice.example", bytes(32)]))
    assert account.named(some, Handle("alice.example")) == [did(1), did(2)]
    assert account.named([*some, some[0]], Handle("alice.example")) == [did(2), did(1)]


# --- a job ---------------------------------------------------------------------------------


def test_what_happens_again_and_again_is_one_line_with_first_and_last_position_and_count() -> None:
    events = own(started(), page(0, 1000), page(1000, 1000), handed_off(1000), page(2000, 37, None))
    events += own(handed_off(2000, 1000), handed_off(2037, 2000), JobCompleted(2037, 2037, 0, []))
    assert of_job(*events) == [
        ("1", f"started by system: {POSTS}; mode add"),
        ("2-5 3", f"pages 1-3: 2,037 repositories of {POSTS}, from {RELAY}; there are no more"),
        ("4-7 3", "batches 1-3: entries 1-2,037 handed to Tap: accepted"),
        ("8", "completed: all 2,037 entries are handed to Tap"),
    ]


def test_failed_tries_are_one_line_and_end_what_went_well_in_their_lane() -> None:
    events = own(started(), page(0, 5), handed_off(5), failed(1), failed(2), handed_off(9, 5))
    events += own(page(5, 5), failed(1, "hand-off"), failed(3))
    assert of_job(*events) == [
        ("1", f"started by system: {POSTS}; mode add"),
        ("2", f"page 1: 5 repositories of {POSTS}, from {RELAY}"),
        ("3", "batch 1: entries 1-5 handed to Tap: accepted"),
        ("4-5 2", f"discovery, tries 1-2: {RELAY} failed (timeout): no answer; next try {AT}"),
        ("6", "batch 2: entries 6-9 handed to Tap: accepted"),
        ("7", f"page 2: 5 repositories of {POSTS}, from {RELAY}"),
        ("8", f"hand-off, try 1: {TAP} failed (timeout): no answer; next try {AT}"),
        ("9", f"discovery, try 3: {RELAY} failed (timeout): no answer; next try {AT}"),
    ]


def test_pages_without_repositories_and_of_another_collection_are_told_apart() -> None:
    events = own(page(0, 0), page(0, 0), page(0, 1, None), page(1, 0, None, LIKES, ["x", "y"]))
    events += own(page(1, 1, None, LIKES))
    assert of_job(*events[:2]) == [
        ("1-2 2", f"2 pages without repositories of {POSTS}, from {RELAY}"),
    ]
    assert of_job(*events) == [
        ("1-3 3", f"page 1: 1 repository of {POSTS}, from {RELAY}; there are no more"),
        ("4-5 2", f"page 2: 1 repository and 2 entries that are no DIDs of {LIKES}, from {RELAY}"
                  "; there are no more"),
    ]  # fmt: skip


SINGLE: list[tuple[JobEvent, str]] = [
    (started(collections=[], asked_for=None), "started by uid:7: no collection; mode add"),
    (
        started(collections=[POSTS, LIKES], asked_for=None, mode="auto", priority=3, reason="why"),
        f"started by uid:7: {POSTS}, {LIKES} (all there were); mode auto; priority 3: 'why'",
    ),
    (
        started(asked_did=ME, given=True, listed_from=ListedFrom(RELAY, "c")),
        f"started by uid:7: {POSTS} of {ME} alone; mode add; from where an earlier listing by "
        f"{RELAY} ended",
    ),
    (
        started(given=True, retries=B, kinds=["timeout", "other"]),
        f"started by uid:7: {POSTS} of accounts that were named; mode add; to try again what "
        "failed in job 3b0d9999 (timeout, other)",
    ),
    (DidsGiven(0, 2, ids.pack(dids(0, 2))), "2 accounts named"),
    (JobPickedUp(), "the daemon started, and goes on with it"),
    (
        ListingRestarted(POSTS, RELAY),
        f"the listing of {POSTS} by {RELAY} starts again from its beginning",
    ),
    (
        ListingFailed(POSTS, RELAY, "refused", "no", 8, SECOND),
        f"{POSTS} could not be listed by {RELAY} after 8 tries (refused): no; {SECOND} is asked "
        "from the start",
    ),
    (
        ListingFailed(POSTS, RELAY, "refused", "no", 1, None),
        f"{POSTS} could not be listed by {RELAY} after 1 try (refused): no; not in the result",
    ),
    (failed(1), f"discovery, try 1: {RELAY} failed (timeout): no answer; next try {AT}"),
    (handed_off(3), "batch 1: entries 1-3 handed to Tap: accepted"),
    (page(0, 3), f"page 1: 3 repositories of {POSTS}, from {RELAY}"),
    (JobEstimated(25, 35), "it was estimated that all is handed over in 25-35 seconds"),
    (JobPaused("maintenance"), "paused by uid:7: 'maintenance'"),
    (JobResumed(""), "resumed by uid:7"),
    (JobCancelAsked("enough"), "uid:7 ends it: 'enough'"),
    (JobCancelled(9, 4), "cancelled at 4 of 9; those stay in Tap"),
    (
        JobCompleted(9, 9, 1, [LIKES]),
        "completed with errors: all 9 entries are handed to Tap; 1 refused as malformed; "
        f"{LIKES} could not be listed: not in the result",
    ),
    (JobFailed("no_listing", "nothing could be listed"),
     "failed (no_listing): nothing could be listed"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "says"), SINGLE)
def test_every_event_of_a_job_says_something(event: JobEvent, says: str) -> None:
    assert of_job((JOB, event), actor="uid:7") == [("1", says)]


def test_no_event_of_a_job_is_without_words() -> None:
    assert {type(event) for event, _ in SINGLE} == set(get_args(JobEvent))
    assert not {*get_args(job.Again)} & set(jobwords.SAYS)


def test_what_tap_did_is_told_while_the_job_was_under_way_and_what_was_said_of_it_later_too() -> (
    None
):
    stall = TapStalled("outbox_full", "Nothing leaves Tap", NOON)
    news = NewsRaised("job.synced", A, [POSTS], "synced", "All 3 are here.", None, 3)
    events: list[tuple[str, Event]] = [
        ("tap", stall),
        (JOB, started()),
        ("tap", TapDisconnected("u", "refused", "connection refused")),
        ("tap", TapConnected("u")),
        ("tap", stall),
        ("tap", TapMoving("outbox_full")),
        ("tap", ReposObserved(TAP, False, [])),
        (OTHER, started()),
        (JOB, JobCompleted(3, 3, 0, [])),
        ("tap", stall),
        ("notify", news),
        ("notify", NewsRaised("job.synced", B, [POSTS], "synced", "no", None, 3)),
        (OTHER, started(retries=A)),
        ("reconcile/1", ReconcileAsked("job", [POSTS], "list", None, b"\0\0\0\0", 2, False)),
        ("reconcile/2", ReconcileAsked("job", [POSTS], "list", None, b"\0\0\0\0", 8, False)),
    ]
    assert of_job(*events) == [
        ("2", f"started by system: {POSTS}; mode add; #1 led to it"),
        ("3", "meanwhile: the channel to Tap ended (refused): connection refused"),
        ("4", "meanwhile: the channel to Tap opened"),
        ("5", "meanwhile: Nothing leaves Tap (outbox_full)"),
        ("6", "meanwhile: it moves again (outbox_full)"),
        ("9", "completed: all 3 entries are handed to Tap"),
        ("11", "told to people (job.synced): All 3 are here."),
        ("13", "what failed is tried again by job 3b0d9999"),
        ("14", "its repositories are compared with their servers: asked for by system"),
    ]


# --- the command ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "events.db"
    alice = [Account(pack_one(ME), "active", "alice.example")]
    events: list[tuple[str, Event]] = [
        ("lexicon/" + POSTS, LexiconUploaded(POSTS, 1, "record", True, None, b"{}")),
        (JOB, started()),
        (OTHER, started()),
        ("job/3b0d", started()),
        *HISTORY,
        ("index", RecordsCommitted(3, 3, [], [], alice, 0)),
    ]
    with closing(open_writer(path, "backfilld_events.log")) as db:
        db.execute("BEGIN IMMEDIATE")
        for stream, event in events:
            new = Append([NewEvent(stream, event, "system")])
            append(db, [new], int(NOON * 1e6), lambda row, event: None)
        db.execute("COMMIT")
    return path


def explained(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[list[str], str, int]:
    code = 0
    try:
        main(["explain", *map(str, arguments)])
    except SystemExit as ended:
        code = int(ended.code or 0)
    out, err = capsys.readouterr()
    return out.splitlines(), err, code


def test_each_line_has_time_position_and_words(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, err, code = explained(capsys, path, ME)
    assert (err, code, lines[0]) == ("", 0, ME)
    assert lines[1] == f"  {AT}  #8  found by {RELAY}, page 2, in job 3b0d4f7e ({POSTS})"
    assert lines[-1] == f"  {AT}  #28  the account is active, handle @alice.example"
    lines, _, _ = explained(capsys, path, A)
    assert lines == [
        f"job {A}",
        f"  {AT}  #2  started by system: {POSTS}; mode add",
        f"  {AT}  #6-#8 (3 events)  pages 1-2: 4 repositories of {POSTS}, from {RELAY}",
        f"  {AT}  #11-#12 (2 events)  batches 1-2: entries 1-4 handed to Tap: accepted",
        f"  {AT}  #13  completed: all 4 entries are handed to Tap",
    ]


def test_programs_have_an_object_a_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines, _, _ = explained(capsys, "--json", path, A)
    assert json.loads(lines[1]) == {
        "position": 6, "last": 8, "events": 3, "at": AT, "actor": "system", "readable": True,
        "says": f"pages 1-2: 4 repositories of {POSTS}, from {RELAY}",
    }  # fmt: skip


@pytest.mark.parametrize("whom", ["alice.example", "@Alice.Example", A[:6], f"job/{A}", "3b0d"])
def test_whom_is_a_handle_or_the_beginning_of_an_id(
    path: Path, capsys: pytest.CaptureFixture[str], whom: str
) -> None:
    lines, _, code = explained(capsys, path, whom)
    assert code == 0
    about = f"{ME} (@" if "alice" in whom.lower() else f"job {whom.removeprefix('job/')}"
    assert lines[0].startswith(about)


@pytest.mark.parametrize(
    ("whom", "code", "said"),
    [
        (did(77), say.NOT_FOUND, f"no event names {did(77)}"),
        ("bob.example", say.NOT_FOUND, "no event says whose handle bob.example is"),
        ("beef", say.NOT_FOUND, "no job's id begins with 'beef'"),
        ("3b0", say.USAGE, "of a job's id give at least 4 characters"),
        ("did:PLC:x", say.USAGE, "'did:PLC:x' is not a DID"),
        ("a..b", say.USAGE, "'a..b' is not a handle"),
        ("handle.invalid", say.USAGE, "it stands for one that leads to no account: take the DID"),
    ],
)
def test_who_is_not_there_or_cannot_be_is_said_so(
    path: Path, capsys: pytest.CaptureFixture[str], whom: str | Did, code: int, said: str
) -> None:
    out, err, ended = explained(capsys, path, whom)
    assert (out, ended) == ([], code)
    assert said in err


def test_a_beginning_of_several_ids_is_refused_with_all_of_them(
    tmp_path: Path, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "events.db"
    other.write_bytes(path.read_bytes())
    with closing(sqlite3.connect(other)) as db:
        db.execute("DROP TRIGGER event_no_update")
        db.execute("UPDATE event SET stream = 'job/beef' WHERE stream = 'job/3b0d'")
        db.commit()
    _, err, code = explained(capsys, other, "3b0d")
    assert code == say.USAGE
    assert err.splitlines()[1:] == [f"  {A}", f"  {B}"]


def test_an_export_and_a_file_with_damaged_projections_tell_the_same(
    tmp_path: Path, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """This one never had any projections."""
    exported = tmp_path / "log.jsonl"
    main(["export", str(path), str(exported)])
    capsys.readouterr()
    for whom in (ME, A, "alice.example"):
        assert explained(capsys, exported, whom) == explained(capsys, path, whom)


def test_a_log_that_is_broken_is_told_as_far_as_it_can_be_read(
    tmp_path: Path, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "events.db"
    other.write_bytes(path.read_bytes())
    with closing(sqlite3.connect(other)) as db:
        db.execute("DROP TRIGGER event_no_update")
        db.execute("UPDATE event SET payload = x'c1' WHERE position = 7")
        db.commit()
    for whom in (ME, A):
        lines, err, code = explained(capsys, other, whom)
        assert code == say.BROKEN
        assert "1 event cannot be read" in err
        assert any("#7  job.page-discovered cannot be read" in line for line in lines)
