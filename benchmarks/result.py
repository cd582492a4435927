"""What a benchmark found, as data and as a table.

The one rule: a figure of a shared machine means little alone, so it stands beside a rival's of
the same run, and their ratio.
"""

from collections.abc import Sequence

from msgspec import Struct


class Line(Struct, frozen=True, kw_only=True):
    """One figure. `goal` says in words what it must reach; `met` is None where nothing is asked."""

    what: str
    figure: float
    unit: str
    rival: str | None = None
    rival_figure: float | None = None
    goal: str | None = None
    met: bool | None = None

    @property
    def ratio(self) -> float | None:
        """Our figure over the rival's."""
        return self.figure / self.rival_figure if self.rival_figure else None


class Result(Struct, frozen=True, kw_only=True):
    """All figures of one benchmark; `notes` say what went beside them."""

    name: str
    about: str
    lines: Sequence[Line]
    notes: Sequence[str] = ()


_HEAD = ("measure", "figure", "rival", "its figure", "ratio", "goal", "met")


def table(result: Result) -> str:
    """The result for people."""
    rows = [_HEAD, *(_cells(line) for line in result.lines)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(_HEAD))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([f"{result.name}: {result.about}", "", *lines, *result.notes, ""])


def _cells(line: Line) -> tuple[str, ...]:
    ratio = line.ratio
    return (
        line.what,
        _number(line.figure, line.unit),
        line.rival or "",
        "" if line.rival_figure is None else _number(line.rival_figure, line.unit),
        "" if ratio is None else f"{ratio:.2f}",
        line.goal or "",
        {True: "yes", False: "NO", None: ""}[line.met],
    )


def _number(value: float, unit: str) -> str:
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"
    return f"{text} {unit}"
