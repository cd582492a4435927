"""backfill-audit export: the log as text that anything can read."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from ..audit.checkpoint import Checkpoint
from ..audit.export import export
from ..audit.form import Header
from ..audit.newfile import new_file
from ..audit.source import open_source
from ..row import utc_text
from ..words import counted
from . import options, say


def add(verbs: "options.Verbs") -> None:
    """Declares the verb."""
    verb = options.verb(
        verbs,
        "export",
        "write the log as lines of JSON, with hashes, verifying it on the way",
        ["backfill-audit export events.db log.jsonl",
         "backfill-audit export events.db - | zstd > log.jsonl.zst"],
    )  # fmt: skip
    verb.add_argument(
        "--broken",
        action="store_true",
        help="if the log does not verify, write its rows as they stand; the first line says so",
    )
    options.file(verb)
    verb.add_argument("new", metavar="FILE", help="a new file; - is standard output")
    verb.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Writes it, and says on stderr what was written."""
    now = utc_text(datetime.now(UTC).timestamp())
    with open_source(asked.file) as source:
        if asked.new == "-":
            done = export(source, sys.stdout.buffer, now, broken=asked.broken)
        else:
            with new_file(Path(asked.new)) as partial, partial.open("xb") as file:
                done = export(source, file, now, broken=asked.broken)
    return _said(asked, done)


def _said(asked: argparse.Namespace, done: Header) -> int:
    if done.broken is not None:
        flaw = f"event {done.broken.position}: {done.broken.what}"
        say.err(f"BROKEN  {asked.file}: {flaw}; exported as it stands, which its first line says")
        return say.BROKEN
    say.err(f"exported {counted(done.position, 'event', 'events')}, unbroken")
    if done.position:
        last = bytes.fromhex(done.hash)
        say.err(Checkpoint(done.origin, done.position, last, done.at).line)
    return say.OK
