"""backfill-audit: checks and shows a log file; needs neither the daemon nor a network."""

import argparse
import json
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from .audit.show import as_data, line
from .audit.verify import Broken
from .audit.whole import verify_file
from .codec import Undecodable
from .log import read
from .log.file import BadFile, open_reader

EXIT_USAGE = 2
EXIT_BROKEN = 8


def main(arguments: Sequence[str] | None = None) -> None:
    """The command. Exits 0, 2 (no such file, not a log) or 8 (the log does not verify)."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (BadFile, sqlite3.DatabaseError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    except (Broken, Undecodable) as error:
        print(f"BROKEN  {options.file}: {error}", file=sys.stderr)
        sys.exit(EXIT_BROKEN)
    except BrokenPipeError:
        sys.stderr.close()


def _verify(options: argparse.Namespace) -> None:
    done = verify_file(options.file)
    if options.json:
        print(json.dumps({"ok": True, "events": done.events, "hash": done.hash.hex()}))
    else:
        print(f"OK  {done.events:,} events, unbroken; #{done.position} is {done.hash.hex()}")


def _show(options: argparse.Namespace) -> None:
    with closing(open_reader(options.file)) as db:
        found = read.rows(
            db, options.after, stream=options.stream, type_name=options.type, limit=options.limit
        )
        for row in found:
            print(json.dumps(as_data(row), ensure_ascii=False) if options.json else line(row))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="backfill-audit", description="Checks and shows a backfilld log (events.db)."
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    check = verbs.add_parser("verify", help="check chain, positions, versions and payloads")
    check.set_defaults(run=_verify)
    show = verbs.add_parser("show", help="print the events")
    show.add_argument("--after", type=int, default=0, metavar="POSITION")
    show.add_argument("--stream", help="one stream, or a beginning with * (quoted): 'job/*'")
    show.add_argument("--type", help="one type, such as job.page-discovered")
    show.add_argument("--limit", type=int)
    show.set_defaults(run=_show)
    for verb in (check, show):
        verb.add_argument("--json", action="store_true", help="JSON, one object a line")
        verb.add_argument("file", type=Path)
    return parser


if __name__ == "__main__":
    main()
