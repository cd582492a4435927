"""A job, live: server-sent events."""

from typing import Annotated, Any

from litestar import Response, get
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, FromQuery, HeaderParameter
from litestar.types import ControllerRouterHandler

from ..door import Asked, Door
from ..live import frames
from ..live.following import streamed
from ..live.watch import Live
from ..live.watching import Until, Wanted, position_of, told, was_told_all
from .jobs import the_job

_NO_MORE = ResponseSpec(data_container=None, description="All was told up to Last-Event-ID.")


def routes(door: Door) -> list[ControllerRouterHandler]:
    """See the handler."""
    live = Live(door.log_views)

    @get(
        "/admin/backfill/{job_id:str}/events",
        opt={"query": ("repos", "until"), "media": (frames.MEDIA_TYPE,)},
        responses={204: _NO_MORE},
    )
    async def events(
        job_id: FromPath[str],
        request: Asked,
        repos: FromQuery[bool] = False,
        until: FromQuery[Until] = "completed",
        last_event_id: Annotated[str | None, HeaderParameter(name="Last-Event-ID")] = None,
    ) -> Response[Any]:
        """What happens to a job, until it has ended, or until its records are here if asked so; of
        single repositories too with `repos`."""
        detail = await the_job(door, job_id)
        after = position_of(last_event_id, door.journal.state.position)
        wanted = Wanted(detail.id, after, repos, until)
        glance = await live.glance(detail.id)
        if glance is not None and was_told_all(live, glance, wanted):
            return Response(None, status_code=204)
        return streamed(told(door, live, request, wanted), frames.MEDIA_TYPE, frames.HEADERS)

    return [events]
