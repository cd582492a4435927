"""backfilld accept-break: a person's decision about a log that does not verify."""

import os
import sys
from pathlib import Path

import click

from ..clock import system
from ..config import Config
from ..datadir import DataDirTaken, only_one
from ..verification import accept, checkpoints, mark
from . import say
from .daemon import config_option, loaded

REASON_CHARS_MAX = 500
SHOWN_MAX = 20  # breaks


@click.command("accept-break")
@config_option
@click.option("--reason", metavar="TEXT", required=True, help="Why; it stands in the log for ever.")
@click.option("--yes", is_flag=True, help="Ask nothing.")
def accept_break(path: Path | None, reason: str, yes: bool) -> None:
    """Go on with a log that does not verify, as it is; to restore a backup is better. Stop
    backfilld first. Nothing is repaired: the log says who went on with which break, and why.
    Projections and triggers are made anew."""
    settings = loaded(path)
    reason = reason.strip()
    if not 0 < len(reason) <= REASON_CHARS_MAX or not reason.isprintable():
        say.err(f"error: --reason should be one line of 1 to {REASON_CHARS_MAX} characters")
        sys.exit(say.USAGE)
    folder = Path(settings.data_dir)
    if not (folder / "events.db").is_file():
        say.err(f"error: data_dir {folder}: there is no events.db\n  fix: name it by --config FILE")
        sys.exit(say.USAGE)
    try:
        with only_one(folder):
            _decide(settings, folder, reason, yes=yes)
    except DataDirTaken as error:
        say.err(f"error: {error}\n  fix: stop it first, such as by: systemctl stop backfilld")
        sys.exit(say.REFUSED)
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
        _ask()
    written = accept.accept(log, found, reason, f"uid:{os.getuid()}", system())
    if accept.look(log, kept, marked=marked) != accept.Found([], []):
        raise accept.Unacceptable("it does not verify even so; this is a bug in backfilld")
    mark.remove(folder)
    said = f"Accepted: event {', '.join(f'#{one}' for one in written)} says so. " if written else ""
    say.out(f"{said}The log verifies. Start backfilld again.")


def _show(found: accept.Found, reason: str) -> None:
    say.err("The log does not verify:")
    for one in found.breaks[:SHOWN_MAX]:
        say.err(f"  event {one.position}: {one.what}")
    if (more := len(found.breaks) - SHOWN_MAX) > 0:
        say.err(f"  and {more:,} more")
    for what in found.guards:
        say.err(f"  {what}; it will be as it was made")
    say.err(
        "What its events say now counts from here on, and nothing brings back what they said. The "
        f"log will say that uid {os.getuid()} accepted it: {reason}"
    )


def _ask() -> None:
    if not _is_terminal():
        say.err("error: it asks, and here is nobody to ask\n  fix: add --yes")
        sys.exit(say.USAGE)
    click.confirm("Go on with the log as it is?", abort=True, err=True)


def _is_terminal() -> bool:
    return sys.stdin.isatty()
