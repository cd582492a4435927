"""Is anything wrong, in one sentence: the same for the API, the command line and the pages."""

from collections.abc import Sequence

from backfilld_events.folds.source import Stall
from backfilld_events.row import utc_text

from .. import __version__
from ..verification.known import Problem
from . import standstill, verified, words
from .door import Door
from .shapes import ChannelShape, Health, JobShape, LeftShape
from .shapes.reads import ChildShape

JOBS_IN_HEALTH = 20
_OF_A_JOB = ("tap_down", "channel_down")  # a job that waits for Tap says it too


async def health(door: Door) -> Health:
    """How things stand now."""
    shown = await door.views.jobs(JOBS_IN_HEALTH)
    known = [one.nsid for one in door.journal.state.lexicons.values() if one.is_record]
    stats = await door.views.stats(known)
    channel, config = door.channel(), door.config()
    stalls = standstill.ordered(door.journal.state.source.stalls.values())
    verification, left = door.verification, await door.views.left_to_differ()
    restored = await door.views.restored(known)
    status, sentence = verdict(shown, channel, door.child(), stalls, verification.problem)
    return Health(
        status=status,
        verdict=sentence,
        version=__version__,
        tap_url=config.tap.url,
        channel=channel,
        relays=list(config.relay.urls),
        records=stats.total_records,
        dead_letters=await door.views.dead_letters(),
        # where the log itself ends: what was folded from it may be ahead of one that was cut
        log=verified.log_shape(
            door.journal.head.position, rebuilt=door.rebuilt, known=verification
        ),
        jobs=shown,
        stalls=[standstill.stall_shape(one) for one in stalls],
        quiet=door.quiet(),
        differing=LeftShape(len(left), left[0]) if left else None,
        restored=None if restored is None else utc_text(restored),
    )


def verdict(
    jobs: list[JobShape],
    channel: ChannelShape,
    child: ChildShape | None = None,
    stalls: Sequence[Stall] = (),
    problem: Problem | None = None,
) -> tuple[str, str]:
    """The status word and its sentence; `child` is the Tap that we run, if we do, `problem` is one
    of the log. Pure."""
    if problem is not None:
        return "broken", verified.verdict(problem)
    down = "" if child is None or child.state == "running" else f" {child.sentence}"
    stalled = [job for job in jobs if job.state == "stalled"]
    if stalled:
        cannot = words.counted(len(stalled), "job", "jobs")
        said = f"{cannot} cannot go on. {stalled[0].sentence}{down}"
        of_tap = (stalled[0].reason or "").startswith("tap_")
        besides = [one for one in stalls if not (of_tap and one.kind in _OF_A_JOB)]
        return "degraded", _joined(said, standstill.verdict(besides))
    if child is not None and child.state == "idle":
        return "ok", f"Nothing is waiting.{down}"
    if down:
        return "degraded", f"No records come in.{down}"
    if bad := standstill.verdict(stalls):
        return "degraded", bad
    if not channel.connected:
        why = channel.why or "it has not been reached yet"
        return "degraded", f"No records come in: the channel to Tap is down ({why})."
    return "ok", _joined(_going(jobs), standstill.aside(stalls))


def _going(jobs: list[JobShape]) -> str:
    running = sum(job.completed_at is None for job in jobs)
    syncing = sum(job.sync.state == "syncing" for job in jobs if job.completed_at is not None)
    if running or syncing:
        under_way = words.counted(running, "job", "jobs")
        return f"{under_way} under way; {syncing:,} completed, whose records still come."
    return "Nothing is waiting."


def _joined(*sentences: str) -> str:
    return " ".join(one for one in sentences if one)
