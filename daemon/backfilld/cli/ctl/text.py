"""Words, numbers and times as people read them. Pure but for the clock and the local zone."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

LABEL_CHARS = 9

_UNITS_S = ((86_400, "d"), (3_600, "h"), (60, "m"))


def clean(value: Any) -> Any:
    """`value` with every text in it safe for a terminal: what a stranger wrote could otherwise
    move the cursor, colour the screen or turn the direction of reading."""
    match value:
        case str():
            return value if value.isprintable() else "".join(map(_escaped, value))
        case list():
            return [clean(entry) for entry in value]
        case dict():
            return {clean(key): clean(entry) for key, entry in value.items()}
    return value


def _escaped(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode()


def moment(utc: str) -> str:
    """A time of the API, local with its offset; today's without the date."""
    at = datetime.fromisoformat(utc).astimezone()
    text = at.isoformat(" ", "seconds")
    return text[11:] if at.date() == datetime.now().astimezone().date() else text


def now() -> str:
    """The time of day, local with its offset."""
    return datetime.now().astimezone().isoformat(" ", "seconds")[11:]


def exact(utc: str) -> str:
    """A time of the API, local with its offset, to the millisecond."""
    return datetime.fromisoformat(utc).astimezone().isoformat(timespec="milliseconds")


def local(seconds: float) -> str:
    """A time in seconds since 1970, as `exact` has it."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().isoformat(timespec="milliseconds")


def age(utc: str) -> str:
    """How long ago a time of the API is, in its largest unit: `42s`, `6m`, `3h`, `2d`."""
    seconds = int(seconds_ago(utc))
    for unit_s, suffix in _UNITS_S:
        if seconds >= unit_s:
            return f"{seconds // unit_s}{suffix}"
    return f"{max(seconds, 0)}s"


def span(seconds: float) -> str:
    """A length of time in its two largest units: `42s`, `6m 12s`, `3h`."""
    left, parts = max(int(seconds), 0), []
    for unit_s, suffix in (*_UNITS_S, (1, "s")):
        if left >= unit_s:
            parts.append(f"{left // unit_s}{suffix}")
            left %= unit_s
        elif parts:
            break  # the next unit would say nothing after a gap
    return " ".join(parts[:2]) or "0s"


def seconds_ago(utc: str) -> float:
    """How long ago a time of the API is."""
    return (datetime.now(UTC) - datetime.fromisoformat(utc)).total_seconds()


def rate(a_second: float | None, what: str = "") -> str:
    """How often, of `what`: `410/s`, `4.2/s`, `12/min`; nothing if it is not known."""
    if a_second is None:
        return ""
    if 0 < a_second < 1:
        return f"{a_second * 60:.2g}{what}/min"
    digits = 1 if 1 <= a_second < 10 else 0
    return f"{a_second:,.{digits}f}{what}/s"


def duration(seconds: float) -> str:
    """A length of time with its unit."""
    for unit_s, suffix in _UNITS_S:
        if seconds >= unit_s and seconds % unit_s == 0:
            return f"{seconds / unit_s:g}{suffix}"
    return f"{seconds:g}s"


def since(utc: str) -> str:
    """A time with its age."""
    return f"{moment(utc)} ({age(utc)})"


def wrapped(label: str, value: str, width: int | None) -> str:
    """A labelled paragraph, its lines under each other; `width` None: one line."""
    begin = f"  {label:<{LABEL_CHARS}}"
    if width is None:
        return begin + value
    from textwrap import fill  # late: a pipe needs none

    return fill(
        value, width, initial_indent=begin, subsequent_indent=" " * len(begin),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def percent(part: int, whole: int) -> str:
    """Rounded down, so that 100 % means all."""
    return f"{part * 100 // whole} %"


def count(n: int, one: str, many: str) -> str:
    """`1 repository`, `2 repositories`."""
    return f"{n:,} {one if n == 1 else many}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns, two spaces apart."""
    lines = [head, *rows]
    wide = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(f"{cell:<{wide[i]}}" for i, cell in enumerate(line)).rstrip() for line in lines
    )
