"""Live bars on a terminal. The only module that imports rich, and it is imported late."""

from collections.abc import Iterator
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ...control.shapes import JobDetail
from . import text, words

BAR_CELLS = 20


def live(jobs: Iterator[JobDetail], stream: TextIO, *, colour: bool) -> JobDetail:
    """Shows each state of the job in place of the one before; the last one."""
    console = Console(file=stream, no_color=None if colour else True, highlight=False)
    with Live(console=console, auto_refresh=False) as shown:
        for job in jobs:
            shown.update(picture(job), refresh=True)
    return job


def picture(job: JobDetail) -> RenderableType:
    """The job's numbers as bars; no bar has an end that is not known."""
    grid = Table.grid(padding=(0, 2))
    for lane in words.lanes(job):
        bar: RenderableType = ""
        share = ""
        if lane.whole:
            bar = ProgressBar(
                total=lane.whole,
                completed=lane.done,
                width=BAR_CELLS,
                complete_style="cyan",
                finished_style="green",
            )
            share = text.percent(lane.done, lane.whole)
        grid.add_row(
            Text(lane.name),
            bar,
            Text(share, justify="right"),
            Text(f"{lane.done:,}", justify="right"),
            Text(lane.note),
        )
    state = Text.assemble(
        (f"{words.short(job.id)} {words.what(job)} "),
        (job.state.upper(), words.colour(job.state)),
        f"  {job.sentence}" if job.state == "stalled" else "",
    )
    if words.reached(job, "synced"):
        return Group(state, grid)
    return Group(state, grid, Text("ctrl-c leaves; the job goes on", style="dim"))
