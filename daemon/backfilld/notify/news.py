"""What is news: pure functions of state, what the projections say, and the time.

The one rule: each of these is told once. What was told stands in the log (`folds.notify`), so a
restart tells nothing twice. The words are those of the API.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from backfilld_events.catalog.notify import NewsRaised
from backfilld_events.folds import State
from backfilld_events.folds.job import Job
from backfilld_events.folds.notify import Notices, progress
from backfilld_events.folds.source import Source
from backfilld_events.projections.classes import Class

from ..backfill.standing import Scene, Standing, standing
from ..control import words

STALL_S = 600.0  # a shorter one is not worth a call at night
DOWN_S = 60.0  # the channel comes back by itself after less
DEAD_LETTERS_S = 600.0  # at most one letter in so long, for all of them
DISK_FREE_MIN = 2**30
DISK_AGAIN_S = 86_400.0
STUCK = (
    "tap_down", "workers_stuck", "channel_silent", "filter_missing", "window_full",
    "relay_rejected_cursor",
)  # fmt: skip
ID_CHARS_SHOWN = 8


class Found(NamedTuple):
    """A job as the projections have it, how many of its repositories are in each class, and the
    collections of which nothing ever came, as words.sync has them."""

    job: Job
    classes: Mapping[Class, int]
    silent: Collection[str] = ()


def ended(found: Found) -> NewsRaised:
    """A job has ended, in whatever way but that somebody cancelled it."""
    job, total = found.job, sum(found.classes.values())
    outcome = job.outcome or "failed"
    text = words.sentence(job, Standing(outcome), total)
    return _of_job(f"job.{outcome}", job, outcome, text, count=total)


def synced(found: Found) -> NewsRaised | None:
    """The records of a job that has ended are all here, or will never be; None: not yet."""
    word, text = words.sync(found.job, found.classes, found.silent)
    if word not in ("synced", "synced_with_failures"):
        return None
    return _of_job("job.synced", found.job, word, text, count=sum(found.classes.values()))


def stalls(state: State, scene: Scene, now: float) -> list[tuple[Job, NewsRaised]]:
    """The jobs that stand still for long enough, and were not told of."""
    raised = []
    for job in state.jobs.values():
        stands = standing(job, scene)
        waiting = stands.waiting
        if waiting is None or job.id in state.notices.stalled or now - waiting.since < STALL_S:
            continue
        text = words.stalled(waiting)
        raised.append((job, _of_job("job.stalled", job, "stalled", text, since=waiting.since)))
    return raised


def resumptions(
    state: State, scene: Scene, over: Mapping[str, Found]
) -> list[tuple[Job, NewsRaised]]:
    """The stalls that were told of and are over: a step succeeded, or somebody acted. `over` has
    the jobs among them that have ended."""
    raised = []
    for job_id, mark in state.notices.stalled.items():
        found = over.get(job_id)
        job = state.jobs.get(job_id) if found is None else found.job
        if job is None:
            continue  # it ended since the projections were asked
        stopped = job.outcome or job.paused or job.cancel
        if not stopped and progress(job) == mark:
            continue
        stands = standing(job, scene)
        if stands.waiting is not None:
            text = f"It came a step further, and waits again. {words.stalled(stands.waiting)}"
        else:
            total = 0 if found is None else sum(found.classes.values())
            text = f"No longer stalled. {words.sentence(job, stands, total)}"
        raised.append((job, _of_job("job.resumed", job, stands.state, text)))
    return raised


def channel(source: Source, notices: Notices, now: float, began: float) -> NewsRaised | None:
    """The channel to Tap is down for long enough, or is up again. `began`: when this daemon did;
    what a former one saw last may be long over."""
    since = source.since
    if since is None:
        return None
    if source.connected:
        if notices.down is None:
            return None
        text = f"The channel to Tap is up again since {words.moment(since)}. Records come in."
        return _of_channel("dependency.up", "up", text, since)
    if notices.down is not None or now - max(since, began) < DOWN_S:
        return None
    text = (
        f"The channel to Tap is down since {words.moment(since)}: {source.why}. No records come"
        " in; Tap keeps them, and it is tried again and again."
    )
    return _of_channel("dependency.down", "down", text, since)


def stuck(source: Source, notices: Notices, now: float) -> list[NewsRaised]:
    """What else of Tap stands still for long enough, and was not told; what was and is over. That
    the channel is down is told by `channel`."""
    raised = []
    for kind, stall in source.stalls.items():
        is_told = kind in notices.stuck or kind not in STUCK
        since = stall.since
        if kind == "tap_down":  # of a Tap that is back at the channel it is not seen at once
            since = now if not source.connected else max(since, source.since or 0.0)
        if is_told or now - since < STALL_S:
            continue
        raised.append(_of_channel("dependency.down", kind, stall.message, stall.since))
    for kind in notices.stuck.keys() - source.stalls.keys():
        said = kind.replace("_", " ")
        text = f"Over: {said}, since {words.moment(notices.stuck[kind])}."
        raised.append(_of_channel("dependency.up", kind, text, now))
    return raised


def disk(folder: str, free: int, notices: Notices, now: float) -> NewsRaised | None:
    """The disk of data_dir is nearly full; told once a day as long as it is. `free` in bytes."""
    if free >= DISK_FREE_MIN or now - notices.disk_at < DISK_AGAIN_S:
        return None
    text = (
        f"{free / 2**20:,.0f} MiB are free on the disk of data_dir, {folder}. When it is full "
        "nothing more can be written: no record is taken, and no job goes on."
    )
    return NewsRaised("disk.low", None, [], "low", text, None, None)


def dead_letters(notices: Notices, total: int, now: float) -> NewsRaised | None:
    """Messages that cannot be used came since the last time this was told. `total` is how many
    there were, ever."""
    more = total - notices.dead
    if more <= 0 or now - notices.dead_at < DEAD_LETTERS_S:
        return None
    came = words.counted(more, "message", "messages")
    text = f"{came} of Tap could not be used and went to the dead letters: {total:,} in all."
    return NewsRaised("dead_letter", None, [], "open", text, None, more)


def _of_job(
    kind: str,
    job: Job,
    state: str,
    text: str,
    *,
    since: float | None = None,
    count: int | None = None,
) -> NewsRaised:
    sentence = f"Job {job.id[:ID_CHARS_SHOWN]}, {_what(job)}: {text}"
    return NewsRaised(kind, job.id, [*job.collections], state, sentence, since, count)


def _of_channel(kind: str, state: str, text: str, since: float) -> NewsRaised:
    return NewsRaised(kind, None, [], state, text, since, None)


def _what(job: Job) -> str:
    of = job.asked_for or "all collections"
    if not job.given:
        return of
    accounts = job.asked_did or words.counted(job.discovered, "account", "accounts")
    return f"{accounts} for {of}"
