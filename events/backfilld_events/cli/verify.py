"""backfill-audit verify: is the log whole and what it was, and is what is shown what it says?"""

import argparse
from pathlib import Path
from typing import Any

from ..audit.against import against
from ..audit.checkpoint import Checkpoint, found_in
from ..audit.guards import missing
from ..audit.replay import replay
from ..audit.source import LogFile, Source, open_source
from ..audit.verify import Broken
from ..audit.whole import verify_source
from ..log.file import BadFile
from ..words import counted, unbroken
from . import options, say
from . import replay as replaying


def add(verbs: "options.Verbs") -> None:
    """Declares the verb."""
    verb = options.verb(
        verbs,
        "verify",
        "check chain, positions, versions, payloads, triggers and projections",
        ["backfill-audit verify /var/lib/backfilld/events.db",
         "backfill-audit verify events.db --against /mnt/elsewhere/checkpoints",
         "journalctl -u backfilld | backfill-audit verify events.db --against -"],
    )  # fmt: skip
    verb.add_argument(
        "--against",
        metavar="FILE",
        help="checkpoints that were kept elsewhere, one a line; - is standard input",
    )
    verb.add_argument(
        "--log-only", action="store_true", help="leave out the projections, which take longest"
    )
    options.json(verb)
    options.file(verb)
    verb.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Checks all of it, and says of each part how it is."""
    kept = _checkpoints(asked.against) if asked.against else []
    said = _Said(asked.file)
    with open_source(asked.file) as source:
        is_whole = said.log(source)
        if kept:
            said.against(source, kept)
        if isinstance(source, LogFile):
            said.guards(source)
    if isinstance(source, LogFile) and is_whole and not asked.log_only:
        said.projections()
    if asked.json:
        say.data({"ok": said.is_compared and not said.is_broken, **said.data})
    else:
        for line in said.lines:
            say.out(line)
    if said.is_broken:
        return say.BROKEN
    return say.OK if said.is_compared else say.NO


class _Said:
    """What was found so far."""

    def __init__(self, path: Path) -> None:
        self.lines: list[str] = []
        self.data: dict[str, Any] = {}
        self.is_broken, self.is_compared = False, True
        self._path = path

    def log(self, source: Source) -> bool:
        """Chain, positions, versions, payloads. Whether they are right."""
        try:
            done = verify_source(source)
        except Broken as broken:
            self._broken("log", broken)
            return False
        found = unbroken(done.events, done.passed)
        self.lines.append(f"log          OK  {found}; #{done.position} is {done.hash.hex()}")
        self.data |= {"events": done.events, "hash": done.hash.hex(), "accepted": [*done.passed]}
        return True

    def against(self, source: Source, kept: list[Checkpoint]) -> None:
        """What checkpoints say."""
        try:
            done = against(source, kept)
        except Broken as broken:
            self._broken("checkpoints", broken)
            return
        agree = counted(done.checkpoints, "agrees", "agree")
        self.lines.append(f"checkpoints  OK  {agree}, the last at #{done.position}")
        self.data |= {"checkpoints": done.checkpoints, "last_checkpoint": done.position}

    def guards(self, source: LogFile) -> None:
        """The triggers that refuse changes."""
        if wrong := missing(source.db):
            self.is_broken = True
            self.lines.append(f"file         BROKEN  the log can be changed: {', '.join(wrong)}")
        self.data["file"] = wrong

    def projections(self) -> None:
        """What is folded from the log."""
        try:
            with say.progress("replaying") as progress:
                done = replay(self._path, progress=progress)
        except Broken as broken:
            self._broken("projections", broken)
            return
        self.is_broken |= bool(done.differ)
        self.is_compared = done.is_compared
        self.lines += replaying.sentences(done)
        self.data["projections"] = replaying.as_data(done)

    def _broken(self, part: str, broken: Broken) -> None:
        self.is_broken = True
        self.lines.append(f"{part:<12} BROKEN  {broken}")
        self.data[part] = {"position": broken.position, "what": broken.what}


def _checkpoints(name: str) -> list[Checkpoint]:
    kept = dict[Checkpoint, None]()
    others = first = 0
    try:
        for number, one in found_in(say.lines_of(name)):
            if one is not None:
                kept[one] = None
            else:
                others, first = others + 1, first or number
    except OSError as error:
        raise BadFile(f"--against {name}: {error.strerror}") from error
    if not kept:
        raise BadFile(f"--against {name}: no checkpoint in it; one begins with `backfilld-log 1`")
    if others:
        lines = counted(others, f"line of {name} holds", f"lines of {name} hold")
        say.err(f"note: {lines} no checkpoint, the first is {first}")
    return [*kept]
