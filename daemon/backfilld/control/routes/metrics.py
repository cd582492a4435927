"""GET /metrics, for Prometheus."""

from pathlib import Path

from litestar import Response, get
from litestar.types import ControllerRouterHandler

from ... import __version__
from .. import metrics, verified
from ..door import Door
from ..metrics import Measured


def routes(door: Door) -> list[ControllerRouterHandler]:
    """None, if they are switched off."""

    @get("/metrics", media_type=metrics.CONTENT_TYPE)
    async def measured() -> Response[str]:
        """What Prometheus reads; see docs/metrics.md."""
        return Response(metrics.text(await _measured(door)), media_type=metrics.CONTENT_TYPE)

    return [measured] if door.config().control.metrics else []


async def _measured(door: Door) -> Measured:
    state, now, known = door.journal.state, door.clock(), door.verification
    wanted = [one.nsid for one in state.lexicons.values() if one.is_record]
    folder = Path(door.config().data_dir)
    counted = await door.views.measures(tuple(state.jobs.values()), wanted, folder, now)
    since = {kind: one.since for kind, one in state.source.stalls.items()} | counted.stalled
    return Measured(
        version=__version__,
        stalled={on: round(max(0.0, now - at), 3) for on, at in since.items()},
        jobs=counted.jobs,
        collections=counted.collections,
        collections_total=len(wanted),
        unexplained=counted.unexplained,
        handed_over=door.handed_over(),
        connected=door.channel().connected,
        unacked=door.unacked(),
        outbox=door.counters.glance().outbox,
        dead_letters=await door.views.dead_letters(),
        position=door.journal.head.position,
        verifies=verified.verifies(known),
        verified_s=verified.age_s(known, now, again=door.config().log.verify_every > 0),
        disk_free=counted.disk_free,
    )
