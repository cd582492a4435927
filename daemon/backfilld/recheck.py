"""Checks the state that a start took from the projections against a replay of the log.

The start is quick because it trusts a snapshot of the fold; this is why it may. In the background
and in small portions, so that nobody waits for it. That the log verifies comes first: else what
somebody changed in it would be taken for a wrong snapshot.
"""

from collections.abc import Awaitable, Callable

import structlog
import trio

from backfilld_events.folds import INITIAL, State

EVENTS_AT_ONCE = 500
PAUSE_S = 0.05

Fold = Callable[[State, int, int], Awaitable[State]]
"""(state, upto, limit) -> the state after at most `limit` further events up to that position."""


class ProjectionsDiffer(Exception):
    """What was taken at the start, or is asked, does not follow from the log."""


async def recheck(
    opened: State, fold: Fold, distrust: Callable[[], Awaitable[None]], verified: trio.Event
) -> None:
    """Returns when a replay, which begins when the log has `verified`, has come to the state
    `opened`. Else calls `distrust`, so that the next start makes the projections anew, and raises
    ProjectionsDiffer."""
    await verified.wait()
    state = INITIAL
    while state.position < opened.position:
        state = await fold(state, opened.position, EVENTS_AT_ONCE)
        await trio.sleep(PAUSE_S)
    if state == opened:
        structlog.get_logger("recheck").info("state follows from the log", position=state.position)
        return
    await distrust()
    raise ProjectionsDiffer(
        f"the state saved at #{opened.position} does not follow from the log: the projections in "
        "events.db were changed by something else, or a version of backfilld had a fault. The next "
        "start makes them anew from the log"
    )
