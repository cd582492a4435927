"""The page of jobs: the table, Tap's numbers, and the form that starts one."""

from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import urlencode

from litestar import Response
from msgspec import Struct

from backfilld_events.ids import shown

from ..backfill.standing import State
from ..control.door import Asked
from ..control.jobs import outlook
from ..control.problems import BadRequest
from ..control.shapes import JobShape, Problem
from ..control.shapes.progress import ActionShape, Plan
from ..control.views.pages import Sought
from . import places
from .forms import StartForm
from .frame import Frame, rendered
from .live import View
from .said import Saying
from .say import STATES, percent, whole

ROWS = 25
NSIDS_MAX = 1000  # in the list of a field

_PARTS = {"top": "top", "as-of": "as_of", "jobs": "rows", "new": "new", "tap": "tap"}


class Watched(Struct, frozen=True):
    """What a list's live parts show: the jobs that are on the page, by position, and how many came
    after position `seen`; `seen` 0: it is not the first page."""

    rows: tuple[int, ...]
    seen: int
    sought: Sought


class Tried(Struct, frozen=True):
    """What came of the form that starts a job: as it was filled in, and its plan or what is wrong
    with it."""

    form: StartForm = StartForm()
    plan: Plan | None = None
    problem: Problem | None = None


UNTRIED = Tried()


def sought(state: str, collection: str) -> Sought:
    """What a list is asked for. Raises BadRequest."""
    if state and state not in STATES:
        raise BadRequest(
            400, f"no job has the state {shown(state)}", "bad-request",
            f"one of {', '.join(STATES)}", "state",
        )  # fmt: skip
    return Sought(state, collection.strip()[:400])


async def page(
    frame: Frame,
    request: Asked,
    asked: Sought,
    before: int | None = None,
    *,
    tried: Tried = UNTRIED,
    status: int = 200,
) -> Response[str]:
    """The page."""
    door = frame.door
    seen = door.journal.state.position
    found = await door.views.listed(asked, before, ROWS)
    lexicons = door.journal.state.lexicons.values()
    watched = Watched(tuple(job.position for job in found.jobs), 0 if before else seen, asked)
    values = {
        **rows(found.jobs),
        "here": "jobs",
        "asked": asked,
        "new": "",
        "here_url": _address(asked),
        "newer": _address(asked) if before else "",
        "older": "" if found.before is None else _address(asked, before=found.before),
        "nsids": sorted(one.nsid for one in lexicons if one.is_record)[:NSIDS_MAX],
        "form": tried.form,
        "plan": tried.plan,
        "problem": tried.problem,
        "live": _live(watched),
        "back": _address(asked),
    }
    return await frame.page(request, "jobs.html", values, status=status)


async def look(frame: Frame, request: Asked, watched: Watched) -> View:
    """The page's live parts as they are now."""
    views, stands = frame.door.views, await frame.stands()
    jobs = await views.at(watched.rows)
    newer = await views.newer(watched.sought, watched.seen) if watched.seen else 0
    values = {
        **stands,
        **rows(jobs),
        "csrf": frame.door.csrf(request),
        "new": f"{newer:,}" if newer else "",
        "here_url": _address(watched.sought),
    }
    return View(rendered(_PARTS, values), [saying(job) for job in jobs])


def saying(job: JobShape) -> Saying:
    """What is told of a job aloud."""
    total = whole(job)
    if total:
        far = percent(job.processed_repos, total).replace(" %", " percent")
        here = percent(job.sync.active, total).replace(" %", " percent")
        return Saying(job.id, job.state, job.sentence, f"{far} handed off, {here} synced")
    return Saying(job.id, job.state, job.sentence, f"{job.total_repos:,} found so far")


def rows(jobs: Sequence[JobShape]) -> dict[str, Any]:
    """What the table of these jobs needs."""
    frozen = any(job.reason == "log_broken" for job in jobs)
    actions: dict[str, list[ActionShape]] = {
        job.id: outlook.actions(cast(State, job.state), job.completed_at is not None, frozen=frozen)
        for job in jobs
    }
    return {"jobs": jobs, "actions": actions}


def _address(asked: Sought, **more: int) -> str:
    return places.asked(places.JOBS, state=asked.state, collection=asked.collection, **more)


def _live(watched: Watched) -> str:
    query = {
        "rows": ".".join(map(str, watched.rows)),
        "seen": watched.seen,
        "state": watched.sought.state,
        "collection": watched.sought.collection,
    }
    return f"/dashboard/live/jobs?{urlencode(query)}"
