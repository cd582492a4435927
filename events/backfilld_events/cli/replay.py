"""backfill-audit replay: are the projections what the log says?"""

import argparse
from pathlib import Path

from ..audit.replay import Replayed, replay
from ..audit.source import LogFile, open_source
from ..log.file import BadFile
from ..projections import VERSION
from . import options, say

ROWS_SHOWN_MAX = 20  # of those that differ, in an answer for people; JSON has more


def add(verbs: "options.Verbs") -> None:
    """Declares the verb."""
    verb = options.verb(
        verbs,
        "replay",
        "make every projection anew from the log, and compare the live ones row by row",
        ["backfill-audit replay /var/lib/backfilld/events.db",
         "backfill-audit replay events.db --scratch anew.db   # keeps those made anew"],
    )  # fmt: skip
    verb.add_argument(
        "--scratch",
        metavar="FILE",
        help="a new file for those made anew, or :memory:; else one that is removed at the end",
    )
    options.json(verb)
    options.file(verb)
    verb.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Compares them, and says what differs."""
    with open_source(asked.file) as source:
        if not isinstance(source, LogFile):
            raise BadFile(f"{asked.file}: an export has no projections; import it first")
    if asked.scratch not in (None, ":memory:") and Path(asked.scratch).exists():
        raise BadFile(f"--scratch {asked.scratch}: it is there already; name a new file")
    with say.progress("replaying") as progress:
        done = replay(asked.file, asked.scratch or "", progress)
    if asked.json:
        say.data(as_data(done))
    else:
        for text in sentences(done):
            say.out(text)
    return code(done)


def code(done: Replayed) -> int:
    """How a comparison ends."""
    if not done.is_compared:
        return say.NO
    return say.BROKEN if done.differ else say.OK


def sentences(done: Replayed) -> list[str]:
    """What came of it, for people."""
    if done.version is None:
        return ["projections  none of any use here: the daemon makes them when it starts"]
    if not done.is_compared:
        return [
            f"projections  not compared: they are of version {done.version}, this one knows "
            f"{VERSION}; the daemon makes them anew when it starts"
        ]
    rows, tables = sum(done.rows.values()), len(done.rows)
    if not done.differ:
        return [
            f"projections  OK  {rows:,} rows of {tables} tables follow from the log, "
            f"up to #{done.position}"
        ]
    found = f"{done.differ:,} of {rows:,} rows are not what the log says, at #{done.position}"
    if done.folded > done.position:
        found = (
            f"the log ends with #{done.position}, its tail is cut off: what was folded from it "
            f"goes up to #{done.folded}; {done.differ:,} of {rows:,} rows are not what it says now"
        )
    told = [f"  {one.sentence}" for one in done.differences[:ROWS_SHOWN_MAX]]
    more = done.differ - len(told)
    return [
        f"projections  BROKEN  {found}:",
        *told,
        *([f"  and {more:,} more"] if more else []),
    ]


def as_data(done: Replayed) -> dict[str, object]:
    """The same for programs."""
    return {
        "ok": done.is_compared and not done.differ,
        "position": done.position,
        "folded": done.folded,
        "version": done.version,
        "rows": done.rows,
        "differ": done.differ,
        "differences": [
            {"table": one.table, "position": one.position, "sentence": one.sentence}
            for one in done.differences
        ],
    }
