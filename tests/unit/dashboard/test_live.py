"""The stream behind a page: how often it speaks, what it sends, when it ends."""

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import trio
from hypothesis import given
from hypothesis import strategies as st

from backfilld.dashboard.live import TICK_S, Part, View, message, stream
from backfilld.dashboard.said import QUIET_S, Saying, Voice


class Door:
    """As much of a door as a stream needs."""

    def __init__(self) -> None:
        self.stop = trio.Event()
        self.allowed = True
        self.journal = SimpleNamespace(state=SimpleNamespace(position=0), watch=self._watch)
        self._news = trio.Event()

    def _watch(self) -> trio.Event:
        return self._news

    def append(self) -> None:
        self.journal.state.position += 1
        self._news.set()
        self._news = trio.Event()

    def still_allowed(self, _: object) -> bool:
        return self.allowed


class Page:
    """A page with one part that shows what it is told, and one that never changes."""

    def __init__(self) -> None:
        self.shows = "0"

    async def look(self) -> View:
        return View([Part("n", self.shows), Part("title", "Jobs")], [])


def silent(_: list[Saying], __: float) -> str:
    return ""


async def listen(door: Any, page: Page, heard: list[tuple[float, bytes]]) -> None:
    async for part in stream(door, None, page.look, silent):
        heard.append((trio.current_time(), part))


async def test_however_much_happens_at_most_four_messages_a_second_come(
    autojump_clock: object,
) -> None:
    door, page, heard = Door(), Page(), list[tuple[float, bytes]]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen, door, page, heard)
        for n in range(1_000):
            await trio.sleep(0.01)
            page.shows = str(n)
            door.append()
        await trio.sleep(1)
        door.stop.set()
    times = [at for at, part in heard if part.startswith(b"id:")]
    assert 35 <= len(times) <= 44
    assert all(later - one >= 0.249 for one, later in pairwise(times))
    assert b">999<" in heard[-1][1], "the last is never left out"


async def test_a_message_has_what_changed_and_nothing_else(autojump_clock: object) -> None:
    door, page, heard = Door(), Page(), list[tuple[float, bytes]]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen, door, page, heard)
        await trio.sleep(1)
        page.shows = "1"
        door.append()
        await trio.sleep(1)
        door.stop.set()
    retry, first, second = [part.decode() for _, part in heard]
    assert retry == "retry: 1000\n\n"
    assert first.startswith("id: 0\n")
    assert '#title" hx-swap="innerMorph">Jobs<' in first
    assert second.startswith("id: 1\n")
    assert '#n" hx-swap="innerMorph">1<' in second
    assert "#title" not in second


async def test_a_quiet_log_still_tells_that_the_numbers_are_of_now(autojump_clock: object) -> None:
    door, page, heard = Door(), Page(), list[tuple[float, bytes]]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen, door, page, heard)
        await trio.sleep(10 * TICK_S + 0.5)
        door.stop.set()
    assert sum(part.startswith(b"id:") for _, part in heard) == 11


async def test_it_ends_with_the_daemon_and_with_the_right_to_look(autojump_clock: object) -> None:
    for end in ("stop", "revoked"):
        door = Door()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, door, Page(), [])
            await trio.sleep(5)
            if end == "stop":
                door.stop.set()
            else:
                door.allowed = False


@given(st.text(), st.integers(0, 2**62))
def test_whatever_a_part_holds_a_message_is_one_message(text: str, position: int) -> None:
    lines = message(position, [Part("n", text)]).decode("utf-8", "surrogatepass")
    head, _, rest = lines.partition("\n")
    assert head == f"id: {position}"
    assert rest.endswith("\n\n")
    for line in rest.removesuffix("\n\n").split("\n"):
        assert line.startswith("data: ")
        assert "\r" not in line


def saying(state: str = "running", progress: str = "10 percent handed off") -> Saying:
    return Saying("3b0d4f7e-0c58", state, "Says so.", progress)


def test_a_change_of_state_is_said_at_once_and_once() -> None:
    voice = Voice()
    assert voice([saying("pending")], 0) == ""
    assert voice([saying("running")], 1) == "Job 3b0d4f7e is running. Says so."
    assert voice([saying("running")], 2) == ""
    assert voice([saying("completed_with_errors")], 3).startswith(
        "Job 3b0d4f7e is completed with errors."
    )


def test_progress_is_said_every_half_minute_at_most_and_only_if_there_is_any() -> None:
    voice, said = Voice(), []
    for second in range(200):
        percent = f"{min(second, 100)} percent handed off"
        if words := voice([saying(progress=percent)], second):
            said.append((second, words))
    assert [second for second, _ in said] == [30, 60, 90, 120]
    assert said[0][1] == "Job 3b0d4f7e: 30 percent handed off."
    assert QUIET_S == 30.0


def test_a_long_list_is_not_read_out() -> None:
    voice = Voice()
    voice([Saying(f"job{n}", "running", "", "0 percent") for n in range(25)], 0)
    said = voice([Saying(f"job{n}", "running", "", "1 percent") for n in range(25)], QUIET_S)
    assert said.count("Job ") == 3
