"""What a page says of a job and of those it depends on."""

from itertools import pairwise
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from support.given import page
from support.shown import detail, half_way, job

from backfilld.backfill.standing import State
from backfilld.control.ourtap import child_shape
from backfilld.control.shapes import ChannelShape, TapStats
from backfilld.control.shapes.reads import RelayShape, TapFilters, WaitShape
from backfilld.dashboard import say
from backfilld.dashboard.bars import BAR, COVERAGE, bars, coverage
from backfilld.dashboard.tap import Seen, tiles
from backfilld.dashboard.top import top
from backfilld.tapchild.child import Now
from backfilld_events.folds.child import Child
from backfilld_events.projections.classes import Class

IDLE = Now(None, None, None, wanted=False, lacking=[], again_at=None)
NOW = say.unix("2026-11-27T03:00:00.000Z")
UP = ChannelShape(connected=True, since="2026-11-27T02:00:00.000Z", why=None, unacked=7)
STATS = TapStats(
    repo_count=52_346, record_count=1_904_551, outbox_buffer=5_120, resync_buffer=0,
    observed_at="2026-11-27T02:59:00.000Z", age_s=60.0, url="http://127.0.0.1:2480", channel=UP,
    outbox_at="2026-11-27T02:59:59.000Z",
)  # fmt: skip
RELAY = RelayShape("https://relay1.example", True, None, None, [])
HALF = {Class.SYNCED: 10, Class.ARRIVING: 5, Class.HANDED_OFF: 5, Class.DISCOVERED: 20}


def test_every_state_and_sync_word_has_a_shape_of_its_own_kind() -> None:
    syncs = ("waiting", "syncing", "synced", "synced_with_failures")
    words = [word for part in get_args(State) for word in (get_args(part) or (part,))]
    assert set(say.STATES) == set(words)
    for word in (*words, *syncs):
        assert say.mark(word).shape != "?", word


def test_a_bar_has_no_end_while_the_listing_goes_on() -> None:
    shown = detail(job(page(0, 40)), {Class.DISCOVERED: 40})
    assert {bar.of for bar in bars(shown)} == {None}
    assert bars(shown)[0].spoken == "40 so far, running"


def test_a_bar_of_a_finished_total_says_how_far_in_words() -> None:
    shown = bars(detail(half_way(), HALF, records=1_234))
    assert [(bar.name, bar.done, bar.share) for bar in shown] == [
        ("Found", 40, "100 %"),
        ("Handed off", 20, "50 %"),
        ("Arrived", 15, "37 %"),
        ("Synced", 10, "25 %"),
    ]
    assert shown[1].spoken == "50 percent, 20 of 40, running"
    assert "1,234 records" in shown[2].notes


def test_what_is_parked_or_lost_stands_beside_the_bar() -> None:
    classes = {Class.SYNCED: 36, Class.PARKED: 2, Class.FAILED: 1, Class.GONE: 1}
    assert list(bars(detail(half_way(), classes))[3].notes)[:3] == [
        "2 parked", "1 failed", "1 gone",
    ]  # fmt: skip


def test_every_class_of_coverage_has_its_meaning() -> None:
    assert set(COVERAGE) == {kind.name.lower() for kind in Class}


@given(st.dictionaries(st.sampled_from(sorted(COVERAGE)), st.integers(0, 10**7)))
def test_the_parts_of_the_coverage_bar_fill_it_and_lose_nobody(classes: dict[str, int]) -> None:
    parts = coverage(classes)
    assert sum(part.n for part in parts) == sum(classes.values())
    if parts:
        assert parts[0].x == 0
        assert sum(part.width for part in parts) == pytest.approx(BAR, abs=0.1)
    for one, after in pairwise(parts):
        assert one.x + one.width == pytest.approx(after.x, abs=0.02)


def test_a_hundred_percent_means_all() -> None:
    assert say.percent(99_999, 100_000) == "99 %"


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (detail(job()), ("none found yet", "0 here")),
        (detail(job(page(0, 40)), {Class.DISCOVERED: 40}), ("0 of 40 found so far", "0 here")),
        (detail(half_way(), HALF), ("20 of 40", "10 of 40 here")),
        (detail(job(page(0, 0, cursor=None))), ("nothing found", "nothing to sync")),
    ],
)
def test_a_row_says_of_what_a_number_is(of: Any, words: tuple[str, str]) -> None:
    assert (say.handed(of), say.synced(of)) == words


@given(st.text())
def test_what_a_stranger_wrote_turns_no_line_and_hides_nothing(text: str) -> None:
    assert say.clean(text).isprintable()


def test_numbers_of_tap_carry_their_age() -> None:
    shown = tiles(Seen(STATS), 7, NOW)
    assert [(tile.number, tile.age) for tile in shown.tiles] == [
        ("5,120", "now"),
        ("52,346", "1m ago"),
        ("1,904,551", "1m ago"),
        ("0", "1m ago"),
        ("7", "now, in backfilld"),
    ]


def test_numbers_of_a_tap_that_is_down_stay_and_grow_older() -> None:
    shown = tiles(Seen(STATS, "connection refused"), 0, NOW + 3_600)
    assert [tile.age for tile in shown.tiles[:2]] == ["1h ago", "1h ago"]
    assert "does not answer: connection refused" in shown.sentence
    assert "last numbers it told" in shown.sentence


def test_a_tap_that_never_told_a_number_shows_none() -> None:
    shown = tiles(Seen(None, "connection refused"), 0, NOW)
    assert {tile.number for tile in shown.tiles} == {"not known"}


def test_a_tap_shows_the_line_for_its_filter_unless_we_set_it() -> None:
    filters = TapFilters(["a.b.c"], None, "Nothing came yet.", "TAP_COLLECTION_FILTERS=a.b.c")
    shown = tiles(Seen(STATS, filters=filters), 0, NOW)
    assert (shown.notes, shown.line) == (["Nothing came yet."], filters.line)
    ours = TapFilters(["a.b.c"], ["a.b.c"], "It has all.", filters.line)
    child = child_shape(Child(), IDLE, NOW)
    shown = tiles(Seen(STATS, None, child, ours), 0, NOW)
    assert (shown.notes, shown.line) == ([child.sentence, "It has all."], "")


def parts_of(**changes: Any) -> dict[str, str]:
    """The top line's parts in words."""
    asked = {"tap": Seen(STATS), "relays": [RELAY], "channel": UP, **changes}
    line = top("ok", "Nothing is waiting.", **asked, now=NOW)
    return {part.name: f"{part.mark.word} {part.more}" for part in line.parts}


def test_the_top_line_tells_of_tap_relay_and_channel() -> None:
    assert parts_of(relays=[replace(RELAY, last_answer_at="2026-11-27T02:59:48.000Z")]) == {
        "Tap": "answers 5,120 in its outbox",
        "relay": "answers last page 12s ago",
        "channel": "open for 1h, 7 unacked",
    }


def test_a_relay_that_nobody_asks_is_not_known_to_answer() -> None:
    assert parts_of()["relay"] == "not known no listing is under way"


def test_what_is_down_says_why_and_for_how_long() -> None:
    wait = WaitShape("7", "refused", "connection refused", 3, "2026-11-27T02:54:00.000Z", "")
    down = ChannelShape(connected=False, since="2026-11-27T02:58:00.000Z", why="reset", unacked=0)
    shown = parts_of(
        tap=Seen(None, "connection refused"),
        relays=[RELAY, replace(RELAY, waiting=[wait])],
        channel=down,
    )
    assert shown == {
        "Tap": "down connection refused",
        "relay": "down connection refused, for 6m",
        "channel": "closed for 2m: reset",
    }


def test_a_word_of_health_that_is_not_known_here_is_red() -> None:
    line = top("broken", "This is a bug.", Seen(STATS), [RELAY], UP, NOW)
    assert (line.verdict.word, line.verdict.tone) == ("BROKEN", "bad")
