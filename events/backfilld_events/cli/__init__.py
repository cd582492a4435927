"""backfill-audit: checks and shows a log, from its file or an export of it; needs neither the
daemon nor a network.

The one rule: it only reads, and believes nothing that it can compute. A module here is a verb:
`add` declares it, `run` carries it out and returns the exit code.
"""

import argparse
import sqlite3
import sys
from collections.abc import Sequence

from ..audit.verify import Broken
from ..codec import Undecodable
from ..log.file import BadFile
from . import checkpoint, replay, say, show, verify

VERBS = (verify, checkpoint, replay, show)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command. Exits as `say` has it."""
    options = _parser().parse_args(arguments)
    try:
        code = options.run(options)
        sys.stdout.flush()
    except (BadFile, sqlite3.Error) as error:
        say.err(f"error: {error}")
        code = say.USAGE
    except (Broken, Undecodable) as error:
        say.err(f"BROKEN  {options.file}: {error}")
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
