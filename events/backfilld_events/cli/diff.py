"""backfill-audit diff: what is another between two logs, such as a log and its backup."""

import argparse
from pathlib import Path
from typing import Any

from ..audit.diff import Compared, Field, Parted, diff
from ..audit.source import Source, open_source
from ..audit.verify import Broken
from ..row import utc_text
from ..words import counted
from . import options, say

FIELDS_MAX = 20  # of a payload, in an answer for people; JSON has all
VALUE_CHARS_MAX = 100  # of one of them


def add(verbs: "options.Verbs") -> None:
    """Declares the verb."""
    verb = options.verb(
        verbs,
        "diff",
        "compare two logs, and name the event where they part and what is another in it",
        ["backfill-audit diff events.db /mnt/backup/events.db",
         "backfill-audit diff log.jsonl events.db   # an export is a log, too"],
    )  # fmt: skip
    options.json(verb)
    options.file(verb, "one")
    options.file(verb, "other")
    verb.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Compares them, and says how they differ."""
    try:
        with _opened(asked.one) as one, _opened(asked.other) as other:
            done = diff(one, other)
    except Broken as broken:
        say.err(f"BROKEN  {broken}")
        return say.BROKEN
    if asked.json:
        say.data(_as_data(done))
    else:
        for line in _sentences(done, asked.one, asked.other):
            say.out(line)
    return say.OK if done.is_same else say.NO


def _opened(path: Path) -> Source:
    try:
        return open_source(path)
    except Broken as broken:
        raise Broken(broken.position, f"{path}: {broken.what}") from broken


def _sentences(done: Compared, one: Path, other: Path) -> list[str]:
    """What came of it, for people."""
    if done.is_same:
        return [f"the same  {counted(done.same, 'event', 'events')} in both"]
    same = counted(done.same, "event is", "events are")
    lines = [f"differ    {same} the same in both, from the first on"]
    if done.parted is not None:
        lines += _parting(done.parted, one, other)
        lines.append(_after(done))
    if done.more:
        name, shorter = (other, one) if done.more_in_other else (one, other)
        lines.append(
            f"more      {name} goes on where {shorter} ends: "
            f"{counted(done.more, 'more event', 'more events')}, from #{done.more_from} on"
        )
    return lines


def _parting(parted: Parted, one: Path, other: Path) -> list[str]:
    if parted.one is None or parted.other is None:
        row, name = (parted.other, other) if parted.one is None else (parted.one, one)
        what = "" if row is None else f": {row.stream} {row.type}"
        return [f"part at   #{parted.position}, which is in {name} alone{what}"]
    row = parted.one
    lines = [f"part at   #{parted.position} {row.stream} {row.type}, {one} -> {other}:"]
    for column in parted.columns:
        lines += (
            _payload(parted) if column.name == "payload" else [_line(column.name, _told(column))]
        )
    return lines


def _told(column: Field) -> Field:
    """As people have it: times are microseconds in the log, which they need for the least alone."""
    if column.name != "recorded_at":
        return column
    one, other = (utc_text(at / 1e6) for at in (column.one, column.other))
    return column if one == other else Field(column.name, one, other)


def _payload(parted: Parted) -> list[str]:
    shown = parted.payload[:FIELDS_MAX]
    lines = [_line(f"payload {field.name}".rstrip(), field) for field in shown]
    if not shown:
        lines.append("  payload: says the same in other bytes")
    if more := len(parted.payload) - len(shown):
        lines.append(f"  and {counted(more, 'more field', 'more fields')} of the payload")
    return lines


def _line(name: str, field: Field) -> str:
    return f"  {name}: {_text(field.one)} -> {_text(field.other)}"


def _text(value: Any) -> str:
    text = "nothing" if value is None else str(_plain(value))
    return f"{text[:VALUE_CHARS_MAX]}…" if len(text) > VALUE_CHARS_MAX else text


def _after(done: Compared) -> str:
    """What of the events after the one where they part."""
    if done.later:
        some = ", ".join(f"#{position}" for position in done.positions)
        more = " …" if done.later > len(done.positions) else ""
        events = counted(done.later, "event has", "events have")
        return f"after it  {events} another content: {some}{more}"
    if done.rehashed:
        return (
            f"after it  no event has another content; {counted(done.rehashed, 'has', 'have')} "
            "another hash, so a chain was made anew"
        )
    return "after it  no event is another"


def _as_data(done: Compared) -> dict[str, Any]:
    """The same for programs."""
    parted = done.parted
    return {
        "same": done.is_same,
        "events": done.same,
        "parted": None
        if parted is None
        else {
            "position": parted.position,
            "in": "other" if parted.one is None else "one" if parted.other is None else "both",
            "columns": _fields(parted.columns),
            "payload": _fields(parted.payload),
        },
        "later": done.later,
        "positions": done.positions,
        "rehashed": done.rehashed,
        "more": {
            "in": "other" if done.more_in_other else "one",
            "events": done.more,
            "from": done.more_from,
        }
        if done.more
        else None,
    }


def _fields(fields: list[Field]) -> list[dict[str, Any]]:
    return [
        {"name": one.name, "one": _plain(one.one), "other": _plain(one.other)} for one in fields
    ]


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value
