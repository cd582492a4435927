"""How things stand: health, Tap, the relays, the index."""

import platform
import sqlite3
from typing import Any

from litestar import Response, get
from litestar.openapi import ResponseSpec
from litestar.types import ControllerRouterHandler

from ... import __version__
from ...failures import Failure
from ...sources.tap.http import DIDS_MAX
from ..door import Door
from ..health import health
from ..problems import of_tap
from ..relays import relays
from ..shapes import Health, Stats, TapDown, TapShape, TapStats
from ..shapes.reads import RelayShape, TapLimits, Version

_WELL = ResponseSpec(data_container=Health, description="How all stands.")
_BROKEN = ResponseSpec(Health, generate_examples=False, description="The log does not verify.")
_UP = ResponseSpec(data_container=TapStats, description="What Tap tells.")
_DOWN = ResponseSpec(TapDown, generate_examples=False, description="Tap gives no answer.")


def routes(door: Door) -> list[ControllerRouterHandler]:
    """See the handlers."""

    @get("/health", media_type="text/plain")
    async def alive() -> str:
        """That the daemon answers at all."""
        return "ok"

    @get("/admin/health", responses={200: _WELL, 503: _BROKEN})
    async def whole() -> Response[Any]:
        """Is anything wrong, in one sentence. 503 when the fault is ours: the log does not
        verify."""
        stands = await health(door)
        return Response(stands, status_code=503 if stands.status == "broken" else 200)

    @get("/admin/tap/stats", responses={200: _UP, 502: _DOWN})
    async def tap_stats() -> Response[Any]:
        """Tap's counters; the outbox buffer tells how much is queued."""
        try:
            return Response(await _stats(door))
        except Failure as failure:
            said = of_tap(failure)
            last = door.counters.last(door.channel())
            down = TapDown(error=said.error, code=said.code, hint=said.hint, last=last)
            return Response(down, status_code=502)

    @get("/admin/tap")
    async def tap() -> TapShape:
        """Tap: whether it answers, the channel to it, what we ask of it and what it sends."""
        return await _tap(door)

    @get("/admin/relay")
    async def relay() -> list[RelayShape]:
        """Each relay: its last answer, who waits for it, until when it has us wait."""
        urls = [url.rstrip("/") for url in door.config().relay.urls]
        return relays(door.journal.state, urls)

    @get("/admin/stats")
    async def stats() -> Stats:
        """Records in the index, by collection."""
        return await door.views.stats(_wanted(door))

    @get("/admin/version")
    async def version() -> Version:
        """The daemon's version."""
        return Version(__version__, platform.python_version(), sqlite3.sqlite_version)

    return [alive, whole, tap_stats, tap, relay, stats, version]


async def _stats(door: Door) -> TapStats:
    return await door.counters.stats(door.channel(), float(door.config().tap.stats_interval))


async def _tap(door: Door) -> TapShape:
    try:
        stats: TapStats | None = await _stats(door)
    except Failure:
        stats = door.counters.last(door.channel())
    config = door.config().tap
    return TapShape(
        url=config.url,
        health=door.counters.health(),
        channel=door.channel(),
        limits=TapLimits(
            config.batch_size, DIDS_MAX, config.info_rate, float(config.stats_interval)
        ),
        filters=await door.filters(),
        stats=stats,
        child=door.child(),
    )


def _wanted(door: Door) -> list[str]:
    return sorted(one.nsid for one in door.journal.state.lexicons.values() if one.is_record)
