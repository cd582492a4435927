"""The log's page: whether it verifies, a checkpoint to keep elsewhere, and its newest events."""

from typing import Annotated, Any

from litestar import Response, get, post
from litestar.params import FromQuery, QueryParameter, RawBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from backfilld_events.catalog import TYPES

from ..control import verified
from ..control.door import Asked
from . import forms, places
from .frame import Frame, rendered
from .live import View
from .lives import Position, answered

ROWS = 50

_PARTS = {"top": "top", "as-of": "as_of", "verified": "verified"}
_Type = Annotated[str, QueryParameter(name="type")]


def routes(frame: Frame) -> list[ControllerRouterHandler]:
    """See the handlers."""

    @get("/log", opt={"query": ("stream", "type", "before")})
    async def log(
        request: Asked,
        stream: FromQuery[str] = "",
        type_name: _Type = "",
        before: Position = None,
    ) -> Response[str]:
        """Whether it verifies, and its events, newest first."""
        return await _page(frame, request, stream.strip(), type_name, before)

    @post("/log/verify", status_code=200, opt={"writes": False})
    async def verify(body: RawBody, request: Asked) -> Redirect:
        """Verifies all of it, in the background."""
        frame.door.check_csrf(request, forms.fields(body).get("csrf"))
        frame.door.verify_now()
        return Redirect(places.LOG, status_code=303)

    @get("/live/log", opt={"query": ("once",)})
    async def live(request: Asked, once: bool = False) -> Any:
        """The page's live parts."""
        return await answered(frame, request, once, lambda: _look(frame, request))

    return [log, verify, live]


async def _page(
    frame: Frame, request: Asked, stream: str, type_name: str, before: int | None
) -> Response[str]:
    door = frame.door
    found = await door.log_views.before(before, stream or None, type_name or None, ROWS)
    query = {"stream": stream, "type": type_name}
    kept = None if door.journal.frozen else await door.log_views.checkpoint(door.clock())
    values = {
        **_values(frame),
        "here": "log",
        "events": found.events,
        "stream": stream,
        "type": type_name,
        "types": sorted(TYPES),
        "kept": kept,
        "first": places.asked(places.LOG, **query) if before else "",
        "next": "" if found.before is None else places.asked(
            places.LOG, **query, before=found.before
        ),
        "live": "/dashboard/live/log",
        "back": places.asked(places.LOG, **query, before=before),
    }  # fmt: skip
    return await frame.page(request, "log.html", values)


async def _look(frame: Frame, request: Asked) -> View:
    shown = {**await frame.stands(), **_values(frame), "csrf": frame.door.csrf(request)}
    return View(rendered(_PARTS, shown), [])


def _values(frame: Frame) -> dict[str, Any]:
    return {"verified": verified.verification_shape(frame.door.verification)}
