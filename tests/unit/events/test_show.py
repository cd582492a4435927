"""What is asked for is shown, and only that, whatever the log is kept in; and what cannot be read
is said so and stops nothing."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from support.given import LIKES, POSTS, TAP, did, dids, handed_off, page, started

from backfilld_events import ids
from backfilld_events.audit import select
from backfilld_events.audit.naming import Named
from backfilld_events.audit.select import Wanted
from backfilld_events.audit.show import as_data, summary
from backfilld_events.audit.source import LogFile, Source, open_source
from backfilld_events.catalog import Event
from backfilld_events.catalog.dead import DeadLettersHandled
from backfilld_events.catalog.index import Account, RecordsCommitted, RecordsRemoved, Removed, Tally
from backfilld_events.catalog.job import (
    AttemptFailed,
    DidsGiven,
    JobPaused,
    JobPickedUp,
    ListedFrom,
)
from backfilld_events.catalog.lexicon import LexiconUploaded
from backfilld_events.catalog.notify import NewsRaised
from backfilld_events.catalog.reconcile import ReconcileAsked, ReconcileEnded, ReposCompared, Unread
from backfilld_events.catalog.service import BreakAccepted
from backfilld_events.catalog.source import Differing, ReposDiffer, ReposLeaving, ReposObserved
from backfilld_events.cli import main, say
from backfilld_events.codec import encode
from backfilld_events.ids import Did, pack_one
from backfilld_events.log.append import Append, append
from backfilld_events.log.file import open_writer
from backfilld_events.row import NewEvent, Row

ME, LIKE_ME = Did("did:web:a.example"), Did("did:web:a.example.com")
DAY = 86_400_000_000
TALLY = Tally(pack_one(did(2)), 0, inserted=4)

# (stream, event, actor, cause, recorded at: days since 1970; the clock was set back at #7)
EVENTS: list[tuple[str, Event, str, int | None, int]] = [
    ("lexicon/" + POSTS, LexiconUploaded(POSTS, 1, "record", True, None, b"{}"), "uid:7", None, 1),
    ("job/a1", started(POSTS), "uid:7", 1, 1),
    ("job/b2", started(LIKES), "key:ci", None, 2),
    ("job/a1", page(0, 3), "system", 2, 3),
    ("job/b2", page(2, 2), "system", 3, 4),
    ("job/a1", JobPaused("no"), "uid:7", None, 5),
    ("job/a1", handed_off(3), "system", 2, 2),
    ("index", RecordsCommitted(1, 1, [POSTS], [TALLY], [], 0), "system", None, 3),
    ("tap", ReposLeaving("lacks", True, 2, ids.pack(dids(2, 2))), "system", None, 6),
    ("tap", ReposObserved(TAP, False, [], ids.pack([LIKE_ME])), "system", None, 6),
    ("index", RecordsRemoved(2, POSTS, f"at://{ME}/{POSTS}/a", None, True, []), "uid:7", None, 7),
]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "events.db"
    with closing(open_writer(path, "backfilld_events.log")) as db:
        db.execute("BEGIN IMMEDIATE")
        for stream, event, actor, cause, day in EVENTS:
            new = Append([NewEvent(stream, event, actor, cause)])
            append(db, [new], day * DAY, lambda row, event: None)
        db.execute("COMMIT")
    return path


@pytest.fixture(scope="module")
def exported(path: Path) -> Path:
    exported = path.with_name("log.jsonl")
    main(["export", str(path), str(exported)])
    return exported


@pytest.fixture(params=["a log", "an export"])
def source(request: pytest.FixtureRequest, path: Path, exported: Path) -> Iterator[Source]:
    with open_source(path if request.param == "a log" else exported) as source:
        yield source


def positions(source: Source, **wanted: Any) -> list[int]:
    return [row.position for row in select.found(source, Wanted(**wanted))]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, list(range(1, 12))),
        ({"after": 9}, [10, 11]),
        ({"after": 2, "upto": 4}, [3, 4]),
        ({"stream": "job/a1"}, [2, 4, 6, 7]),
        ({"stream": "job/a1", "after": 2, "upto": 6}, [4, 6]),
        ({"stream": "job/*"}, [2, 3, 4, 5, 6, 7]),
        ({"stream": "job/*", "types": frozenset({"job.started"})}, [2, 3]),
        ({"types": frozenset({"job.started"})}, [2, 3]),
        ({"types": frozenset({"job.started", "job.paused", "lexicon.uploaded"})}, [1, 2, 3, 6]),
        ({"types": frozenset({"job.started", "job.page-discovered"})}, [2, 3, 4, 5]),
        ({"stream": "job/a1", "types": frozenset({"job.paused"})}, [6]),
        ({"since": 3 * DAY, "until": 5 * DAY}, [4, 5, 6, 8]),
        ({"until": 2 * DAY}, [1, 2, 3, 7]),
        ({"actor": "uid:7"}, [1, 2, 6, 11]),
        ({"cause": 2}, [4, 7]),
        ({"did": did(2)}, [4, 5, 8, 9]),
        ({"did": did(3)}, [5, 9]),
        ({"did": ME}, [11]),
        ({"did": LIKE_ME}, [10]),
        ({"did": did(2), "stream": "job/*", "actor": "uid:7"}, []),
    ],
)
def test_only_what_fits_is_found_in_a_file_and_in_an_export_alike(
    source: Source, wanted: dict[str, Any], found: list[int]
) -> None:
    assert positions(source, **wanted) == found
    assert [row.position for row in select.found(source, Wanted(**wanted), 2)] == found[:2]
    assert [row.position for row in select.last(source, Wanted(**wanted), 2)] == found[-2:]


def test_more_than_a_piece_comes_in_pieces(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(select, "AT_ONCE", 2)
    assert positions(source) == list(range(1, 12))
    assert positions(source, stream="job/a1") == [2, 4, 6, 7]
    assert positions(source, types=frozenset({"job.started", "job.paused"})) == [2, 3, 6]


@pytest.mark.parametrize("wanted", [{}, {"stream": "job/a1"}, {"types": frozenset({"tap.x"})}])
def test_a_reader_who_takes_his_time_holds_no_old_pages(path: Path, wanted: dict[str, Any]) -> None:
    with LogFile(path) as source, closing(sqlite3.connect(path)) as other:
        next(rows := select.found(source, Wanted(**wanted)), None)
        assert not source.db.in_transaction
        busy, _, _ = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert not busy
        del rows


# --- which events name an account ----------------------------------------------------------


def row(event: Event) -> Row:
    name, schema, payload = encode(event)
    return Row(7, "tap", 1, name, schema, 0, "x", None, payload, b"")


def naming(who: Did) -> list[Event]:
    key, packed = pack_one(who), ids.pack([did(900), who])
    return [
        DidsGiven(0, 2, packed),
        RecordsCommitted(1, 1, [POSTS], [Tally(key, 0)], [], 0),
        RecordsCommitted(1, 1, [], [], [Account(key, "active", "")], 0),
        RecordsRemoved(1, POSTS, None, "r", True, [Removed(key, 2)]),
        ReposObserved(TAP, False, [], packed),
        ReposDiffer([Differing(key, "", False)]),
        ReconcileAsked("2", [POSTS], "list", 2, packed, None, False),
        AttemptFailed("hand-off", TAP, "refused", f"it does not like {who}.", 1, 0.0),
    ]


@given(st.sampled_from([did(1), did(2**100), ME, LIKE_ME]), st.integers(0, 7))
def test_an_account_is_named_by_its_key_in_a_list_or_in_a_text_and_no_other_for_it(
    who: Did, which: int
) -> None:
    event = naming(who)[which]
    assert Named(who).is_in(row(event))
    others = {did(1), did(3), ME, LIKE_ME, Did("did:web:example"), Did("did:web:xa.example")}
    assert not any(Named(other).is_in(row(event)) for other in others - {who})


def test_the_bytes_alone_do_not_name_an_account() -> None:
    """They may stand over the seam of two others."""
    two = [Did("did:plc:" + "a" * 23 + "b"), Did("did:plc:" + "b" * 24)]
    seam = Named(ids.unpack_one(ids.unpack_keys(ids.pack(two))[0][1:] + b"\x08"))
    event = row(DidsGiven(0, 2, ids.pack(two)))
    assert seam.may_be_in(event.payload)
    assert not seam.is_in(event)
    document = LexiconUploaded(POSTS, 1, "record", True, None, b"\xff" + seam.key)
    assert not seam.is_in(row(document))


# --- the command ---------------------------------------------------------------------------


def shown(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[list[str], str, int]:
    code = 0
    try:
        main(["show", *map(str, arguments)])
    except SystemExit as ended:
        code = int(ended.code or 0)
    out, err = capsys.readouterr()
    return out.splitlines(), err, code


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--at", "6"], [6]),
        (["--after", "3", "--upto", "5"], [4, 5]),
        (["--type", "job.paused", "--type", "job.started", "--limit", "2"], [2, 3]),
        (["--last", "2", "--actor", "uid:7"], [6, 11]),
        (["--since", "1970-01-07"], [9, 10, 11]),
        (["--since", "1970-01-04T00:00:00Z", "--until", "1970-01-04T02:00:00+02:00"], [4, 8]),
        (["--cause", "1"], [2]),
        (["--did", str(did(3)), "--stream", "tap"], [9]),
    ],
)
@pytest.mark.parametrize("form", ["path", "exported"])
def test_each_option_is_a_filter(
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    form: str,
    options: list[str],
    found: list[int],
) -> None:
    file = request.getfixturevalue(form)
    lines, err, code = shown(capsys, *options, file)
    assert ([int(line.split()[0][1:]) for line in lines], err, code) == (found, "", 0)
    lines, _, _ = shown(capsys, "--json", *options, file)
    assert [json.loads(line)["position"] for line in lines] == found


def test_accounts_are_named_in_full_in_json_and_the_first_of_them_to_people(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (line,), _, _ = shown(capsys, "--at", 9, path)
    assert line == (
        "#9 1970-01-07T00:00:00.000Z tap tap.repos-leaving: 2 repositories out of Tap, to be put "
        f"back (lacks): {did(2)} {did(3)} (system)"
    )
    (line,), _, _ = shown(capsys, "--at", 9, "--json", path)
    assert json.loads(line)["payload"]["dids"] == [did(2), did(3)]
    (line,), _, _ = shown(capsys, "--at", 10, "--json", path)
    assert json.loads(line)["payload"]["unchanged"] == [LIKE_ME]


BREAK = BreakAccepted(7, b"\x9f" * 32, "the log goes up to #7, and " * 9, "a disk fault")
LISTED = ListedFrom("https://relay.example", "c 1")


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (
            replace(started(POSTS, LIKES, given=True), priority=2, listed_from=LISTED),
            f"collections={POSTS},{LIKES} asked_for=- asked_did=- given=yes mode=add priority=2 "
            "listed_from={relay=https://relay.example cursor='c 1'}",
        ),
        (
            NewsRaised("job.synced", None, [POSTS], "synced", "All 3 are here.", None, 3),
            f"kind=job.synced job=- collections={POSTS} state=synced sentence='All 3 are here.' "
            "since=- count=3",
        ),
        (
            ReposDiffer([Differing(pack_one(did(1)), "2 of 3", False)]),
            f"differing={{did={did(1)} why='2 of 3' mend=no}}",
        ),
        (ReconcileEnded("done", 9, 8, 1, {"timeout": 1}, []),
         "why=done compared=9 records=8 differing=1 unread={timeout=1} told=-"),
        (DeadLettersHandled("retry", [*range(1, 13)], [3]),
         "action=retry ids=1,2,3,4,5,6,7,8,9,10 and 2 more failed=3"),
        (ReposLeaving("lost", True, 1, ids.pack([did(1)])),
         f"1 repository out of Tap, to be put back (lost): {did(1)}"),
        (ReposCompared(1, 1, 1, [], [], ids.pack([])),
         "1 repository, 1 record the same, 0 differences, 0 not read"),
        (JobPickedUp(), "-"),
        (JobPaused(""), "reason=''"),
        (JobPaused("x\x1b=1"), r"reason='x\x1b=1'"),
        (BREAK, f"position=7 hash={'9f' * 32} what={BREAK.what!r} reason='a disk fault'"),
    ],
)  # fmt: skip
def test_people_are_shown_what_is_there_in_words_and_whole(event: Event, says: str) -> None:
    assert summary(row(event)) == says


def test_the_hash_of_an_accepted_break_is_in_hex_for_programs_as_every_hash_is() -> None:
    data = as_data(row(BREAK))["payload"]
    assert data == {**msgspec.to_builtins(BREAK), "hash": "9f" * 32}


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--at", "12"], say.NOT_FOUND, "there is no event 12"),
        (["--since", "yesterday"], say.USAGE, "'yesterday' is no time; write 2027-01-15T"),
        (["--since", "2027-01-15T08:00:00"], say.USAGE, "is no time"),
        (["--since", "20270115T0800"], say.USAGE, "is no time"),
        (["--did", "alice"], say.USAGE, "'alice' is not a DID"),
        (["--limit", "0"], say.USAGE, "'0' is no number of events"),
        (["--last", "2", "--limit", "2"], say.USAGE, "not allowed with"),
        (["--type", "job.pagediscovered"], say.OK, "did you mean job.page-discovered?"),
    ],
)
def test_what_makes_no_sense_is_said_so(
    path: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: int, said: str
) -> None:
    out, err, ended = shown(capsys, *options, path)
    assert (out, ended) == ([], code)
    assert said in err


@pytest.fixture
def broken(path: Path, tmp_path: Path) -> Path:
    """A log with payloads that are none, and a text that is no UTF-8."""
    broken = tmp_path / "events.db"
    broken.write_bytes(path.read_bytes())
    with closing(sqlite3.connect(broken)) as db:
        db.execute("DROP TRIGGER event_no_update")
        db.execute("UPDATE event SET payload = x'c1' WHERE position = 3")
        cut = encode(DidsGiven(0, 2, ids.pack(dids(0, 2))[:-1]))[2]
        name = "job.dids-given"
        db.execute("UPDATE event SET type = ?, payload = ? WHERE position = 5", (name, cut))
        db.execute("UPDATE event SET actor = CAST(x'75ff' AS TEXT) WHERE position = 7")
        db.execute("UPDATE event SET type = 'job.unheard-of' WHERE position = 8")
        db.commit()
    return broken


def test_what_cannot_be_read_is_said_so_and_the_listing_goes_on(
    broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, err, code = shown(capsys, broken)
    assert code == say.BROKEN
    assert "3 of these events cannot be read" in err
    assert [int(line.split()[0][1:]) for line in lines] == list(range(1, 12))
    assert "job.started: it cannot be read: 'job.started' schema 3" in lines[2]
    assert "packed DIDs are cut short" in lines[4]
    assert lines[6].endswith("(u\N{REPLACEMENT CHARACTER} cause #2)")
    assert "is not known to this version" in lines[7]
    lines, _, _ = shown(capsys, "--json", "--at", 3, broken)
    said = json.loads(lines[0])
    assert (said["payload"], said["stream"]) == (None, "job/b2")
    assert "malformed" in said["unreadable"]


def test_what_may_name_an_account_and_cannot_be_read_is_shown(
    broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(broken)) as db:
        db.execute("UPDATE event SET payload = ? WHERE position = 3", (b"\xc1" + pack_one(did(2)),))
        db.commit()
    lines, _, code = shown(capsys, "--did", did(2), broken)
    assert [line.split()[0] for line in lines] == ["#3", "#4", "#8", "#9"]
    assert code == say.BROKEN


def test_nothing_is_left_out_of_what_a_comparison_names() -> None:
    unread = Unread(pack_one(ME), "timeout", "no answer")
    assert Named(ME)._within([unread])
    assert Named(ME)._within({"x": (unread,)})
    assert not Named(ME)._within([1, None, 2.0])
