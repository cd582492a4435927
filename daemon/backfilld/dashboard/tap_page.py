"""The page of Tap: its numbers, its filter, what stands still, what it and we are at."""

from collections.abc import Iterable
from typing import Any

from litestar import Response

from backfilld_events import chronicle
from backfilld_events.folds.source import Outing
from backfilld_events.projections.still import Limited

from ..control.door import Asked
from ..control.words import counted, moment
from .frame import Frame, rendered
from .live import View

OUTINGS_MAX = 20

_PARTS = {
    "top": "top",
    "as-of": "as_of",
    "tap": "tiles",
    "filters": "filters",
    "stalls": "stalls",
    "work": "work",
    "child": "child",
}
FILTER_STATES = {
    "sent": "Tap sends it",
    "coming": "Tap is started with it by itself",
    "unseen": "nothing of it has come yet",
    "dropped": "Tap seems to leave it out",
    "unasked": "nobody asks for it: counted, and dropped",
}


async def page(frame: Frame, request: Asked) -> Response[str]:
    """The page."""
    values = {**await _values(frame), "here": "tap", "live": "/dashboard/live/tap"}
    return await frame.page(request, "tap.html", values)


async def look(frame: Frame) -> View:
    """The page's live parts as they are now."""
    return View(rendered(_PARTS, {**await frame.stands(), **await _values(frame)}), [])


def parked(limited: Iterable[Limited], all_parked: int) -> list[str]:
    """The servers for whose limits Tap waits, most repositories first. Pure."""
    limited = list(limited)
    said = [
        f"{one.host or 'servers that we do not know'}: {_many(one.repos)}, "
        f"until {moment(one.until)} at the latest"
        for one in limited
    ]
    rest = all_parked - sum(one.repos for one in limited)
    return [*said, f"other servers: {_many(rest)}"] if rest > 0 else said


def outing(one: Outing) -> str:
    """Repositories that are being taken out of Tap, in words. Pure."""
    now = "are out of Tap, and are put in again" if one.left else "are being taken out of Tap"
    if one.count == 1:
        now = now.replace("are ", "is ")
    return f"{_many(one.count)} {now}: {chronicle.WHY.get(one.why, one.why)}"


async def _values(frame: Frame) -> dict[str, Any]:
    door, stands = frame.door, await frame.stands()
    source, stuck = door.journal.state.source, await door.views.stuck()
    outings = sorted(source.outings.values(), key=lambda one: one.position)
    return {
        "filters": stands["seen"].filters,
        "filter_states": FILTER_STATES,
        "child": stands["seen"].child,
        "stalls": stands["health"].stalls,
        "quiet": stands["health"].quiet,
        "with_tap": stuck.with_tap,
        "parked": parked(stuck.limited, stuck.parked),
        "outings": [(one.position, outing(one)) for one in outings[:OUTINGS_MAX]],
        "more_outings": max(0, len(outings) - OUTINGS_MAX),
        "census": source.census,
    }


def _many(n: int) -> str:
    return counted(n, "repository", "repositories")
