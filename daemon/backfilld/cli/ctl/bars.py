"""Live bars on a terminal. The only module that imports rich, and it is imported late."""

from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ...control.shapes import JobDetail
from . import words

BAR_CELLS = 20


def live(looks: Iterator[list[JobDetail]], stream: TextIO, *, colour: bool) -> list[JobDetail]:
    """Shows each state of the jobs in place of the one before; the last one."""
    console = Console(file=stream, no_color=None if colour else True, highlight=False)
    with Live(console=console, auto_refresh=False) as shown:
        for jobs in looks:
            shown.update(picture(jobs), refresh=True)
    return jobs


def picture(jobs: Sequence[JobDetail]) -> RenderableType:
    """The jobs' numbers as bars; no bar has an end that is not known."""
    parts = [part for job in jobs for part in (_state(job), _bars(job))]
    if all(words.reached(job, "synced") for job in jobs):
        return Group(*parts)
    goes_on = "the job goes on" if len(jobs) == 1 else "the jobs go on"
    return Group(*parts, Text(f"ctrl-c leaves; {goes_on}", style="dim"))


def _state(job: JobDetail) -> RenderableType:
    return Text.assemble(
        f"{words.name(job)} ",
        (job.state.upper(), words.colour(job.state)),
        f"  {job.sentence}" if job.state in words.STANDS else "",
    )


def _bars(job: JobDetail) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    for lane in words.lanes(job):
        bar: RenderableType = ""
        share = ""
        if lane.whole and lane.percent is not None:
            bar = ProgressBar(
                total=lane.whole,
                completed=lane.done,
                width=BAR_CELLS,
                complete_style="cyan",
                finished_style="green",
            )
            share = f"{lane.percent} %"
        grid.add_row(
            Text(lane.name),
            bar,
            Text(share, justify="right"),
            Text(f"{lane.done:,}", justify="right"),
            Text(lane.note),
        )
    return grid
