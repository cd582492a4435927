"""backfill-audit checkpoint: one line to print, mail or keep elsewhere."""

import argparse
from datetime import UTC, datetime

from ..audit.checkpoint import Checkpoint, origin
from ..audit.source import open_source
from ..audit.verify import Broken
from . import options, say


def add(verbs: "options.Verbs") -> None:
    """Declares the verb."""
    verb = options.verb(
        verbs,
        "checkpoint",
        "print where the log stands: one line to print, mail or keep on another machine",
        ["backfill-audit checkpoint events.db | mail -s checkpoint me@example.org"],
    )
    options.json(verb)
    options.file(verb)
    verb.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Prints it."""
    with open_source(asked.file) as source:
        upto = source.upto()
        hashes = source.hashes({1, upto})
    if not upto:
        say.err(f"error: {asked.file}: the log has no events yet, so there is nothing to keep")
        return say.NOT_FOUND
    for position in (1, upto):
        if position not in hashes:
            raise Broken(position, "missing, or without a hash")
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    one = Checkpoint(origin(hashes[1]), upto, hashes[upto], now)
    if asked.json:
        say.data(
            {"origin": one.origin, "position": upto, "hash": one.hash.hex(), "at": now,
             "line": one.line}
        )  # fmt: skip
    else:
        say.out(one.line)
    return say.OK
