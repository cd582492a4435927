"""Runs blocking work (SQLite) away from the event loop: one owner, one thing at a time.

The one rule: work begun runs to its end, whoever is cancelled meanwhile; so a transaction is
never left half way.
"""

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, Protocol, TypeVar

import trio

P = ParamSpec("P")
T = TypeVar("T")


class Worker(Protocol):
    """Calls a blocking function and gives its answer; calls do not overlap."""

    async def __call__(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T: ...


class ThreadWorker:
    """A worker in a thread; make one per connection."""

    def __init__(self) -> None:
        self._one = trio.CapacityLimiter(1)

    async def __call__(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await trio.to_thread.run_sync(partial(work, *args, **kwargs), limiter=self._one)


class InlineWorker:
    """A worker on the loop itself, for tests in virtual time: threads do not hold trio's clock."""

    async def __call__(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        await trio.lowlevel.checkpoint()
        return work(*args, **kwargs)
