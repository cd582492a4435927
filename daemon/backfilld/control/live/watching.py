"""Tells whoever watches a job what happens to it, from where they left off.

The one rule: nothing waits for a watcher. Frames are made when the last ones were taken, from what
the log and its projections say then; so one who does not read costs a position and no more, and one
who was away for long is told how things are, not all that was.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Literal, NamedTuple

import trio

from ..door import Asked, Door
from ..shapes import JobShape
from . import frames
from .following import news_or_stop
from .frames import Glance
from .watch import EVERY_S, Live

KEEP_ALIVE_S = 15.0
SETTLING_S = 1.0  # no event tells that the last step of a paused job is over
LAG_S = 10.0  # whoever takes so long to read is told all anew
LAG_EVENTS_MAX = 10_000  # whoever has missed more is told how things are, not all that was
REPOS_AT_ONCE = 1_000
LOOKED_AT_ONCE = 500

DIGITS_MAX = 18  # of a position

SETTLING = frozenset({"pausing", "cancelling"})

Until = Literal["completed", "synced"]


class Wanted(NamedTuple):
    """What a watcher wants. `after`: the last position they were told of, if they come back."""

    job_id: str
    after: int | None
    repos: bool
    until: Until


def position_of(last_event_id: str | None, newest: int) -> int | None:
    """The position that a watcher who comes back was told of last. What is none of this log, whose
    last is `newest`, is as if they came for the first time."""
    text = last_event_id or ""
    if not (text.isascii() and text.isdecimal() and len(text) <= DIGITS_MAX):
        return None
    return int(text) if int(text) <= newest else None


def was_told_all(live: Live, glance: Glance, asked: Wanted) -> bool:
    """Whether the watcher knows the end already."""
    if asked.after is None or glance.ended_at is None:
        return False
    if asked.until == "completed":
        return asked.after >= glance.ended_at
    return glance.is_synced and asked.after >= live.synced_at(glance)


async def told(
    door: Door, live: Live, request: Asked, asked: Wanted
) -> AsyncGenerator[bytes, None]:
    """The frames, as they come, until the job is over, the daemon stops, or `request` is no longer
    one that may be answered."""
    yield frames.RETRY
    after, before, sent = asked.after, None, trio.current_time()
    while not door.stop.is_set() and door.still_allowed(request):
        news, began = door.journal.watch(), trio.current_time()
        glance = await live.glance(asked.job_id)
        if glance is None:
            return
        if after is not None:
            async with aclosing(_missed(door, asked, glance, after)) as missed:
                async for some in missed:
                    yield some
                    sent = began
        news_of_it, is_over = _frames(before, glance, asked.until, after)
        if news_of_it:
            yield frames.written(news_of_it, glance.position)
            sent = began
        elif began - sent >= KEEP_ALIVE_S:
            yield frames.KEEP_ALIVE
            sent = began
        if is_over:
            return
        after = glance.position
        before = glance if trio.current_time() - began < LAG_S else None
        await _until_worth_a_look(door, news, glance, sent + KEEP_ALIVE_S)


def _frames(
    before: Glance | None, glance: Glance, until: Until, after: int | None
) -> tuple[list[frames.Frame], bool]:
    """What is told now, and whether that is all."""
    job = glance.job
    if before is None:
        told = [frames.snapshot(glance), *frames.arrived(job)]
    else:
        told = frames.changes(before.job, job)
    if glance.ended_at is None:
        return told, False
    knows = after is not None and after >= glance.ended_at
    completed = [] if knows else [frames.completed(job)]
    synced = [frames.synced(job)] if glance.is_synced else []
    if until == "completed":
        return [*told, *synced, *completed], True
    return [*told, *completed, *synced], glance.is_synced


async def _until_worth_a_look(
    door: Door, news: trio.Event, glance: Glance, keep_alive_at: float
) -> None:
    if glance.position < door.journal.state.position:  # it was not the last word
        await news_or_stop(door, trio.Event(), EVERY_S)
        return
    wait = keep_alive_at - trio.current_time()
    if glance.job.state in SETTLING:
        wait = min(wait, SETTLING_S)
    await news_or_stop(door, news, wait)


async def _missed(
    door: Door, asked: Wanted, glance: Glance, after: int
) -> AsyncGenerator[bytes, None]:
    """What happened in `after < position <= glance.position` and does not show in the glance."""
    upto = glance.position
    if not asked.repos:
        rows = await door.log_views.attempts(asked.job_id, after, upto)
        for row in rows:
            yield frames.written([frames.waiting(asked.job_id, row)], row.position)
        return
    if upto - after > LAG_EVENTS_MAX:
        return
    while after < upto:
        looked = await door.log_views.told_of_job(asked.job_id, after, upto, LOOKED_AT_ONCE)
        for position, kind in looked:
            async with aclosing(_of_event(door, glance.job, position, kind)) as parts:
                async for some in parts:
                    yield some
        after = looked[-1][0]


async def _of_event(
    door: Door, job: JobShape, position: int, kind: str
) -> AsyncGenerator[bytes, None]:
    """The frames of one event; only the last has its position."""
    if kind == "":
        return
    if kind == "job.attempt-failed":
        for row in await door.log_views.attempts(job.id, position - 1, position):
            yield frames.written([frames.waiting(job.id, row)], position)
        return
    if kind in ("tap.repos-observed", "index.records-committed"):
        if settled := await door.log_views.settled(job.position, position):
            yield frames.written(frames.fetched(job.id, settled), position)
        return
    shown = frames.resolved if kind == "job.batch-handed-off" else frames.discovered
    some = await door.log_views.named(job.position, position, 0, REPOS_AT_ONCE)
    offset = len(some)
    while some:
        more = await door.log_views.named(job.position, position, offset, REPOS_AT_ONCE)
        yield frames.written(shown(job.id, some), None if more else position)
        some, offset = more, offset + len(more)
