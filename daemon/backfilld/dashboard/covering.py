"""Whether all of a job or a collection is here, as pages show it; and the page of a collection."""

from collections.abc import Sequence
from typing import Any

from litestar import Response

from ..control.door import Asked
from ..control.routes.coverage import collection_of, coverage_of
from ..control.shapes.errors import KindShape
from ..control.shapes.reads import FilterShape
from ..control.views.coverage import Of
from ..control.views.pages import Sought
from . import places
from .bars import coverage
from .frame import Frame, rendered
from .listing import rows
from .live import View
from .tap_page import FILTER_STATES

JOBS = 5  # of a collection, on its page

BY_ITSELF = {
    "rate_parked": "nothing: Tap goes on by itself",
    "handoff_refused": "nothing: it is no account",
    "listing_failed": "start the job again",
}

_PARTS = {"top": "top", "as-of": "as_of", "coverage": "coverage", "errors": "errors"}


async def values(frame: Frame, of: Of) -> dict[str, Any]:
    """What the coverage part of a page needs; `where` is the list behind its numbers."""
    told = await coverage_of(frame.door, of)
    return {"covered": told, "segments": coverage(told.classes), "where": where(of)}


def where(of: Of) -> str:
    """The list of these repositories; a class is still to be added."""
    if of.job is not None:
        return places.asked(places.REPOS, job=of.job.id)
    return places.asked(places.REPOS, collection=of.nsid)


def errors(kinds: Sequence[KindShape]) -> dict[str, Any]:
    """What the errors part of a job's page needs. Pure."""
    again = sum(one.count for one in kinds if one.retryable and one.kind not in BY_ITSELF)
    return {"kinds": kinds, "again": again, "by_itself": BY_ITSELF}


async def page(frame: Frame, request: Asked, name: str) -> Response[str]:
    """The page of a collection, over all jobs. Raises BadRequest."""
    of = await collection_of(frame.door, name)
    found = await frame.door.views.listed(Sought(collection=name), None, JOBS)
    stats = await frame.door.views.stats([name])
    shown = {
        **await _values(frame, of),
        **rows(found.jobs),
        "here": "overview",
        "records": next(one.count for one in stats.collections if one.collection == name),
        "filter": await _filter(frame, name),
        "filter_states": FILTER_STATES,
        "all_jobs": places.asked(places.JOBS, collection=name),
        "live": f"/dashboard/live/coverage/{name}",
    }
    return await frame.page(request, "coverage.html", shown)


async def look(frame: Frame, name: str) -> View:
    """The page's live parts as they are now. Raises BadRequest."""
    of = await collection_of(frame.door, name)
    shown = {**await frame.stands(), **await _values(frame, of)}
    return View(rendered(_PARTS, shown), [])


async def _values(frame: Frame, of: Of) -> dict[str, Any]:
    shown = await values(frame, of)
    return {**shown, "nsid": of.nsid, "job": None, "kinds": shown["covered"].kinds}


async def _filter(frame: Frame, name: str) -> FilterShape | None:
    filters = (await frame.stands())["seen"].filters
    found = [] if filters is None else filters.collections
    return next((one for one in found if one.collection == name), None)
