"""backfill-audit show: the events."""

import argparse
import difflib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from ..audit import select
from ..audit.select import Wanted
from ..audit.show import UNREADABLE, as_data, line, unreadable, unreadable_line
from ..audit.source import Source, open_source
from ..catalog import TYPES
from ..ids import BadId, Did, parse_did
from ..row import Row
from . import options, say

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_CHARS = len("2027-01-15")
NUMBER_CHARS_MAX = 18  # all that SQLite counts with


def add(verbs: "options.Verbs") -> None:
    """Declares the verb."""
    verb = options.verb(
        verbs,
        "show",
        "print the events",
        ["backfill-audit show events.db --last 20",
         "backfill-audit show events.db --stream 'job/*' --type job.started --type job.failed",
         "backfill-audit show events.db --since 2027-01-15 --until 2027-01-15T12:00:00Z",
         "backfill-audit show events.db --did did:plc:ewvi7nxzyoun6zhxrhs64oiz --json",
         "backfill-audit show events.db --cause 41190   # what #41190 led to"],
    )  # fmt: skip
    verb.add_argument("--at", type=_position, metavar="POSITION", help="this event alone")
    verb.add_argument(
        "--after", type=_position, default=0, metavar="POSITION", help="those behind it"
    )
    verb.add_argument("--upto", type=_position, metavar="POSITION", help="those up to it")
    verb.add_argument("--stream", help="one stream, or a beginning with * (quoted): 'job/*'")
    verb.add_argument(
        "--type", action="append", default=[], help="a type, such as job.started; may come again"
    )
    verb.add_argument(
        "--since", type=_time, metavar="TIME", help="recorded then or later: RFC 3339, or a day"
    )
    verb.add_argument("--until", type=_time, metavar="TIME", help="recorded then or earlier")
    verb.add_argument("--actor", help="by whom, such as uid:1000")
    verb.add_argument(
        "--cause", type=_position, metavar="POSITION", help="what this event directly led to"
    )
    verb.add_argument("--did", type=_did, help="events that name this account")
    ends = verb.add_mutually_exclusive_group()
    ends.add_argument("--limit", type=_count, metavar="N", help="at most so many, the first")
    ends.add_argument("--last", type=_count, metavar="N", help="at most so many, the last")
    options.json(verb)
    options.file(verb)
    verb.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Prints them; one that cannot be read is said so, and is no reason to stop."""
    with open_source(asked.file) as source:
        select.tolerant(source)
        shown, broken = _printed(_rows(source, asked), as_json=asked.json)
    if broken:
        say.err(f"BROKEN  {asked.file}: {broken:,} of these events cannot be read")
        return say.BROKEN
    if not shown and asked.at is not None:
        say.err(f"error: {asked.file}: there is no event {asked.at}")
        return say.NOT_FOUND
    if not shown:
        _doubt(asked.type)
    return say.OK


def _rows(source: Source, asked: argparse.Namespace) -> Iterable[Row]:
    after, upto = (asked.after, asked.upto) if asked.at is None else (asked.at - 1, asked.at)
    wanted = Wanted(
        after, upto, asked.stream, frozenset(asked.type), asked.since, asked.until, asked.actor,
        asked.cause, asked.did,
    )  # fmt: skip
    if asked.last is not None:
        return select.last(source, wanted, asked.last)
    return select.found(source, wanted, asked.limit)


def _printed(rows: Iterable[Row], *, as_json: bool) -> tuple[int, int]:
    """How many rows it were, and how many of them cannot be read."""
    shown = broken = 0
    for row in rows:
        shown += 1
        try:
            text = as_data(row) if as_json else line(row)
        except UNREADABLE as error:
            broken += 1
            text = unreadable(row, error) if as_json else unreadable_line(row, error)
        if isinstance(text, str):
            say.out(text)
        else:
            say.data(text)
    return shown, broken


def _doubt(types: list[str]) -> None:
    """A type that nobody knows may be why nothing was found."""
    for name in types:
        if name not in TYPES:
            near = difflib.get_close_matches(name, TYPES, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            say.err(f"note: --type {name}: this version knows no such type{meant}")


def _time(text: str) -> int:
    """Microseconds, UTC."""
    try:
        moment = datetime.fromisoformat(text)
        if len(text) == DAY_CHARS:  # it begins in UTC, in which times are shown
            moment = moment.replace(tzinfo=UTC)
        return (moment - EPOCH) // timedelta(microseconds=1)
    except (ValueError, TypeError) as error:  # the latter: it has no zone
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time; write 2027-01-15T08:00:00Z, or 2027-01-15 for its beginning"
        ) from error


def _did(text: str) -> Did:
    try:
        return parse_did(text)
    except BadId as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _count(text: str) -> int:
    if (number := _number(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of events; write 1 or more")
    return number


def _position(text: str) -> int:
    if (number := _number(text)) < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no position; write a number, such as 41190")
    return number


def _number(text: str) -> int:
    """-1: it is none."""
    is_one = text.isascii() and text.isdecimal() and len(text) <= NUMBER_CHARS_MAX
    return int(text) if is_one else -1
