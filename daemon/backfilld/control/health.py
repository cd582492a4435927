"""Is anything wrong, in one sentence: the same for the API, the command line and the pages."""

from .. import __version__
from . import words
from .door import Door
from .shapes import ChannelShape, Health, JobShape, LogShape
from .shapes.reads import ChildShape

JOBS_IN_HEALTH = 20


async def health(door: Door) -> Health:
    """How things stand now."""
    shown = await door.views.jobs(JOBS_IN_HEALTH)
    known = (one.nsid for one in door.journal.state.lexicons.values() if one.is_record)
    stats = await door.views.stats(known)
    channel, config = door.channel(), door.config()
    status, sentence = verdict(shown, channel, door.child())
    return Health(
        status=status,
        verdict=sentence,
        version=__version__,
        tap_url=config.tap.url,
        channel=channel,
        relays=list(config.relay.urls),
        records=stats.total_records,
        dead_letters=await door.views.dead_letters(),
        log=LogShape(door.journal.state.position, door.rebuilt),
        jobs=shown,
    )


def verdict(
    jobs: list[JobShape], channel: ChannelShape, child: ChildShape | None = None
) -> tuple[str, str]:
    """The status word and its sentence; `child` is the Tap that we run, if we do. Pure."""
    down = "" if child is None or child.state == "running" else f" {child.sentence}"
    stalled = [job for job in jobs if job.state == "stalled"]
    if stalled:
        cannot = words.counted(len(stalled), "job", "jobs")
        return "degraded", f"{cannot} cannot go on. {stalled[0].sentence}{down}"
    if child is not None and child.state == "idle":
        return "ok", f"Nothing is waiting.{down}"
    if down:
        return "degraded", f"No records come in.{down}"
    if not channel.connected:
        why = channel.why or "it has not been reached yet"
        return "degraded", f"No records come in: the channel to Tap is down ({why})."
    running = sum(job.completed_at is None for job in jobs)
    syncing = sum(job.sync.state == "syncing" for job in jobs if job.completed_at is not None)
    if running or syncing:
        under_way = words.counted(running, "job", "jobs")
        return "ok", f"{under_way} under way; {syncing:,} completed, whose records still come."
    return "ok", "Nothing is waiting."
