"""Do I have everything? Of a job, or of a collection over all jobs."""

from typing import Annotated

from litestar import get
from litestar.params import FromPath, FromQuery, Parameter, QueryParameter
from litestar.types import ControllerRouterHandler

from backfilld_events import ids
from backfilld_events.projections.classes import Class

from .. import covered
from ..covered import Sought
from ..door import Door
from ..losses import lost
from ..problems import BadRequest, nsid_of
from ..shapes.coverage import Coverage
from ..views.coverage import DIFFERING_MAX, Of
from .jobs import not_found

LIMIT_MAX = 100
ClassWord = Annotated[str | None, QueryParameter(name="class")]
Limit = Annotated[int, Parameter(ge=1, le=LIMIT_MAX)]

_PAGE = ("class", "cursor", "limit")


def routes(door: Door) -> list[ControllerRouterHandler]:
    """See the handlers."""

    @get("/admin/coverage", opt={"query": ("collection", *_PAGE)})
    async def of_collection(
        collection: FromQuery[str],
        class_: ClassWord = None,
        cursor: FromQuery[str | None] = None,
        limit: Limit = 50,
    ) -> Coverage:
        """How many repositories of a collection, over all jobs, stand in which class; with `class`
        those behind that number."""
        of = await collection_of(door, collection)
        return await coverage_of(door, of, class_, cursor, limit)

    @get("/admin/backfill/{job_id:str}/coverage", opt={"query": _PAGE})
    async def of_job(
        job_id: FromPath[str],
        class_: ClassWord = None,
        cursor: FromQuery[str | None] = None,
        limit: Limit = 50,
    ) -> Coverage:
        """The same of the repositories of a job."""
        return await coverage_of(door, await job_of(door, job_id), class_, cursor, limit)

    return [of_collection, of_job]


async def job_of(door: Door, name: str) -> Of:
    """The job of this name, for its repositories. Raises BadRequest."""
    of = await door.views.of_job(name)
    if of is None:
        raise not_found()
    return of


async def collection_of(door: Door, name: str) -> Of:
    """The collection of this name, for its repositories. Raises BadRequest."""
    nsid = nsid_of(name, "collection")
    of = None if nsid is None else await door.views.of_collection(nsid)
    if of is None:
        raise BadRequest(
            404, f"no job has asked for {name}", "collection-not-found",
            f"start one: backfillctl start {name}", "collection",
        )  # fmt: skip
    return of


def after(cursor: str | None, begin: str = "r") -> int:
    """The number that a cursor says. Raises BadRequest."""
    if cursor is None:
        return 0
    number = cursor[1:]
    if cursor[:1] != begin or not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise BadRequest(
            400, f"invalid cursor: {ids.shown(cursor)}", "bad-request",
            "take it from the page before, or leave it out", "cursor",
        )  # fmt: skip
    return int(number)


def following(last: int | None, begin: str = "r") -> str | None:
    """The cursor of the page after this number."""
    return None if last is None else f"{begin}{last}"


def sought_of(word: str, of: Of) -> Sought:
    """The repositories of a class, or another word of the API. Raises BadRequest."""
    cancelled = of.job is not None and of.job.outcome == "cancelled"
    found = covered.sought(word, cancelled=cancelled)
    if found is None:
        raise BadRequest(
            400, f"no repository is in the class {ids.shown(word)}", "bad-request",
            f"one of {', '.join(covered.WORDS)}, with KIND one of {', '.join(covered.KINDS)}",
            "class",
        )  # fmt: skip
    return found


async def coverage_of(
    door: Door, of: Of, word: str | None = None, cursor: str | None = None, limit: int = 1
) -> Coverage:
    """All that is counted of it, and some of the repositories behind the number of a class. Raises
    BadRequest."""
    wanted, number = None if word is None else sought_of(word, of), after(cursor)
    found, as_of = await door.views.covered(of)
    source = door.journal.state.source
    restored = await door.views.restored(of.collections)
    answer = Coverage(
        job=None if of.job is None else of.job.id,
        collections=[*of.collections],
        sentence=covered.sentence(found),
        found=found.total,
        classes={kind.name.lower(): found.classes.get(kind, 0) for kind in Class},
        kinds=covered.kinds(found.faults),
        open=found.open,
        left=found.left,
        unexplained=found.unexplained,
        differing=found.differing,
        differing_exact=found.differing < DIFFERING_MAX,
        lost=lost(
            found,
            what=of.name,
            connected=source.connected,
            census=source.census is not None,
            log=door.verification,
            restored=restored,
        ),
        as_of=as_of,
        listing=found.listing,
        complete=covered.complete(found) and restored is None,
    )
    if wanted is not None:
        answer.repositories, last = await door.views.behind(of, wanted, number, limit)
        answer.cursor = following(last)
    return answer
