"""How things stand: health, Tap's counters, the index."""

from typing import Annotated

from litestar import get
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler

from ... import __version__
from .. import words
from ..door import Door
from ..shapes import ChannelShape, Health, JobShape, LogShape, Records, Stats, TapStats

JOBS_IN_HEALTH = 20


def routes(door: Door) -> list[ControllerRouterHandler]:
    """See the handlers."""

    @get("/health", media_type="text/plain")
    async def alive() -> str:
        """That the daemon answers at all."""
        return "ok"

    @get("/admin/health")
    async def health() -> Health:
        """Is anything wrong, in one sentence."""
        shown = await door.views.jobs(JOBS_IN_HEALTH)
        stats = await door.views.stats()
        channel, config = door.channel(), door.config()
        status, verdict = _verdict(shown, channel)
        return Health(
            status=status,
            verdict=verdict,
            version=__version__,
            tap_url=config.tap.url,
            channel=channel,
            relays=list(config.relay.urls),
            records=stats.total_records,
            dead_letters=await door.views.dead_letters(),
            log=LogShape(door.journal.state.position, door.rebuilt),
            jobs=shown,
        )

    @get("/admin/tap/stats")
    async def tap_stats() -> TapStats:
        """Tap's counters; the outbox buffer tells how much is queued."""
        every_s = float(door.config().tap.stats_interval)
        return await door.counters.stats(door.channel(), every_s)

    @get("/admin/stats")
    async def stats() -> Stats:
        """Records in the index, by collection."""
        return await door.views.stats()

    @get("/admin/records", opt={"query": ("collection", "limit", "cursor")})
    async def records(
        collection: str,
        limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
        cursor: str | None = None,
    ) -> Records:
        """Records of a collection, newest first."""
        return await door.views.records(collection, limit, cursor)

    return [alive, health, tap_stats, stats, records]


def _verdict(jobs: list[JobShape], channel: ChannelShape) -> tuple[str, str]:
    stalled = [job for job in jobs if job.state == "stalled"]
    if stalled:
        cannot = words.counted(len(stalled), "job", "jobs")
        return "degraded", f"{cannot} cannot go on. {stalled[0].sentence}"
    if not channel.connected:
        why = channel.why or "it has not been reached yet"
        return "degraded", f"No records come in: the channel to Tap is down ({why})."
    running = sum(job.completed_at is None for job in jobs)
    syncing = sum(job.sync.state == "syncing" for job in jobs if job.completed_at is not None)
    if running or syncing:
        under_way = words.counted(running, "job", "jobs")
        return "ok", f"{under_way} under way; {syncing:,} completed, whose records still come."
    return "ok", "Nothing is waiting."
