"""How long it takes to say who is behind a number, whichever it is and however many there are."""

import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, TypeVar

import trio

from backfilld.backfill.plan import Limits
from backfilld.backfill.standing import Scene
from backfilld.control import covered
from backfilld.control.views import Views
from backfilld.control.views.coverage import Of
from backfilld.control.views.errors import Place
from backfilld.records.sqlite import SqliteStore
from backfilld.worker import InlineWorker
from backfilld_events.ids import Did
from backfilld_events.projections.classes import Class

from ..coverage_log import FIRST, SECOND, write
from ..result import Line

ABOUT = "a page of 100 repositories of each class, and one account's history, out of a million"

SIZE = 1_000_000
PAGE = 100
PAGES = 20  # from the front, and as many from each of these places
PLACES = (0.0, 0.5, 0.99)
GOAL_MS = 50.0
WORDS = (
    *(kind.name.lower() for kind in Class if kind is not Class.GONE), "open", "failed:too_large",
)  # fmt: skip

T = TypeVar("T")


class Took(NamedTuple):
    """Milliseconds: of a processor, and by the clock."""

    cpu: float
    wall: float


def run(*, quick: bool, size: int = SIZE) -> tuple[list[Line], list[str]]:
    """See ABOUT."""
    size = size // 10 if quick else size
    with tempfile.TemporaryDirectory(prefix="backfilld-bench-") as name:
        folder = Path(name)
        began = time.perf_counter()
        write(folder / "events.db", size)
        wrote = time.perf_counter() - began
        SqliteStore.open(folder / "records.db", 20).close()
        bytes_ = (folder / "events.db").stat().st_size
        with closing(_views(folder)) as views:
            lines = trio.run(_measured, views, size)
    return lines, [f"the log of {size:,} repositories: {bytes_ / 1e6:,.0f} MB, {wrote:,.0f} s"]


def _views(folder: Path) -> Views:
    limits = Limits((), 1, 1, 1.0, 1, 1, 1)
    return Views.open(
        folder / "events.db", folder / "records.db", InlineWorker(), lambda: Scene(limits)
    )


async def _measured(views: Views, size: int) -> list[Line]:
    lines: list[Line] = []
    for nsid, words in ((FIRST, [word for word in WORDS if word != "held"]), (SECOND, ["held"])):
        of = await views.of_collection(nsid)
        if of is None:
            raise LookupError(nsid)
        (found, _), took = await _timed(views.covered, of)
        if found.unexplained:
            raise ValueError(f"{found.unexplained} are unexplained")
        lines.append(_line(f"the numbers of {nsid}", [took]))
        lines += [_line(f"a page: {word}", await _pages(views, of, word, size)) for word in words]
    of = await views.of_job("first")
    if of is None or of.job is None:
        raise LookupError("first")
    kinds = list(covered.KINDS.values())
    (errors, _), took = await _timed(views.errors, of.job, kinds, Place(), PAGE)
    lines.append(_line("a page of errors", [took]))
    did = Did(errors[-1].did or "")
    for what in ("an account's history", "the same again"):
        account, took = await _timed(views.account, did, None, PAGE)
        n = 0 if account is None else len(account.history)
        lines.append(
            Line(what=f"{what}: {n} lines", figure=took.cpu, unit="ms", rival="by the clock",
                 rival_figure=took.wall)
        )  # fmt: skip
    return lines


async def _pages(views: Views, of: Of, word: str, size: int) -> list[Took]:
    """What each page took."""
    wanted = covered.sought(word)
    if wanted is None:
        raise LookupError(word)
    all_: list[Took] = []
    for place in PLACES:
        after: int | None = int(size * place)
        for _ in range(PAGES):
            (_, after), took = await _timed(views.behind, of, wanted, after, PAGE)
            all_.append(took)
            if after is None:
                break
    return all_


async def _timed(question: Callable[..., Awaitable[T]], *asked: object) -> tuple[T, Took]:
    wall, cpu = time.perf_counter(), time.process_time()
    answer = await question(*asked)
    return answer, Took((time.process_time() - cpu) * 1e3, (time.perf_counter() - wall) * 1e3)


def _line(what: str, all_: list[Took]) -> Line:
    worst = max(all_)
    return Line(
        what=f"{what}, slowest of {len(all_)}", figure=worst.cpu, unit="ms", rival="by the clock",
        rival_figure=worst.wall, goal=f"< {GOAL_MS:.0f} ms", met=worst.cpu < GOAL_MS,
    )  # fmt: skip
