"""The first page: what needs somebody, how much of each collection is here, which jobs go on."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from litestar import Response
from msgspec import Struct

from backfilld_events.folds.job import Job
from backfilld_events.ids import Nsid
from backfilld_events.projections.classes import OPEN, Class

from ..control.door import Asked
from ..control.shapes import Health
from ..control.shapes.reads import TapFilters
from ..control.standstill import MILD
from ..control.views.pages import Counted
from ..control.words import counted
from . import places
from .bars import Segment, coverage
from .frame import Frame, rendered
from .listing import rows, saying
from .live import View
from .say import percent

COLLECTIONS_MAX = 100
UNDER_WAY_MAX = 10
ENDED = 3

_PARTS = {"top": "top", "as-of": "as_of", "needs": "needs", "bars": "collections", "jobs": "rows"}


class Here(Struct, frozen=True):
    """How much of a collection is here. `share` is empty as long as nobody knows of what."""

    nsid: Nsid
    share: str
    says: str
    segments: Sequence[Segment]


class Need(Struct, frozen=True):
    """Something that waits for a person, and the page where it is done."""

    says: str
    where: str
    name: str
    is_bad: bool = False


async def page(frame: Frame, request: Asked) -> Response[str]:
    """The page."""
    shown = {**await _values(frame), "here": "overview", "live": "/dashboard/live/overview"}
    return await frame.page(request, "overview.html", shown)


async def look(frame: Frame, request: Asked) -> View:
    """The page's live parts as they are now."""
    shown = {**await frame.stands(), **await _values(frame), "csrf": frame.door.csrf(request)}
    return View(rendered(_PARTS, shown), [saying(job) for job in shown["jobs"]])


def needs(
    everything: Counted, health: Health, filters: TapFilters | None, odd: Iterable[Nsid] = ()
) -> Iterator[Need]:
    """What waits for a person, the worst first; `odd` are collections with repositories that are in
    no class. Pure."""
    if (problem := health.log.problem) is not None:
        where = f"event {problem.position:,}: " if problem.position else ""
        said = f"The log does not verify: {where}{problem.what}"
        yield Need(said, places.LOG, "What to do", is_bad=True)
    for nsid in odd:
        said = f"Repositories of {nsid} are unexplained. This is a bug in backfilld."
        yield Need(said, places.coverage(nsid), "Coverage", is_bad=True)
    for stall in health.stalls:
        if stall.kind not in MILD:
            yield Need(stall.sentence, places.TAP, "Why")
    missed = [] if filters is None else [one for one in filters.collections if _is_missed(one)]
    if missed:
        many = counted(len(missed), "collection", "collections")
        yield Need(f"Tap's filter seems to leave out {many}", places.TAP, "Filter")
    if failed := everything.classes.get(Class.FAILED, 0):
        many = counted(failed, "repository has failed", "repositories have failed")
        yield Need(many, places.asked(places.REPOS, **{"class": "failed"}), "Errors")
    if health.dead_letters:
        many = counted(health.dead_letters, "dead letter is open", "dead letters are open")
        yield Need(many, places.LETTERS, "Open")


def here(nsid: Nsid, numbers: Counted, *, listing: bool) -> Here:
    """How much of a collection is here; `listing`: more of it may be found. Pure."""
    classes = numbers.classes
    done = classes.get(Class.SYNCED, 0) + classes.get(Class.EMPTY, 0)
    total = sum(classes.values())
    still = sum(n for kind, n in classes.items() if kind in OPEN)
    if listing or not total:
        share, says = "", f"{done:,} of {total:,} found so far" if total else "none found yet"
    else:
        share, says = percent(done, total), f"{done:,} of {total:,} here"
    besides = {"open": still, "failed": classes.get(Class.FAILED, 0)}
    says += "".join(f"; {n:,} {word}" for word, n in besides.items() if n)
    by_word = {kind.name.lower(): n for kind, n in classes.items()}
    return Here(nsid, share, says, coverage(by_word))


def listed_now(jobs: Iterable[Job]) -> set[Nsid]:
    """The collections of which a relay's listing is under way, or still to come. Pure."""
    return {
        nsid
        for job in jobs
        if not job.given
        for nsid in job.collections[job.listings_ended :]
    }  # fmt: skip


async def _values(frame: Frame) -> dict[str, Any]:
    door, stands = frame.door, await frame.stands()
    views, state, health = door.views, door.journal.state, stands["health"]
    nsids = sorted(one.nsid for one in state.lexicons.values() if one.is_record)
    numbers = await views.counted_by_collection(nsids[:COLLECTIONS_MAX])
    odd = [nsid for nsid, one in numbers.items() if one.found != sum(one.classes.values())]
    going = listed_now(state.jobs.values())
    newest = sorted((job.position for job in state.jobs.values()), reverse=True)
    jobs = await views.at(newest[:UNDER_WAY_MAX])
    ended = [job for job in health.jobs if job.completed_at is not None][:ENDED]
    everything = await views.counted(0)
    return {
        **rows([*jobs, *ended]),
        "more_jobs": max(0, len(newest) - UNDER_WAY_MAX),
        "needs": list(needs(everything, health, stands["seen"].filters, odd)),
        "collections": [
            here(nsid, numbers[nsid], listing=nsid in going) for nsid in sorted(numbers)
        ],
        "unasked": [nsid for nsid in nsids[:COLLECTIONS_MAX] if nsid not in numbers],
        "more_collections": max(0, len(nsids) - COLLECTIONS_MAX),
        "log": health.log,
    }


def _is_missed(one: Any) -> bool:
    return bool(one.state == "dropped")
