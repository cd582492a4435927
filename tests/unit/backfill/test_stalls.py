"""What stands still is told apart: each kind by its signs, after its patience, until they end."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given as generated
from hypothesis import strategies as st
from msgspec.structs import replace
from support.given import NOON, POSTS, did

from backfilld.backfill import stalls
from backfilld.backfill.stalls import FETCH_S, KINDS, PATIENCE_S, QUIET_S, Evidence, Tap, Watch
from backfilld.backfill.stallwatch import LOOK_S
from backfilld_events.catalog.source import TapMoving, TapStalled
from backfilld_events.folds.source import Source, Stall, evolve_source
from backfilld_events.projections.still import Fetching, Limited

URL = "http://127.0.0.1:2480"
DAY_S = 86_400.0
WELL = Evidence(
    at=NOON,
    url=URL,
    connected=True,
    channel_since=NOON - DAY_S,
    channel_why="",
    began=NOON - DAY_S,
    frame_at=NOON,
    unacked=0,
    tap=Tap(answers=True, outbox=0),
    with_tap=3,
    cursor=1,
)
HANGS = Fetching((did(1), did(2)), NOON - 2 * FETCH_S, NOON - FETCH_S)
LIMITED = (Limited("pds.big.example", 58, NOON + 3600),)


class Looks:
    """Looks every LOOK_S, as the watch does; what is told is in the log."""

    def __init__(self) -> None:
        self.watch, self.source, self.at = Watch(), Source(), NOON
        self.said: list[str] = []

    def last(self, seconds: float, **seen: Any) -> list[str]:
        """What is told while it is so for `seconds`; what is seen follows the time if callable."""
        before, end = len(self.said), self.at + seconds
        while self.at < end:
            given = {name: of(self.at) if callable(of) else of for name, of in seen.items()}
            now = replace(WELL, at=self.at, frame_at=self.at)
            self.watch, events = stalls.look(self.watch, replace(now, **given), self.source.stalls)
            self._log(events)
            self.at += LOOK_S
        return self.said[before:]

    def _log(self, events: Iterable[TapStalled | TapMoving]) -> None:
        for event in events:
            self.source = evolve_source(self.source, event, self.at)
            self.said.append(event.kind if isinstance(event, TapStalled) else f"-{event.kind}")

    @property
    def sentence(self) -> str:
        (stall,) = self.source.stalls.values()
        return stall.message


SIGNS: dict[str, dict[str, Any]] = {
    "tap_down": {"tap": Tap(answers=False, why="connection refused")},
    "channel_down": {"connected": False, "channel_why": "answered 400"},
    "channel_silent": {"frame_at": NOON - 60, "tap": Tap(answers=True, outbox=7)},
    "workers_stuck": {"frame_at": NOON - DAY_S, "fetching": HANGS},
    "host_parked": {"parked": 58, "limited": LIMITED},
    "window_full": {"waits_for_room": True, "settled": 5},
    "filter_missing": {"lacking": (POSTS,)},
}


def test_every_kind_has_a_patience_and_a_sign_here() -> None:
    assert set(KINDS) == set(PATIENCE_S) == {*SIGNS, "relay_rejected_cursor"}


@pytest.mark.parametrize("kind", SIGNS)
def test_a_stall_is_told_after_its_patience_and_once_and_its_end(kind: str) -> None:
    looks = Looks()
    patience = PATIENCE_S[kind]  # type: ignore[index]
    assert looks.last(60) == []
    assert looks.last(patience, **SIGNS[kind]) == []
    assert looks.last(3 * LOOK_S, **SIGNS[kind]) == [kind]
    assert looks.last(3600, **SIGNS[kind]) == [], "as long as its sentence is the same"
    assert NOON + 60 <= looks.source.stalls[kind].since <= NOON + 60 + 2 * LOOK_S
    assert looks.last(120) == [f"-{kind}"]
    assert looks.last(3600) == []


def test_nothing_is_told_of_a_tap_that_is_well_whatever_the_hour() -> None:
    assert Looks().last(DAY_S, settled=lambda at: int(at)) == []


def test_a_tap_that_is_down_is_not_told_as_a_channel_that_is_down() -> None:
    down = {"tap": Tap(answers=False, why="refused"), "connected": False}
    assert Looks().last(3600, **down) == ["tap_down"]


def test_what_is_told_by_tap_alone_stays_as_it_was_while_tap_is_down() -> None:
    looks = Looks()
    looks.last(300, **SIGNS["host_parked"])
    down = SIGNS["tap_down"]
    assert looks.last(300, **down) == ["tap_down"]
    assert looks.last(300, **SIGNS["host_parked"]) == ["-tap_down"]


def test_a_new_life_believes_the_log_until_it_knows_better() -> None:
    looks = Looks()
    stood = {kind: Stall(kind, NOON - 900, "it stands") for kind in KINDS}
    looks.source = Source(connected=True, stalls=stood)
    assert looks.last(40, tap=Tap()) == ["-filter_missing"]
    silent = {
        "frame_at": None, "tap": Tap(answers=True, outbox=3), "fetching": HANGS, "cursor": None,
    }  # fmt: skip
    told = looks.last(20, **silent)
    assert {"-channel_silent", "-workers_stuck", "-relay_rejected_cursor"}.isdisjoint(told)


def test_a_host_that_parks_again_and_again_is_one_stall() -> None:
    looks = Looks()

    def parked(at: float) -> int:
        return 0 if at % 60 < 30 else 58

    assert looks.last(3600, parked=parked, limited=LIMITED) == ["host_parked"]
    assert looks.sentence.startswith(
        "58 repositories are put aside, because their servers limit Tap: pds.big.example (58,"
    )
    assert looks.last(120) == ["-host_parked"]


def test_a_sentence_whose_numbers_change_is_said_again_every_ten_minutes() -> None:
    looks = Looks()
    told = looks.last(3600, parked=lambda at: int(at), limited=LIMITED)
    assert set(told) == {"host_parked"}
    assert 5 <= len(told) <= 6


def test_messages_that_wait_here_are_no_silence_of_the_channel() -> None:
    assert Looks().last(3600, **SIGNS["channel_silent"], unacked=7) == []


def test_a_reconnect_is_followed_by_quiet_minutes_and_they_are_no_stall() -> None:
    looks = Looks()
    seen = {"channel_since": NOON, "frame_at": NOON - 5, "tap": Tap(answers=True, outbox=2_000)}
    assert looks.last(QUIET_S, **seen) == []
    now = replace(WELL, at=NOON + 60, **seen)
    assert stalls.quiet(now).endswith("comes again after a minute or two: that is no stall.")
    assert looks.last(3600, **seen) == ["channel_silent"], "but not for ever"
    assert stalls.quiet(replace(now, at=NOON + QUIET_S)) == ""
    assert stalls.quiet(replace(now, frame_at=NOON + 1)) == ""
    assert stalls.quiet(replace(now, tap=Tap(answers=True, outbox=0))) == ""


@pytest.mark.parametrize(
    "well",
    [
        {"frame_at": NOON - FETCH_S / 2},
        {"tap": Tap(answers=True, outbox=1)},
        {"fetching": HANGS._replace(youngest=NOON - 1)},
        {"fetching": None},
        {"with_tap": 0},
        {"connected": False},
    ],
    ids=["records come", "records wait", "it begins others", "it fetches none", "no work", "down"],
)
def test_workers_hang_only_when_nothing_at_all_gets_on(well: dict[str, Any]) -> None:
    hangs = replace(WELL, **SIGNS["workers_stuck"])
    assert stalls.hanging(hangs) == HANGS.dids
    assert stalls.hanging(replace(hangs, **well)) == ()


def test_the_cure_of_hanging_workers_names_each_did_and_the_command() -> None:
    looks = Looks()
    looks.last(120, **SIGNS["workers_stuck"])
    assert looks.sentence.count(" To do: curl ") == 1
    assert f'{URL}/repos/remove -d \'{{"dids":["{did(1)}","{did(2)}"]}}\'' in looks.sentence
    assert "start Tap again" in looks.sentence


def test_of_a_tap_that_we_run_the_cure_is_done_and_said() -> None:
    looks = Looks()
    looks.last(120, **SIGNS["workers_stuck"], supervised=True)
    assert looks.sentence.endswith("They are taken out, and Tap is started again.")


def test_a_window_that_is_full_is_no_stall_while_anything_gets_settled() -> None:
    assert Looks().last(3600, waits_for_room=True, settled=lambda at: int(at)) == []


def test_a_cursor_that_always_moved_and_stands_is_told() -> None:
    looks = Looks()
    assert looks.last(600, cursor=lambda at: int(at)) == []
    assert looks.last(600, cursor=0) == ["relay_rejected_cursor"], "a Tap that was started anew"
    assert "its cursor stands at 0" in looks.sentence
    assert looks.last(60, cursor=lambda at: int(at)) == ["-relay_rejected_cursor"]


def test_the_cursor_of_a_quiet_network_may_stand() -> None:
    assert Looks().last(DAY_S, cursor=lambda at: int(at) // 3600) == []


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("300s", 300), ("5m0s", 300), ("1h2m3.5s", 3723.5), ("250ms", 0.25), ("", FETCH_S),
     ("60", FETCH_S), ("5 m", FETCH_S), ("5m junk", FETCH_S)],
)  # fmt: skip
def test_how_long_tap_may_fetch_is_read_as_go_writes_it(said: str, seconds: float) -> None:
    assert stalls.fetch_timeout(said) == seconds


@generated(st.lists(st.sampled_from([None, *SIGNS]), max_size=40))
def test_whatever_comes_each_stall_begins_before_it_ends_and_the_log_knows_which_stand(
    story: list[str | None],
) -> None:
    looks = Looks()
    for kind in story:
        looks.last(130, **(SIGNS[kind] if kind else {}))
    looks.last(400)
    assert not looks.source.stalls
    open_: set[str] = set()
    for said in looks.said:
        if said.startswith("-"):
            open_.remove(said[1:])
        else:
            open_.add(said)
    assert not open_
