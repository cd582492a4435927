"""That the log does not verify is told without the log, once, and again until it is taken."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from backfilld.clock import virtual
from backfilld.config.keys import Config, NotifyConfig
from backfilld.notify import broken
from backfilld.notify.courier import GIVE_UP_S
from backfilld.verification.known import FILE, Problem
from backfilld.world import World

PROBLEM = Problem(7, "its hash does not follow", 1_800_000_000.0)


class Hook(httpx.AsyncBaseTransport):
    """Refuses so many times, and then takes what is posted."""

    def __init__(self, refusals: float) -> None:
        self.refusals = refusals
        self.came: list[dict[str, Any]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.came.append(json.loads(await request.aread()))
        return httpx.Response(503 if len(self.came) <= self.refusals else 204)


def config(folder: Path, *tables: tuple[str, ...]) -> Config:
    """Tables with these kinds, all to a hook."""
    (folder / "secret").write_text("ours")
    return Config(
        notify=tuple(
            NotifyConfig(
                on=kinds,  # type: ignore[arg-type]
                url=f"http://127.0.0.1/{n}",
                secret_file=str(folder / "secret"),
            )
            for n, kinds in enumerate(tables)
        )
    )


def outside(hook: Hook) -> World:
    return World(clock=virtual(1.8e9), transport=hook, jitter=lambda: 1.0)


async def test_who_wants_it_is_told_once_with_what_is_so_and_what_to_do(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    hook = Hook(refusals=0)
    tables = [("job.failed",), ("verify.failed",), ("job.failed", "verify.failed")]
    await broken.tell(PROBLEM, config(tmp_path, *tables), outside(hook))
    one, other = hook.came
    assert one == other
    assert one == {
        "id": 7,
        "kind": "verify.failed",
        "at": "2027-01-15T08:00:00.000Z",
        "sentence": "The log does not verify: event 7: its hash does not follow. Nothing is "
        "written to it until you decide: stop backfilld, and restore events.db from a backup, or "
        "go on with it as it is: backfilld accept-break.",
        "job": None,
        "collections": [],
        "state": "broken",
        "since": "2027-01-15T08:00:00.000Z",
        "count": None,
        "cause": None,
        "sample": False,
    }


async def test_it_is_tried_again_until_it_is_taken(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    hook, began = Hook(refusals=3), trio.current_time()
    await broken.tell(PROBLEM, config(tmp_path, ("verify.failed",)), outside(hook))
    assert len(hook.came) == 4
    assert trio.current_time() - began == pytest.approx(2 + 4 + 8)


async def test_a_target_that_never_takes_it_is_given_up_after_a_day(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    hook, began = Hook(refusals=float("inf")), trio.current_time()
    await broken.tell(PROBLEM, config(tmp_path, ("verify.failed",)), outside(hook))
    assert GIVE_UP_S - 1000 < trio.current_time() - began <= GIVE_UP_S
    assert len(hook.came) < 120


async def test_a_secret_that_cannot_be_read_any_more_keeps_no_other_target_from_hearing(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    hook = Hook(refusals=0)
    settings = config(tmp_path, ("verify.failed",))
    (table,) = settings.notify
    gone = NotifyConfig(on=table.on, url="http://127.0.0.1/x", secret_file=str(tmp_path / "gone"))
    settings = Config(notify=(gone, table))
    await broken.tell(Problem(FILE, "a trigger is gone", 1.8e9), settings, outside(hook))
    (told,) = hook.came
    assert (told["id"], told["sentence"].startswith("The log does not verify: a trigger")) == (
        0,
        True,
    )
