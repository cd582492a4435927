"""backfilld accept-break: a person's decision about a log that does not verify."""

import os
import sys
from pathlib import Path

import click

from ..clock import system
from ..config import Config
from ..verification import accept, checkpoints, mark
from . import say, stopped
from .daemon import config_option, loaded

SHOWN_MAX = 20  # breaks


@click.command("accept-break")
@config_option
@stopped.reason_option
@click.option("--yes", is_flag=True, help="Ask nothing.")
def accept_break(path: Path | None, reason: str, yes: bool) -> None:
    """Go on with a log that does not verify, as it is; to restore a backup is better. Stop
    backfilld first. Nothing is repaired: the log says who went on with which break, and why.
    Projections and triggers are made anew."""
    settings = loaded(path)
    with stopped.alone_with_the_log(Path(settings.data_dir)) as log:
        try:
            _decide(settings, log.parent, reason, yes=yes)
        except accept.Unacceptable as error:
            say.err(f"error: this cannot be accepted: {error}\n  fix: {error.hint}")
            sys.exit(say.BROKEN_LOG)


def _decide(settings: Config, folder: Path, reason: str, *, yes: bool) -> None:
    log, file = folder / "events.db", settings.log.checkpoint_file
    try:
        kept = checkpoints.last(Path(file), checkpoints.ALL_BYTES) if file else []
    except OSError as error:
        say.err(f"error: log.checkpoint_file: {file} cannot be read: {error.strerror}")
        sys.exit(say.USAGE)
    marked = mark.read(folder)
    found = accept.look(log, kept, marked=marked)
    if not found.breaks and not found.guards:
        mark.remove(folder)
        say.out("The log verifies: there is nothing to accept. Start backfilld again.")
        return
    _show(found, reason)
    if not yes:
        stopped.confirm("Go on with the log as it is?")
    written = accept.accept(log, found, reason, f"uid:{os.getuid()}", system())
    if accept.look(log, kept, marked=marked) != accept.Found([], []):
        raise accept.Unacceptable("it does not verify even so; this is a bug in backfilld")
    mark.remove(folder)
    say.out(f"{_accepted(written)}The log verifies. Start backfilld again.")


def _show(found: accept.Found, reason: str) -> None:
    say.err("The log does not verify:")
    for one in found.breaks[:SHOWN_MAX]:
        say.err(f"  event {one.position}: {one.what}")
    if (more := len(found.breaks) - SHOWN_MAX) > 0:
        say.err(f"  and {more:,} more")
    for what in found.guards:
        say.err(f"  {what}; it will be as it was made")
    if not found.told:
        say.err("The log is empty, and will not say that you accepted it.")
        return
    say.err(
        "What its events say now counts from here on, and nothing brings back what they said. The "
        f"log will say that uid {os.getuid()} accepted it: {reason}"
    )


def _accepted(written: list[int]) -> str:
    if not written:
        return ""
    if len(written) == 1:
        return f"Accepted: event #{written[0]} says so. "
    return f"Accepted: events #{written[0]} to #{written[-1]} say so. "
