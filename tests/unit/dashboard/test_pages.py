"""What pages say of repositories, of Tap and of what waits for somebody; and that whatever a
stranger wrote is shown as text."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from support.given import LIKES, POSTS, page
from support.shown import half_way, job

from backfilld.control.shapes import ChannelShape, Health, LogShape
from backfilld.control.shapes.errors import KindShape
from backfilld.control.shapes.log import BreakShape, WalkShape
from backfilld.control.shapes.reads import ChildShape, FilterShape, StallShape, TapFilters
from backfilld.control.verified import verification_shape
from backfilld.control.views.pages import Counted, Told
from backfilld.dashboard import covering, letters, overview, places, say, tap_page
from backfilld.dashboard.frame import TEMPLATES
from backfilld.verification.known import Problem, Verification
from backfilld_events.catalog.source import Why
from backfilld_events.faults import MEANINGS, Fault
from backfilld_events.folds.source import Outing
from backfilld_events.ids import Nsid
from backfilld_events.projections.classes import Class
from backfilld_events.projections.stuck import Limited

NOW = say.unix("2026-11-27T03:00:00.000Z")
HOSTILE = "<script>alert(1)</script> \u202egnp.exe\x1b[31m"
UP = ChannelShape(connected=True, since=None, why=None, unacked=0)
NONE = Counted(0, {}, {})
HEALTH = Health(
    "ok", "Nothing is waiting.", "0", "http://tap", UP, [], 0, 0, LogShape(7, False), []
)
STALL = StallShape("tap_down", "2026-11-27T02:58:00.000Z", "Tap is down.", "it is", "start", "none")


def waits(
    everything: Counted = NONE,
    health: Health = HEALTH,
    filters: TapFilters | None = None,
    odd: tuple[Nsid, ...] = (),
) -> dict[str, str]:
    """What waits for somebody, and where."""
    return {one.says: one.where for one in overview.needs(everything, health, filters, odd)}


def test_nothing_waits_for_anybody_when_all_is_well() -> None:
    assert waits(Counted(9, {Class.SYNCED: 8, Class.PARKED: 1}, {})) == {}


def test_what_waits_for_somebody_leads_to_where_it_is_done() -> None:
    dropped = FilterShape(POSTS, "dropped", 0, 0, 12)
    filters = TapFilters([POSTS], None, "", collections=[dropped, replace(dropped, state="sent")])
    health = replace(HEALTH, stalls=[STALL], dead_letters=3)
    assert waits(Counted(9, {Class.FAILED: 1}, {Fault.TIMEOUT: 1}), health, filters) == {
        "Tap is down.": places.TAP,
        "Tap's filter seems to leave out 1 collection": places.TAP,
        "1 repository has failed": "/dashboard/repos?class=failed",
        "3 dead letters are open": places.LETTERS,
    }


def test_a_server_that_limits_tap_needs_nobody() -> None:
    assert waits(health=replace(HEALTH, stalls=[replace(STALL, kind="host_parked")])) == {}


def test_a_log_that_does_not_verify_is_told_before_all_else_and_red() -> None:
    problem = BreakShape(7, "missing", STALL.since, "restore it")
    health = replace(HEALTH, dead_letters=1, log=replace(HEALTH.log, problem=problem))
    (first, second) = overview.needs(NONE, health, None)
    assert (first.says, first.where) == ("The log does not verify: event 7: missing", places.LOG)
    assert (first.is_bad, second.is_bad) == (True, False)


@pytest.mark.parametrize(
    ("log", "says"),
    [
        (LogShape(9, False), ", not verified since backfilld started"),
        (LogShape(9, False, under_way=WalkShape(3, 8)), ", and is being verified: #3 of 8"),
        (LogShape(48_213, False, 40_902, STALL.since), " ✓ to #40,902"),
        (
            LogShape(9, False, problem=BreakShape(7, "missing", STALL.since, "restore it")),
            ", and nothing more is written to it",
        ),
    ],
)
def test_the_first_page_tells_how_far_the_log_has_verified(log: LogShape, says: str) -> None:
    html = TEMPLATES.get_template("parts/needs.html").render(needs=[], log=log, now=NOW)
    assert f"event #{log.position:,}" in html
    assert says in html


@pytest.mark.parametrize(
    ("known", "word"),
    [
        (Verification(), "not verified"),
        (Verification(under_way=(3, 8)), "being verified"),
        (Verification(whole=9, hash=b"x" * 32, at=NOW), "verified"),
        (Verification(problem=Problem(7, "missing", NOW)), "broken"),
    ],
)
def test_whether_the_log_verifies_is_a_word_with_a_shape(known: Verification, word: str) -> None:
    shape = verification_shape(known)
    html = TEMPLATES.get_template("parts/verified.html").render(verified=shape, now=NOW, csrf="")
    assert f"</span>{word}</span>" in html
    assert shape.sentence in html
    assert ("What you may do" in html) == (word == "broken")
    assert ('id="verify"' in html) == (word != "broken"), "then it would do nothing"


def test_repositories_in_no_class_are_told_first_and_as_a_fault_of_ours() -> None:
    (first, *_) = overview.needs(
        Counted(9, {Class.FAILED: 1}, {}), replace(HEALTH, dead_letters=1), None, [POSTS]
    )
    assert first.is_bad
    assert "bug in backfilld" in first.says
    assert first.where == f"/dashboard/coverage/{POSTS}"


def test_a_share_is_told_of_a_whole_only() -> None:
    numbers = Counted(8, {Class.SYNCED: 4, Class.EMPTY: 1, Class.ARRIVING: 2, Class.FAILED: 1}, {})
    assert overview.here(POSTS, numbers, listing=False).share == "62 %"
    assert overview.here(POSTS, numbers, listing=False).says == "5 of 8 here; 2 open; 1 failed"
    growing = overview.here(POSTS, numbers, listing=True)
    assert (growing.share, growing.says) == ("", "5 of 8 found so far; 2 open; 1 failed")
    assert overview.here(POSTS, NONE, listing=False).says == "none found yet"


def test_a_collection_is_listed_until_its_own_listing_ends() -> None:
    both = {"collections": (POSTS, LIKES)}
    assert overview.listed_now([job(**both)]) == {POSTS, LIKES}
    assert overview.listed_now([job(page(0, 4, cursor=None), **both)]) == {LIKES}
    assert overview.listed_now([half_way(), job(given=True)]) == set()


def test_every_kind_of_failure_has_a_button_or_says_why_there_is_none() -> None:
    kinds = [KindShape(fault.word, 2, one.retryable, "wait") for fault, one in MEANINGS.items()]
    values = {**covering.errors(kinds), "job": half_way(), "to": places}
    html = TEMPLATES.get_template("parts/errors.html").render(
        {**values, "job": {"id": "7", "completed_at": None}}
    )
    for fault in MEANINGS:
        has_button = f'id="retry-{fault.word}"' in html
        assert has_button is not (fault.word in covering.BY_ITSELF), fault.word
        assert f"/dashboard/jobs/7/errors?kind={fault.word}" in html
    again = sum(2 for one in kinds if one.retryable and one.kind not in covering.BY_ITSELF)
    assert f"Retry all {again} " in html


def test_every_reason_for_taking_a_repository_out_of_tap_has_words() -> None:
    for why in get_args(Why):
        said = tap_page.outing(Outing(7, why, again=True, count=2))
        assert said.startswith("2 repositories are being taken out of Tap: ")
        assert len(said.partition(": ")[2]) > len(why), why
    one = Outing(7, "forgotten", again=True, count=1, left=True)
    assert tap_page.outing(one).startswith("1 repository is out of Tap, and is put in again: ")


def test_servers_that_limit_are_told_with_how_many_and_until_when() -> None:
    limited = [Limited("big.example", 58, NOW), Limited("", 2, NOW)]
    big, unknown, rest = tap_page.parked(limited, 63)
    assert big.startswith("big.example: 58 repositories, until ")
    assert unknown.startswith("servers that we do not know: 2 repositories, ")
    assert rest == "other servers: 3 repositories"
    assert tap_page.parked(limited, 60) == [big, unknown]


def test_every_state_of_a_filter_has_words() -> None:
    shape = FilterShape.__doc__ or ""
    for word in tap_page.FILTER_STATES:
        assert f"`{word}`" in shape


@given(st.binary(max_size=200))
def test_whatever_tap_sent_is_shown_on_one_line_and_hides_nothing(raw: bytes) -> None:
    text = letters.readable(raw)
    assert text.isprintable()
    assert raw.isascii() is False or len(text) >= len(raw)


@given(st.text(min_size=1, max_size=60))
def test_an_account_s_address_leads_to_it_whatever_its_name(name: str) -> None:
    path = places.account(name)
    assert path.isascii()
    assert path.startswith("/dashboard/repos/")
    assert not set(path.removeprefix("/dashboard/repos/")) & set("/?#\"'<>& ")


def test_what_is_not_asked_is_left_out_of_an_address() -> None:
    assert places.asked(places.REPOS, job="7", cursor=None, name="") == "/dashboard/repos?job=7"
    assert places.asked(places.REPOS) == places.REPOS


STALLS: dict[str, Any] = {
    "stalls": [StallShape(HOSTILE, STALL.since, HOSTILE, HOSTILE, HOSTILE, HOSTILE)],
    "quiet": HOSTILE,
}
PROBLEM = Problem(7, HOSTILE, NOW)
TOLD = Told(7, HOSTILE, STALL.since, HOSTILE, HOSTILE, HOSTILE, None)
CHILD = ChildShape("waiting", HOSTILE, 7, None, None, 2**20, 61.0, 2, f"{HOSTILE}\n{HOSTILE}")
FILTERS = TapFilters([HOSTILE], None, HOSTILE, HOSTILE, [FilterShape(HOSTILE, "unasked", 0, 9, 0)])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("stalls", STALLS),
        ("child", {"child": CHILD}),
        ("filters", {"filters": FILTERS, "filter_states": tap_page.FILTER_STATES}),
        (
            "needs",
            {
                "needs": [overview.Need(HOSTILE, places.TAP, "Why")],
                "log": replace(HEALTH.log, checkpoint_fault=HOSTILE, verify_fault=HOSTILE),
            },
        ),
        ("verified", {"verified": verification_shape(Verification(problem=PROBLEM))}),
        ("events", {"events": [TOLD], "streams": True}),
        (
            "work",
            {
                "with_tap": 1, "parked": [HOSTILE], "outings": [(7, "1 repository")],
                "more_outings": 3, "census": NOW,
            },
        ),
    ],
)  # fmt: skip
def test_what_a_stranger_wrote_is_shown_as_text(name: str, values: dict[str, Any]) -> None:
    html = TEMPLATES.get_template(f"parts/{name}.html").render({**values, "now": NOW})
    assert "alert(1)" in html
    for raw in ("<script", "\u202e", "\x1b"):
        assert raw not in html
