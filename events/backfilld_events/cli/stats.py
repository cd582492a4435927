"""backfill-audit stats: what is in the log, in numbers."""

import argparse
from pathlib import Path
from typing import Any

from ..audit.source import open_source
from ..audit.stats import DAY_US, Stats, stats
from ..audit.verify import checked
from ..row import from_columns, utc_text
from ..words import counted
from . import options, say


def add(verbs: "options.Verbs") -> None:
    """Declares the verb."""
    verb = options.verb(
        verbs,
        "stats",
        "count events by type, stream, actor and day, as they stand: it verifies nothing",
        ["backfill-audit stats /var/lib/backfilld/events.db"],
    )
    options.json(verb)
    options.file(verb)
    verb.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Counts them."""
    with open_source(asked.file) as source:
        found = stats(checked(map(from_columns, source.columns(None, source.upto()))))
    sizes = _sizes(asked.file)
    if asked.json:
        say.data(_as_data(found, sizes))
    else:
        for line in _lines(found, sizes):
            say.out(line)
    return say.OK


def _sizes(path: Path) -> dict[str, int]:
    """Bytes of the file, and of the write-ahead log beside it, if there is one."""
    files = (path, path.with_name(f"{path.name}-wal"))
    return {one.name: one.stat().st_size for one in files if one.exists()}


def _lines(found: Stats, sizes: dict[str, int]) -> list[str]:
    """The numbers, for people."""
    files = ", ".join(f"{name} {size:,} bytes" for name, size in sizes.items())
    events = counted(found.events, "event", "events")
    lines = [f"{events}, {found.bytes:,} bytes of payloads; {files}"]
    if found.first is None or found.last is None:
        return lines
    for name, (position, at) in {"first": found.first, "last": found.last}.items():
        lines.append(f"{name:<6} #{position}  {_time(at)}")
    types = sorted(found.types.items(), key=lambda one: (-one[1].events, one[0]))
    kinds = sorted(found.kinds.items(), key=lambda one: (-one[1].events, one[0]))
    days = found.last_days().items()
    tables: dict[str, list[Any]] = {
        "type events bytes first last": [
            [name, one.events, one.bytes, _time(one.first), _time(one.last)] for name, one in types
        ],
        "streams number events": [[name, one.streams, one.events] for name, one in kinds],
        "actor events": found.actors.most_common(),
        "day events": [[_day(day), events] for day, events in days],
    }
    for head, rows in tables.items():
        lines += ["", *_table([head.split(), *rows])]
    return lines


def _table(rows: list[Any]) -> list[str]:
    """Columns side by side: words to the left, numbers to the right."""
    cells = [[f"{one:,}" if isinstance(one, int) else str(one) for one in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    numbers = [isinstance(one, int) for one in rows[-1]]
    return [
        "  ".join(
            f"{one:>{width}}" if is_number else f"{one:<{width}}"
            for one, width, is_number in zip(row, widths, numbers, strict=True)
        ).rstrip()
        for row in cells
    ]


def _as_data(found: Stats, sizes: dict[str, int]) -> dict[str, Any]:
    """The numbers for programs."""
    first, last = (
        None if one is None else {"position": one[0], "at": _time(one[1])}
        for one in (found.first, found.last)
    )
    return {
        "events": found.events,
        "payload_bytes": found.bytes,
        "files": sizes,
        "first": first,
        "last": last,
        "types": {
            name: {"events": one.events, "payload_bytes": one.bytes, "first": _time(one.first),
                   "last": _time(one.last)}
            for name, one in sorted(found.types.items())
        },
        "streams": {
            name: {"streams": one.streams, "events": one.events}
            for name, one in sorted(found.kinds.items())
        },
        "actors": dict(sorted(found.actors.items())),
        "days": {_day(day): events for day, events in found.last_days().items()},
    }  # fmt: skip


def _time(at: int) -> str:
    return utc_text(at / 1e6)


def _day(day: int) -> str:
    return _time(day * DAY_US)[:10]
