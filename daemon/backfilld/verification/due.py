"""Waits for the next time of what is done at intervals that a reload may change."""

import math
from collections.abc import Callable

import trio

LOOK_S = 60.0  # how late a change is seen


async def due(began: float, every: Callable[[], float], asked: trio.Event) -> None:
    """Returns `every` seconds after `began` (trio's clock), never if that is 0; or when `asked`."""
    while not asked.is_set():
        left = began + every() - trio.current_time() if every() else math.inf
        if left <= 0:
            return
        with trio.move_on_after(min(left, LOOK_S)):
            await asked.wait()
