"""backfill-audit import: an events.db from an export."""

import argparse
from pathlib import Path

from ..audit.importing import import_log
from ..audit.source import open_source
from ..words import counted
from . import options, say


def add(verbs: "options.Verbs") -> None:
    """Declares the verb."""
    verb = options.verb(
        verbs,
        "import",
        "make a new events.db from an export, verifying it on the way",
        ["backfill-audit import log.jsonl events.db",
         "zstd -d log.jsonl.zst && backfill-audit import log.jsonl events.db"],
    )  # fmt: skip
    verb.add_argument("file", type=Path, help="an export")
    verb.add_argument("new", type=Path, metavar="NEWFILE", help="the events.db to be made")
    verb.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Makes it."""
    with open_source(asked.file) as source:
        done = import_log(source, asked.new)
    events = counted(done.events, "event", "events")
    say.out(f"imported {events}, unbroken; #{done.position} is {done.hash.hex()}")
    return say.OK
