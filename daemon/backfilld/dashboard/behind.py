"""The repositories behind a number: page by page, and as a list to take along.

The one rule: a page costs what it shows, and so does each part of the list.
"""

from collections.abc import AsyncGenerator, Mapping
from types import MappingProxyType
from typing import Any

from litestar import Response
from litestar.response import Redirect, Stream
from msgspec import Struct

from backfilld_events.projections.classes import Class
from backfilld_events.projections.tally import ALL, fault_in

from ..control.covered import Sought, kinds
from ..control.door import Asked, Door
from ..control.jobs.accounts import accounts
from ..control.live.following import go_on, streamed
from ..control.problems import BadRequest, note
from ..control.routes.coverage import after, collection_of, following, job_of, sought_of
from ..control.views.coverage import Of
from ..control.views.pages import Counted
from . import places
from .bars import COVERAGE
from .frame import HEADERS, Frame
from .listing import NSIDS_MAX

ROWS = 25
DIDS_AT_ONCE = 2_000

EVERYTHING = Of(ALL)


class Question(Struct, frozen=True):
    """Which repositories: of a job, or of a collection (neither: all), and of which class ("":
    any)."""

    job: str = ""
    collection: str = ""
    word: str = ""

    def at(self, path: str, **more: object) -> str:
        """The address of a page with this question."""
        query = {"job": self.job, "collection": self.collection, "class": self.word}
        return places.asked(path, **query, **more)


def question(job: str, collection: str, word: str) -> Question:
    """Raises BadRequest."""
    if job and collection:
        raise BadRequest(
            400, "job and collection do not go together", "bad-request",
            "name one of them", "collection",
        )  # fmt: skip
    return Question(job, collection.strip(), word)


async def page(
    frame: Frame,
    request: Asked,
    asked: Question,
    cursor: str | None = None,
    *,
    values: Mapping[str, Any] = MappingProxyType({}),
    status: int = 200,
) -> Response[str]:
    """The page. Raises BadRequest."""
    door, number = frame.door, after(cursor)
    of = await _of(door, asked)
    wanted = _wanted(asked.word, of)
    numbers = await door.views.counted(of.counter)
    found, last = await door.views.behind(of, wanted, number, ROWS)
    lexicons = door.journal.state.lexicons.values()
    shown = {
        "here": "repos",
        "asked": asked,
        "of": of,
        "classes": list(COVERAGE),
        "kinds": kinds(numbers.faults),
        "has_left": of.job is not None and of.job.outcome == "cancelled",
        "repos": found,
        "many": _many(wanted, numbers),
        "total": sum(numbers.classes.values()),
        "nsids": sorted(one.nsid for one in lexicons if one.is_record)[:NSIDS_MAX],
        "list": asked.at(places.DIDS),
        "first": asked.at(places.REPOS) if cursor else "",
        "next": "" if last is None else asked.at(places.REPOS, cursor=following(last)),
        "back": asked.at(places.REPOS, cursor=cursor),
        "name": "",
        "problem": None,
        **values,
    }
    return await frame.page(request, "repos.html", shown, status=status)


async def find(frame: Frame, request: Asked, name: str) -> Response[str] | Redirect:
    """The page of the account with this DID or handle; or, with what is wrong, the list."""
    try:
        (did,) = await accounts(frame.door.handles, name, None)
    except BadRequest as error:
        note(request, error.problem)
        sought = {"name": name, "problem": error.problem}
        return await page(frame, request, Question(), values=sought, status=error.status)
    return Redirect(places.account(did), status_code=303)


async def download(frame: Frame, request: Asked, asked: Question) -> Stream:
    """All of their DIDs, one a line. Raises BadRequest."""
    of = await _of(frame.door, asked)
    wanted = _wanted(asked.word, of)
    whose = "all" if of is EVERYTHING else of.name
    name = f"{whose}-{asked.word or 'any'}.txt".replace(":", "-")
    headers = {**HEADERS, "content-disposition": f'attachment; filename="{name}"'}
    return streamed(_dids(frame.door, request, of, wanted), "text/plain; charset=utf-8", headers)


async def _of(door: Door, asked: Question) -> Of:
    if asked.job:
        return await job_of(door, asked.job)
    if asked.collection:
        return await collection_of(door, asked.collection)
    return EVERYTHING


def _wanted(word: str, of: Of) -> Sought:
    return sought_of(word, of) if word else Sought(tuple(int(kind) for kind in Class))


def _many(wanted: Sought, numbers: Counted) -> int | None:
    """How many are asked for; None: that is not counted."""
    if wanted.differing:
        return None
    by_code = {int(kind): n for kind, n in numbers.classes.items()}
    by_fault = {int(fault): n for fault, n in numbers.faults.items()}
    return sum(
        by_code.get(code, 0) if (fault := fault_in(code)) is None else by_fault.get(fault, 0)
        for code in wanted.codes
    )


async def _dids(door: Door, request: Asked, of: Of, wanted: Sought) -> AsyncGenerator[bytes, None]:
    number: int | None = 0
    while number is not None:
        go_on(door, request)
        found, number = await door.log_views.dids_behind(of, wanted, number, DIDS_AT_ONCE)
        yield "".join(f"{did}\n" for did in found).encode()
