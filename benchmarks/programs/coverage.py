"""How long it takes to say who is behind a number, whichever it is and however many there are."""

import tempfile
import time
from contextlib import closing
from pathlib import Path

import trio

from backfilld.backfill.plan import Limits
from backfilld.backfill.standing import Scene
from backfilld.control import covered
from backfilld.control.views import Views
from backfilld.control.views.coverage import Of
from backfilld.control.views.errors import Place
from backfilld.records.sqlite import SqliteStore
from backfilld.worker import InlineWorker
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
    for nsid in (FIRST, SECOND):
        of = await views.of_collection(nsid)
        if of is None:
            raise LookupError(nsid)
        began = time.perf_counter()
        found, _ = await views.covered(of)
        lines.append(_line(f"{nsid}: the numbers", [time.perf_counter() - began]))
        for word in WORDS:
            took = await _pages(views, of, word, size)
            if took and nsid == (SECOND if word == "held" else FIRST):
                lines.append(_line(f"a page of those {word}", took))
        if found.unexplained:
            raise ValueError(f"{found.unexplained} are unexplained")
    job = await views.of_job("first")
    if job is None or job.job is None:
        raise LookupError("first")
    began = time.perf_counter()
    errors, _ = await views.errors(job.job, list(covered.KINDS.values()), Place(), PAGE)
    lines.append(_line("a page of errors", [time.perf_counter() - began]))
    did = errors[-1].did or ""
    began = time.perf_counter()
    account = await views.account(did, None, PAGE)  # type: ignore[arg-type]
    took_s = time.perf_counter() - began
    history = 0 if account is None else len(account.history)
    return [*lines, Line(what=f"an account's history, {history} lines", figure=took_s, unit="s")]


async def _pages(views: Views, of: Of, word: str, size: int) -> list[float]:
    """Seconds of each page."""
    wanted = covered.sought(word)
    if wanted is None:
        raise LookupError(word)
    took: list[float] = []
    for place in PLACES:
        after: int | None = int(size * place)
        for _ in range(PAGES):
            began = time.perf_counter()
            found, after = await views.behind(of, wanted, after, PAGE)
            if found:
                took.append(time.perf_counter() - began)
            if after is None:
                break
    return took


def _line(what: str, took: list[float]) -> Line:
    worst = max(took) * 1e3
    return Line(
        what=f"{what}, slowest of {len(took)}", figure=worst, unit="ms",
        goal=f"< {GOAL_MS:.0f} ms", met=worst < GOAL_MS,
    )  # fmt: skip
