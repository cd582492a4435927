"""backfill-audit show: the events."""

import argparse
import json
from contextlib import closing

from ..audit.show import as_data, line
from ..log import read
from ..log.file import open_reader
from . import options, say


def add(verbs: "options.Verbs") -> None:
    """Declares the verb."""
    verb = options.verb(
        verbs, "show", "print the events", ["backfill-audit show events.db --stream 'job/*'"]
    )
    verb.add_argument("--after", type=int, default=0, metavar="POSITION")
    verb.add_argument("--stream", help="one stream, or a beginning with * (quoted): 'job/*'")
    verb.add_argument("--type", help="one type, such as job.page-discovered")
    verb.add_argument("--limit", type=int)
    options.json(verb)
    options.file(verb)
    verb.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Prints them."""
    with closing(open_reader(asked.file)) as db:
        found = read.rows(
            db, asked.after, stream=asked.stream, type_name=asked.type, limit=asked.limit
        )
        for row in found:
            say.out(json.dumps(as_data(row), ensure_ascii=False) if asked.json else line(row))
    return say.OK
