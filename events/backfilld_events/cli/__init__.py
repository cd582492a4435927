"""backfill-audit: checks and shows a log, from its file or an export of it; needs neither the
daemon nor a network.

The one rule: it changes no log, and believes nothing that it can compute. A module here is a verb:
`add` declares it, `run` carries it out and returns the exit code.
"""

import argparse
import os
import sqlite3
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from ..audit.verify import Broken, is_of_the_rows
from ..codec import Undecodable
from ..log.file import BadFile
from . import (
    checkpoint,
    diff,
    explain,
    export,
    importing,
    reconcile,
    replay,
    say,
    show,
    stats,
    verify,
)

NICE = 19  # whoever looks at a log must not be in the way of the daemon that writes it

VERBS = (verify, checkpoint, replay, diff, reconcile, show, explain, stats, export, importing)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command. Exits as `say` has it."""
    options = _parser().parse_args(arguments)
    if arguments is None:
        os.nice(NICE)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):  # what the terminal has no sign for is no error
                stream.reconfigure(errors="backslashreplace")
    try:
        code = options.run(options)
        sys.stdout.flush()
    except (BadFile, sqlite3.Error) as error:
        is_broken = isinstance(error, sqlite3.Error) and is_of_the_rows(error)
        say.err(f"BROKEN  it cannot be read: {error}" if is_broken else f"error: {error}")
        code = say.BROKEN if is_broken else say.USAGE
    except (Broken, Undecodable) as error:
        name = f"{options.file}: " if hasattr(options, "file") else ""
        say.err(f"BROKEN  {name}{error}")
        code = say.BROKEN
    except BrokenPipeError:
        sys.stderr.close()
        return
    except KeyboardInterrupt:
        code = 130
    if code:
        sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="backfill-audit", description="Checks and shows a backfilld log (events.db)."
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for verb in VERBS:
        verb.add(verbs)
    return parser


if __name__ == "__main__":
    main()
